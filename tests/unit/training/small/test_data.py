"""The training data, the metrics and the card, on a small data folder."""

import json

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from deepgif.models.bundles.small import load_small, save_small
from deepgif.models.networks.joint import Backbone, JointModel
from deepgif.models.networks.sentence import SentenceConfig
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.data.datasets import read_captions
from deepgif.training.evaluation.figures import Metrics, agreement, spearman
from deepgif.training.evaluation.retrieval import Recall
from deepgif.training.small.card import write_card
from deepgif.training.small.clips import exercises, photographs
from deepgif.training.small.corpus import HELD_OUT_ONE_IN, read_corpus
from deepgif.training.small.pipeline import PipelineOptions
from deepgif.training.small.train import main
from deepgif.training.small.vocabulary import learn_vocabulary

SYNSETS = 400
SIZE = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small data folder, without the CNN's weights."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("flickr8k/images", "msvd", "exercises/images", "text"):
        (folder / name).mkdir(parents=True)
    rows = ["image,caption"]
    for name, colour in (("a.jpg", "red"), ("b.jpg", "blue"), ("c.jpg", "lime")):
        Image.new("RGB", (60, 40), colour).save(folder / "flickr8k" / "images" / name)
        rows += [f"{name},a {colour} wall number {number} in the evening sun ." for number in range(5)]
    (folder / "flickr8k" / "captions.csv").write_text("\n".join(rows))
    (folder / "flickr8k" / "train.txt").write_text("b.jpg\na.jpg\n")
    (folder / "flickr8k" / "dev.txt").write_text("c.jpg\n")
    (folder / "msvd" / "sentences.json").write_text(json.dumps([{"caption": ["a man sings", "x" * 170]}]))
    one = {
        "id": "Sit",
        "name": "Sit-Up",
        "instructions": ["Lie down."],
        "equipment": "bands",
        "primaryMuscles": ["abs"],
    }
    (folder / "exercises" / "exercises.json").write_text(json.dumps([one]))
    for number in (0, 1):
        Image.new("RGB", (30, 30), "white" if number else "black").save(
            folder / "exercises" / "images" / f"Sit_{number}.jpg"
        )
    glosses = [f"word{n}; other{n}\tmeaning {n}\texample {n} | more {n}" for n in range(SYNSETS)]
    (folder / "text" / "wordnet.tsv").write_text("\n".join(["words\tdefinition\texamples", *glosses]))
    (folder / "text" / "goemotions-train.tsv").write_text("this is so very funny today\t1\nseen twice\t2\n")
    (folder / "text" / "goemotions-dev.tsv").write_text("never seen before\t1\nseen twice\t2\n")
    (folder / "text" / "emoji-keywords.json").write_text(
        json.dumps({"🐱": ["cat_face", "animal", "pet"], "x": ["alone"]})
    )
    return folder


def test_the_training_texts(data):
    """They contain every source once, but no dev captions and no overlong texts."""
    corpus = read_corpus(data)
    expected = {"a man sings", "Sit-Up", "Lie down.", "seen twice", "cat face", "animal pet", "word7", "other7"}
    assert expected <= set(corpus.train)
    assert len(set(corpus.train)) == len(corpus.train)
    assert not any("lime" in text or len(text) > 160 for text in corpus.train)
    assert read_corpus(data) == corpus
    assert read_corpus(data, seed=1).train != corpus.train  # other runs of words


def test_the_held_out_texts(data):
    """Comments and whole synsets that the training texts lack."""
    corpus = read_corpus(data)
    assert "never seen before" in corpus.unseen
    assert not set(corpus.unseen) & set(corpus.train)
    numbers = {text.split()[-1] for text in corpus.unseen if text.startswith(("meaning", "example", "more"))}
    assert 0 < len(numbers) < 3 * SYNSETS / HELD_OUT_ONE_IN
    assert not any(
        text.split()[-1] in numbers for text in corpus.train if text.startswith(("meaning", "example", "more"))
    )


