"""Training a motion head on a few pairs, and the metrics of motion."""

import numpy as np
import pytest
import torch
import typer
from rich.console import Console
from typer.testing import CliRunner

from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.manifest import read_info
from deepgif.models.bundles.small import save_small
from deepgif.models.networks.joint import JointModel
from deepgif.models.networks.motion import MotionConfig, MotionHead
from deepgif.models.networks.sentence import SentenceConfig
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.evaluation import motion as evaluate_motion
from deepgif.training.evaluation.motion import ALL, clip_vectors, evaluate
from deepgif.training.motion.fit import MotionOptions, TrainingSet, _motions, _parts, fit, principal_components
from deepgif.training.motion.train import main
from deepgif.training.scenes.pair_words import PAIR_KINDS
from deepgif.training.scenes.pairs import draw_pairs
from deepgif.training.scenes.stage import DEFAULT_FONT, Glyphs
from deepgif.training.small.vocabulary import learn_vocabulary

runner = CliRunner()
train, measure = typer.Typer(), typer.Typer()
train.command()(main)
measure.command()(evaluate_motion.main)
needs_font = pytest.mark.skipif(not DEFAULT_FONT.exists(), reason=f"{DEFAULT_FONT} is missing")
PLACES, WIDTH, SENTENCE = 2, 8, 12


def training_set(count=66):
    """Clips in which one feature of the first place rises, with sentences for rising and for falling."""
    rng = torch.Generator().manual_seed(0)
    frames = torch.rand(count, 6, PLACES, WIDTH, generator=rng)
    frames[:, :, 0, 0] += 3 * torch.arange(6)
    noise = 0.1 * torch.randn(2, count, 3, SENTENCE, generator=rng)
    noise[0, :, :, 0] += 1
    noise[1, :, :, 1] += 1
    neutral = torch.randn(50, SENTENCE, generator=rng)
    neutral[:, :2] = 0
    kinds = torch.arange(count) % len(PAIR_KINDS)
    cuts = torch.tensor([[0, 1], [2, 3]])
    return TrainingSet(
        frames, torch.eye(WIDTH), noise[0], noise[1], kinds, cuts, noise[0, :2, 0], noise[1, :2, 0], neutral
    )


def test_a_head_learns():
    """It tells rising from falling in clips and in sentences, and neutral sentences from both; the same seed gives the
    same head, whatever torch drew before."""
    given, config = training_set(), MotionConfig(PLACES * WIDTH, SENTENCE, PLACES, projection=4, hidden=16, dimension=4)
    options = MotionOptions(steps=120, batch=32, composed_share=0, contrast=0)
    losses = []
    head = fit(given, config, options, lambda done, total, loss: losses.append(loss))
    assert losses[-1] < losses[0] / 3
    with torch.no_grad():
        motions = _motions(head, given.frames)
        forwards, backwards, still = (
            head.texts(texts) for texts in (given.forwards[:, 0], given.backwards[:, 0], given.neutral)
        )
    assert ((motions * forwards).sum(dim=1) > 0.1).all()
    assert ((motions * backwards).sum(dim=1) < -0.1).all()
    assert still.norm(dim=1).mean() < forwards.norm(dim=1).mean() / 2
    torch.manual_seed(99)
    again = fit(given, config, options, lambda done, total, loss: None)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in head.state_dict().items())


def test_training_and_inference_agree():
    """With all principal components, training computes the same motions as the finished head (1e-4)."""
    features = np.random.default_rng(0).random((3, 4, PLACES * WIDTH)).astype(np.float32)
    directions = principal_components(features, PLACES, WIDTH)
    torch.testing.assert_close(directions.T @ directions, torch.eye(WIDTH), atol=1e-4, rtol=0)
    torch.manual_seed(0)
    narrow = MotionHead(MotionConfig(PLACES * WIDTH, SENTENCE, PLACES, projection=4, hidden=16, dimension=4)).eval()
    whole = MotionHead(narrow.config).eval()
    with torch.no_grad():
        projection = narrow.project.weight @ directions.T
        whole.load_state_dict({**narrow.state_dict(), "project.weight": projection})
        trained = _motions(narrow, _parts(features, PLACES) @ directions)
        torch.testing.assert_close(whole.clips(list(torch.from_numpy(features))), trained, atol=1e-4, rtol=0)


