"""The training stages on small data: they learn, and an interrupted run ends like an uninterrupted one."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deepgif.models.networks import efficientnet, mobilenet
from deepgif.models.networks.joint import Backbone, JointModel
from deepgif.models.networks.sentence import SentenceConfig, SentenceEncoder
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.clips import Clip, ClipSet, FrameSource, extract
from deepgif.training.small.distil import DistilOptions, distil, distillation_loss
from deepgif.training.small.finetune import FinetuneOptions, finetune
from deepgif.training.small.maps import MapOptions, Pairs, fit_maps
from deepgif.training.small.vocabulary import learn_vocabulary

WORDS = ["red", "green", "blue", "dog", "cat", "runs", "sleeps", "fast", "slowly", "here"]
TEXTS = tuple(f"{a} {b} {c}" for a in WORDS[:3] for b in WORDS[3:5] for c in WORDS[5:])
CONFIG = SentenceConfig(vocabulary=300, embedding=8, hidden=6)


class StoppedError(Exception):
    """Raised where a test stops a run."""


@pytest.fixture(scope="module")
def tokenizer():
    return learn_vocabulary(TEXTS, CONFIG.vocabulary)


@pytest.fixture(scope="module")
def targets():
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), 384))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def fresh_encoder():
    torch.manual_seed(0)
    return SentenceEncoder(CONFIG)


def stop_at(step):
    def report(done, total, loss):
        if done == step:
            raise StoppedError

    return report


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_distillation_learns_and_resumes(tokenizer, targets, tmp_path):
    """The loss falls by a fifth, and an interrupted run ends with the weights of an uninterrupted one."""
    options = DistilOptions(epochs=20, batch=10, warmup_steps=3, save_every=2, learning_rate=1e-2, relational=1.0)
    losses = []
    whole = fresh_encoder()
    args = (TEXTS, targets, tokenizer)
    distil(*args, whole, options, Checkpoint(tmp_path / "a.pt"), lambda done, total, loss: losses.append(loss))
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])

    with pytest.raises(StoppedError):
        distil(*args, fresh_encoder(), options, Checkpoint(tmp_path / "b.pt"), stop_at(len(losses) // 2))
    resumed = fresh_encoder()
    steps = []
    distil(*args, resumed, options, Checkpoint(tmp_path / "b.pt"), lambda done, total, loss: steps.append(done))
    assert 1 < steps[0] <= len(losses) // 2 + 1  # it did not start over
    assert same_weights(whole, resumed)


def test_distillation_loss_equals_numpy():
    """Cosine distance plus the weighted squared error of the similarities, within 1e-5."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, 384)).astype(np.float32)
    wanted = rng.normal(size=(5, 384)).astype(np.float32)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, wanted)]
    expected = 1 - (unit[0] * unit[1]).sum(1).mean() + 3 * ((unit[0] @ unit[0].T - unit[1] @ unit[1].T) ** 2).mean()
    loss = distillation_loss(torch.from_numpy(vectors), torch.from_numpy(unit[1]), 3)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_maps_find_what_belongs_together():
    """On features and sentences that share a hidden factor, every sentence's nearest clip is its own."""
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(40, 16, generator=rng)
    features = hidden @ torch.randn(16, 1280, generator=rng)
    sentences = hidden @ torch.randn(16, 384, generator=rng)
    pairs = Pairs(features, sentences, torch.arange(40)[:, None], tuple((row,) for row in range(40)))
    frame_map, sentence_map = fit_maps(pairs, MapOptions(steps=60, batch=32))
    with torch.no_grad():
        clips = F.normalize(frame_map(F.normalize(features, dim=1)), dim=1)
        texts = F.normalize(sentence_map(F.normalize(sentences, dim=1)), dim=1)
    assert (texts @ clips.T).argmax(dim=1).tolist() == list(range(40))


@pytest.fixture(scope="module", params=list(Backbone))
def backbone(request):
    return request.param


@pytest.fixture(scope="module")
def clip_sets(backbone):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(12, JointModel(CONFIG, backbone).frames.head_channels, 6, 6)).astype(np.float16)
    single = tuple(Clip((2 * i, 2 * i + 1), 1, (TEXTS[i],)) for i in range(3))
    double = tuple(Clip((2 * i, 2 * i + 1), 2, (TEXTS[i + 3], TEXTS[i + 9])) for i in range(3))
    return [ClipSet(single, maps[:6]), ClipSet(double, maps[6:])]


def test_finetuning_learns_and_resumes(backbone, clip_sets, tokenizer, targets, tmp_path):
    """The loss falls; the first half of the CNN is unchanged; an interrupted run ends like an uninterrupted one."""
    options = FinetuneOptions(
        steps=12, shares=(3, 3), texts=8, warmup_steps=1, save_every=2, cnn_rate=1e-5, map_rate=3e-3, relational=0
    )

    def fresh():
        torch.manual_seed(1)
        return JointModel(CONFIG, backbone).eval()

    losses = []
    whole, before = fresh(), fresh()
    args = (clip_sets, tokenizer, TEXTS, targets, options)
    finetune(whole, *args, Checkpoint(tmp_path / "a.pt"), lambda done, total, loss: losses.append(loss))
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    start = {Backbone.MOBILENET_V2: mobilenet, Backbone.EFFICIENTNET_LITE0: efficientnet}[backbone].TAIL_START
    assert same_weights(whole.frames.features[:start], before.frames.features[:start])
    assert not same_weights(whole.frames.features[start:], before.frames.features[start:])

    with pytest.raises(StoppedError):
        finetune(fresh(), *args, Checkpoint(tmp_path / "b.pt"), stop_at(3))
    resumed = fresh()
    finetune(resumed, *args, Checkpoint(tmp_path / "b.pt"), lambda done, total, loss: None)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)


def test_extraction_resumes(tmp_path, monkeypatch):
    """An interrupted run does not generate finished frames again, and its maps are those of an uninterrupted one."""
    monkeypatch.setattr("deepgif.training.small.clips.BATCH", 1)
    frames = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    asked = []

    def make(start):
        for row in range(start, len(frames)):
            asked.append(row)
            yield frames[row]

    class Network:
        head_channels = 6

        def head(self, pixels):
            return pixels.float().mean((2, 3))[..., None, None].repeat(1, 2, 2, 2)

    source = FrameSource("test", len(frames), 32, make, ())
    whole = extract(source, Network(), tmp_path / "a")

    def stop(done, total):
        if done == 18:
            raise StoppedError

    with pytest.raises(StoppedError):
        extract(source, Network(), tmp_path / "b", stop)
    asked.clear()
    resumed = extract(dataclasses.replace(source), Network(), tmp_path / "b")
    assert asked[0] == 18  # where it stopped
    np.testing.assert_array_equal(resumed.maps, whole.maps)
