"""Cached features, and projection heads trained on them with each loss."""

import csv

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from deepgif.models.bundles.manifest import read_info
from deepgif.models.networks.projection import ProjectionHeads, identity_projections
from deepgif.models.networks.skip_thoughts import END, UNKNOWN, Words, gru_of
from deepgif.training.data.features import extract
from deepgif.training.evaluation.retrieval import Recall
from deepgif.training.losses import Loss
from deepgif.training.projections.fit import ProjectionOptions, Split, evaluate, fit
from deepgif.training.projections.train import PUBLISHED_ON_MSVD, Result, main, table
from deepgif.training.skip_thoughts.fit import save_uni_skip
from tests.unit.models.bundles.test_classic import weights  # noqa: F401 - a fixture
from tests.unit.models.networks.test_skip_thoughts import E, parameters

app = typer.Typer()
app.command()(main)


def test_cached_features_resume(tmp_path):
    """Each item is computed once, even if the run is interrupted."""
    seen = []

    def compute(items):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.extend(items)
        return np.array([[item, -item] for item in items], np.float32)

    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        extract(range(10), compute, (2,), path, batch=3)
    assert seen == [0, 1, 2, 3, 4, 5]
    seen.append("stopped")
    rows = extract(range(10), compute, (2,), path, batch=3)
    assert seen == [0, 1, 2, 3, 4, 5, "stopped", 6, 7, 8, 9]
    assert rows.tolist() == [[n, -n] for n in range(10)]
    with pytest.raises(ValueError, match="another dataset"):
        extract(range(11), compute, (2,), path)


@pytest.fixture(scope="module")
def parts():
    """Clips and sentences that share a hidden factor, two sentences a clip."""
    generator = torch.Generator().manual_seed(0)
    to_clip, to_text = torch.randn(8, 24, generator=generator), torch.randn(8, 16, generator=generator)

    def part(count):
        hidden = torch.randn(count, 8, generator=generator)
        of = torch.arange(count).repeat_interleave(2)
        noise = torch.randn(2 * count, 16, generator=generator)
        return Split(hidden @ to_clip, hidden[of] @ to_text + 0.3 * noise, of)

    return part(300), part(60)


@pytest.mark.parametrize("loss", list(Loss))
def test_each_loss_trains(parts, loss):
    """Half the sentences retrieve their clip first among 60 held-out ones; chance is one in 60."""
    seen = []
    options = ProjectionOptions(loss, pairs=8_000, batch=64, learning_rate=5e-3, evaluations=5)
    maps, dev = fit(*parts, options, lambda done, total, loss: seen.append((done, total)))
    assert dev.r1 > 50
    assert evaluate(maps, parts[1]) == dev
    assert len(seen) >= 5
    assert seen[-1][0] == seen[-1][1]


def test_the_same_seed_gives_the_same_maps(parts):
    """Another seed gives others."""
    options = [ProjectionOptions(pairs=2000, seed=seed) for seed in (1, 1, 2)]
    one, same, other = (fit(*parts, option)[0].frame_map.weight for option in options)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_adapters_start_as_the_identity_and_improve(parts):
    """Untrained adapters keep the recall of two encoders that share a space; training can only improve it."""
    train, dev = (
        Split(part.sentences, part.sentences + 0.2 * part.sentences.flip(1), torch.arange(len(part.sentences)))
        for part in parts
    )
    before = evaluate(identity_projections(train.clips.shape[1]), dev)
    kept, none = fit(train, dev, ProjectionOptions(pairs=1, learning_rate=10.0, adapt=True))
    assert none == before
    assert torch.equal(kept.frame_map.weight, torch.eye(len(kept.frame_map.weight)))
    _, found = fit(train, dev, ProjectionOptions(pairs=8_000, batch=64, adapt=True))
    assert found.total > before.total


def test_the_table():
    """The mean over seeds, beside published results."""
    maps = ProjectionHeads(2, 2)
    dev = Recall(0, 0, 0, 0)
    results = [Result(Loss.SUM, seed, dev, Recall(10.0 + 2 * seed, 20, 30, 7), maps) for seed in (0, 1)]
    shown = table("title", results, published=True)
    columns = [list(column.cells) for column in shown.columns]
    assert columns[0] == ["sum", *(f"published: {name}" for name in PUBLISHED_ON_MSVD)]
    assert columns[2][0] == "11.0"
    assert columns[1][0] == "test"


def test_the_program(tmp_path, weights):  # noqa: F811
    """From a CSV of images to a classic bundle with VGG16 and Skip-Thoughts; the second run uses cached features."""
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "sentence"))
        for number in range(10):
            Image.new("RGB", (40, 30), (25 * number, 0, 0)).save(tmp_path / f"{number}.png")
            writer.writerow((f"{number}.png", "a cat falls"))
            writer.writerow((f"{number}.png", "a cat"))
    out = tmp_path / "classic"
    arguments = ["csv", str(tmp_path), "--run", str(tmp_path / "run"), "--weights", str(weights), "--pairs", "50"]
    for _ in range(2):
        done = CliRunner().invoke(app, [*arguments, "--out", str(out), "--loss", "sum", "--loss", "hardest"])
        assert done.exit_code == 0, done.output
        for shown in ("sum", "hardest", "R@10", "1 test clips"):
            assert shown in done.output
    assert read_info(out).kind == "classic"
    rng = np.random.default_rng(0)
    save_uni_skip(
        tmp_path / "uni", gru_of(parameters(rng, 8)), Words({UNKNOWN: 0, END: 1}, np.ones((2, E), np.float32))
    )
    done = CliRunner().invoke(app, [*arguments, "--sentences", "uni-skip", "--skip", str(tmp_path / "uni")])
    assert done.exit_code == 0, done.output
    for wrong, says in (
        (["what", str(tmp_path)], "no dataset"),
        (["csv", str(tmp_path / "x")], "is missing"),
        (["csv", str(tmp_path), "--frames", "mobilenet"], "--mobilenet"),
        (["csv", str(tmp_path), "--sentences", "minilm", "--out", str(out)], "leave out --out"),
        (["csv", str(tmp_path), "--sentences", "uni-skip"], "together"),
    ):
        done = CliRunner().invoke(app, wrong)
        assert (done.exit_code, says in done.output.replace("\n", " ")) == (1, True), done.output