def test_choices_are_counted():
    """Right choices of clips and of sentences; ties count half, so a mean over frames is at chance."""
    pairs = draw_pairs(len(PAIR_KINDS), 0, held_out=True)
    clips = np.tile(np.array([[1, 0], [0, 1]], np.float32), (len(pairs), 1, 1))

    def texts(vectors):
        return lambda sentences: np.tile(np.array(vectors, np.float32), (len(sentences) // 2, 1))

    for vectors, clip, sentence in (
        ([[1, 0], [0, 1]], 100, 100),
        ([[0, 1], [1, 0]], 0, 0),
        ([[1, 0], [0.9, 0.1]], 50, 100),
        ([[1, 0], [1, 0]], 50, 50),
    ):
        found = evaluate(pairs, clips, texts(vectors))
        assert list(found) == [*(kind.name for kind in PAIR_KINDS), ALL]
        assert {(choices.clip, choices.sentence) for choices in found.values()} == {(clip, sentence)}
    same = np.repeat(clips[:, :1], 2, axis=1)
    assert evaluate(pairs, same, texts([[1, 0], [0.9, 0.1]]))[ALL].clip == 50
    assert evaluate(pairs, same, texts([[1, 0], [0.9, 0.1]]))[ALL].sentence == 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained base for small frames, and a few sentences."""
    folder = tmp_path_factory.mktemp("motion")
    torch.manual_seed(0)
    sizes = SentenceConfig(vocabulary=300, embedding=8, hidden=6)
    tokenizer = learn_vocabulary(["a cat runs", "a dog runs"], sizes.vocabulary)
    save_small(folder / "base", "tiny", "MIT", FrameSampling(3, 32), JointModel(sizes).eval(), tokenizer)
    for name in ("flickr8k", "text"):
        (folder / "data" / name).mkdir(parents=True)
    (folder / "data" / "flickr8k" / "train.txt").write_text("a.jpg\n")
    (folder / "data" / "flickr8k" / "captions.csv").write_text("image,caption\na.jpg,a red wall\na.jpg,a wall\n")
    (folder / "data" / "text" / "goemotions-train.tsv").write_text("very funny\t1\nyou are right\t2\n")
    return folder


def arguments(folder, out):
    few = ("--pairs", "22", "--neutral", "8", "--steps", "2", "--name", "tiny-motion", "--threads", "1")
    return [str(folder / "data"), "--base", str(folder / "base"), "--run", str(folder / "run"), "--out", str(out), *few]


@needs_font
def test_the_program(folder, tmp_path, monkeypatch):
    """It writes a bundle that loads and can be evaluated; run again, it reuses the cache and writes the same one."""
    assert runner.invoke(train, arguments(folder, tmp_path / "a"), catch_exceptions=False).exit_code == 0
    encoder = load_bundle(tmp_path / "a")
    assert encoder.info.name == "tiny-motion"
    assert encoder.encode_texts(["a cat"]).shape == (1, encoder.dimension)
    monkeypatch.setattr("deepgif.training.motion.fit.render_pair", None)  # everything is cached
    assert runner.invoke(train, arguments(folder, tmp_path / "b"), catch_exceptions=False).exit_code == 0
    assert read_info(tmp_path / "b").version == read_info(tmp_path / "a").version
    args = ["--bundle", str(tmp_path / "a"), "--bundle", str(folder / "base"), "--pairs", "11"]
    shown = runner.invoke(measure, args, catch_exceptions=False, env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert all(kind.name in shown.output for kind in PAIR_KINDS)
    assert f"{encoder.space}: clip" in shown.output


def test_missing_parts(folder, tmp_path):
    """One sentence names a missing bundle, dataset or font."""
    args = arguments(folder, tmp_path)
    for change, says in (
        ({1: "--base", 2: str(tmp_path)}, "There is no model in"),
        ({0: str(tmp_path)}, "train.txt is missing"),
        ({3: "--font", 4: str(tmp_path / "none.ttf")}, "cannot be read"),
    ):
        changed = [change.get(place, word) for place, word in enumerate(args)]
        shown = runner.invoke(train, [*changed, "--run", str(tmp_path / "run")])
        assert shown.exit_code == 1
        assert "".join(says.split()) in "".join(shown.output.split())  # lines may break within a path
    shown = runner.invoke(measure, ["--bundle", str(tmp_path)])
    assert shown.exit_code == 1
    assert "There is no model" in shown.output


@needs_font
def test_the_shipped_bundle_tells_directions_apart():
    """On new pairs of held-out subjects, settings and wordings, `small_motion` is right in more than 75 % of the
    choices, and its base is at chance."""
    trained = ("left or right", "up or down", "nearer or farther", "comes in or goes out", "light or dark")
    pairs = [pair for pair in draw_pairs(66, 20, held_out=True) if pair.kind.name in trained]
    results = {}
    for name, some in (("small", pairs[:10]), ("small_motion", pairs)):
        encoder = load_bundle(bundle_folder(name))
        clips = clip_vectors(encoder, some, Glyphs(), Console(quiet=True))
        results[name] = evaluate(some, clips, encoder.encode_texts)[ALL]
    assert results["small"].clip == pytest.approx(50, abs=2)
    assert results["small"].sentence == pytest.approx(50, abs=2)
    assert results["small_motion"].clip > 75
    assert results["small_motion"].sentence > 75
