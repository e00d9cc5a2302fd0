"""The stages of teaching, on small data: they learn, and a stopped run goes on as if it had not been stopped."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deepgif.models.networks.efficientnet import TAIL_START
from deepgif.models.networks.joint import JointModel
from deepgif.models.networks.sentence import SentenceConfig, SentenceEncoder
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.clips import HEAD_SHAPE, Clip, ClipSet, FrameSource, extract
from deepgif.training.small.distil import ALIKE, NEIGHBOURS, DistilOptions, distil, distillation_loss, neighbourhoods
from deepgif.training.small.finetune import FinetuneOptions, finetune
from deepgif.training.small.maps import MapOptions, Pairs, canonical_maps, fit_maps, turned
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
    """The loss falls by a third, and a run stopped in the middle ends with the very weights of an undisturbed one."""
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
    assert 1 < steps[0] <= len(losses) // 2 + 1  # it did not begin anew
    assert same_weights(whole, resumed)


def test_distillation_loss_equals_numpy():
    """Cosine distance plus the squared error of the similarities of every two, more of those alike, within 1e-5."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, 384)).astype(np.float32)
    wanted = rng.normal(size=(5, 384)).astype(np.float32)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, wanted)]
    alike = unit[1] @ unit[1].T
    weights = (1 + ALIKE * np.maximum(alike, 0) ** 2) * (1 - np.eye(5))
    errors = (unit[0] @ unit[0].T - alike) ** 2
    expected = 1 - (unit[0] * unit[1]).sum(1).mean() + 3 * (weights * errors).sum() / weights.sum()
    loss = distillation_loss(torch.from_numpy(vectors), torch.from_numpy(unit[1]), 3)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_neighbourhoods_part_the_rows_by_their_targets():
    """Every row is in one group, none is too large, and rows of a group are more alike than rows of different ones."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 32))
    targets = np.repeat(centres, 25, axis=0) + 0.1 * rng.normal(size=(200, 32))
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    rows = rng.permutation(200)[:150]
    groups = neighbourhoods(rows, targets.astype(np.float16), rng)
    assert sorted(np.concatenate(groups)) == sorted(rows)
    assert max(map(len, groups)) <= NEIGHBOURS
    inside = np.mean([(targets[group] @ targets[group].T).mean() for group in groups])
    assert inside > (targets[rows] @ targets[rows].T).mean() + 0.3


def test_canonical_maps_need_no_step():
    """Before the first step the maps already lead most sentences of a shared hidden factor to their own clip; and what
    turns both alike leaves every cosine as it was."""
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(300, 8, generator=rng)
    features = F.normalize(hidden @ torch.randn(8, 60, generator=rng) + torch.randn(300, 60, generator=rng), dim=1)
    sentences = F.normalize(hidden @ torch.randn(8, 40, generator=rng) + torch.randn(300, 40, generator=rng), dim=1)
    pairs = Pairs(features, sentences, torch.arange(300)[:, None], tuple((row,) for row in range(300)))
    maps = canonical_maps(features, sentences, pairs)
    turn = torch.linalg.qr(torch.randn(50, 40, generator=rng))[0]
    scores = []
    for frame_map, sentence_map in (maps, tuple(turned(one, turn) for one in maps)):
        with torch.no_grad():
            clips, texts = F.normalize(frame_map(features), dim=1), F.normalize(sentence_map(sentences), dim=1)
        scores.append(texts @ clips.T)
    assert (scores[0].argmax(dim=1) == torch.arange(300)).float().mean() > 0.5
    rows = torch.arange(310)[:, None] % 300
    more = Pairs(features, sentences, rows, (*pairs.clip_sentences, *[(0,)] * 10), sizes=(300, 10))
    again, _ = canonical_maps(features, sentences, more)  # the second set is left out
    torch.testing.assert_close(again.weight, maps[0].weight)
    torch.testing.assert_close(*scores, atol=1e-5, rtol=1e-5)


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


@pytest.fixture(scope="module")
def clip_sets():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(12, *HEAD_SHAPE)).astype(np.float16)
    single = tuple(Clip((2 * i, 2 * i + 1), 1, (TEXTS[i],)) for i in range(3))
    double = tuple(Clip((2 * i, 2 * i + 1), 2, (TEXTS[i + 3], TEXTS[i + 9])) for i in range(3))
    return [ClipSet(single, maps[:6]), ClipSet(double, maps[6:])]


def test_finetuning_learns_and_resumes(clip_sets, tokenizer, targets, tmp_path):
    """The loss falls; the first half of the CNN stays as it was; a stopped run ends like an undisturbed one."""
    options = FinetuneOptions(
        steps=12, shares=(3, 3), texts=8, warmup_steps=1, save_every=2, cnn_rate=1e-5, map_rate=3e-3, relational=0
    )

    def fresh():
        torch.manual_seed(1)
        return JointModel(CONFIG).eval()

    losses = []
    whole, before = fresh(), fresh()
    args = (clip_sets, tokenizer, TEXTS, targets, options)
    finetune(whole, *args, Checkpoint(tmp_path / "a.pt"), lambda done, total, loss: losses.append(loss))
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    head = slice(0, TAIL_START)
    assert same_weights(whole.frames.features[head], before.frames.features[head])
    assert not same_weights(whole.frames.features[TAIL_START:], before.frames.features[TAIL_START:])

    with pytest.raises(StoppedError):
        finetune(fresh(), *args, Checkpoint(tmp_path / "b.pt"), stop_at(3))
    resumed = fresh()
    finetune(resumed, *args, Checkpoint(tmp_path / "b.pt"), lambda done, total, loss: None)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)


def test_extraction_resumes(tmp_path, monkeypatch):
    """Frames seen before a stop are not asked for again, and the maps are those of an undisturbed run."""
    monkeypatch.setattr("deepgif.training.small.clips.BATCH", 1)
    frames = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    asked = []

    def make(start):
        for row in range(start, len(frames)):
            asked.append(row)
            yield frames[row]

    class Network:
        def head(self, pixels):
            return pixels.float().mean((2, 3))[..., None, None].repeat(1, 27, 12, 12)[:, :80]

    source = FrameSource("test", len(frames), make, ())
    whole = extract(source, Network(), tmp_path / "a")

    def stop(done, total):
        if done == 18:
            raise StoppedError

    with pytest.raises(StoppedError):
        extract(source, Network(), tmp_path / "b", stop)
    asked.clear()
    resumed = extract(dataclasses.replace(source), Network(), tmp_path / "b")
    assert asked[0] == 16  # the last mark before the stop
    np.testing.assert_array_equal(resumed.maps, whole.maps)