def test_photographs(data):
    """Six views of each for training, one for evaluation; captions belong to their own photograph."""
    train = photographs(data, "train", SIZE, 6)
    assert train.count == 12
    assert [clip.rows for clip in train.clips] == [tuple(range(6)), tuple(range(6, 12))]
    assert all("blue" in text for text in train.clips[0].texts)
    frames = list(train.frames(0))
    assert all(frame.shape == (SIZE, SIZE, 3) for frame in frames)
    assert all(frame[..., 2].mean() > 200 for frame in frames[:6])
    assert all(np.array_equal(one, other) for one, other in zip(train.frames(7), frames[7:], strict=True))
    dev = photographs(data, "dev", SIZE)
    assert dev.count == 1
    assert dev.clips[0].texts == tuple(read_captions(data / "flickr8k" / "dev.txt").captions)


def test_exercises(data):
    """A clip has the start and the end of the movement."""
    source = exercises(data, SIZE)
    (clip,) = source.clips
    assert (source.count, clip.rows, clip.pick) == (2, (0, 1), 2)
    assert any("sit-up" in text for text in clip.texts)
    black, white = source.frames(0)
    assert black.mean() < 10 < 240 < white.mean()


def test_spearman():
    """Ranks count, not values: 1 for any rising function, -1 for a falling one, and a value computed by hand."""
    values = np.array([0.1, 0.5, 0.2, 0.9], np.float32)
    assert spearman(values, values**3) == pytest.approx(1)
    assert spearman(values, -values) == pytest.approx(-1)
    # ranks 1 2 3 4 and 2 1 3 4: 1 - 6 * 2 / (4 * 15)
    assert spearman(np.array([1, 2, 3, 4.0]), np.array([2, 1, 3, 4.0])) == pytest.approx(0.8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bundle")
    config = SentenceConfig(vocabulary=300, embedding=8, hidden=6)
    save_small(folder, "tiny", "MIT", FrameSampling(2, 32), JointModel(config).eval(), learn_vocabulary(["a b"], 300))
    return folder


def test_agreement_with_itself(bundle):
    """An encoder agrees fully with its own vectors, and hardly with random ones."""
    encoder = load_small(bundle)
    texts = [f"{a} {b}" for a in "abcdefgh" for b in "abcdefghij"]
    own = encoder.text_features(texts)
    assert agreement(encoder, texts, own) > 99
    other = np.random.default_rng(0).normal(size=own.shape).astype(np.float32)
    assert abs(agreement(encoder, texts, other)) < 30


def test_the_card_has_the_metrics(bundle):
    """The card contains recall, share of the teacher's recall, agreement and the command."""
    good, poor = Recall(31.5, 52.5, 63.5, 4), Recall(30, 50, 65.0, 5)
    metrics = Metrics((good, poor), poor, 71.25, (good, poor))
    write_card(bundle, metrics, PipelineOptions(scenes=7))
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "| 31.5 | 52.5 | 63.5 | 4.0 |" in card
    assert metrics.kept == pytest.approx(97.69, abs=0.01)
    assert "97.7 %" in card
    assert "71.2" in card
    assert "--scenes 7" in card
    assert "MobileNetV2" in card
    assert "--weighted" not in card
    assert "--start" not in card


def test_the_card_names_another_backbone(bundle):
    """The card describes the network, its weights and the pooling that the options chose."""
    recall = Recall(30, 50, 65.0, 5)
    options = PipelineOptions(backbone=Backbone.EFFICIENTNET_LITE0, weighted=True)
    write_card(bundle, Metrics((recall, recall), recall, 71.25, (recall, recall)), options)
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "EfficientNet-Lite0" in card
    assert "MobileNetV2" not in card
    assert "attention" in card
    assert "--backbone efficientnet_lite0 --weighted --views 6" in card


def test_training_without_data(tmp_path):
    """One sentence names the missing file."""
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, [str(tmp_path / "none"), "--run", str(tmp_path / "run")])
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert "is missing" in output
    assert "docs/models.md" in output
