"""Trains a motion head on pairs of clips that are each other's reverse, with a sentence for each direction, and on
neutral sentences (without a direction), whose motion should be 0.

The frame features are computed once and reduced to their principal components; the head is trained on those, and its
projection absorbs the reduction at the end. "One, then another" is also trained on clips spliced from two others.

Shapes: N pairs, T frames, P places, A frame features of all places, E = A / P, R principal components, W wordings of a
pair, B sentence features, M motion dimensions.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.networks.motion import FRAME_SCALE, MotionConfig, MotionHead, below_one
from deepgif.training.data.datasets import read_captions
from deepgif.training.data.features import extract
from deepgif.training.losses import info_nce
from deepgif.training.progress import LossReport, Report
from deepgif.training.scenes.pair_words import PAIR_KINDS_BY_NAME
from deepgif.training.scenes.pairs import Pair, render_pair, sentences
from deepgif.training.scenes.scene import describe, sample_scenes
from deepgif.training.scenes.stage import Glyphs
from deepgif.training.small.corpus import first_column

ORDER = "one, then another"
ALWAYS_VISIBLE = ("left or right", "up or down", "nearer or farther", "clockwise or anticlockwise")  # in each frame
_UNDIRECTED = (
    "dances, trembles, sleeps, falls in love, cries, laughs, gets angry, celebrates, is on fire, gets rich, "
    "says hello, reads a book, drinks coffee, plays the guitar, works on a laptop, sings a song, wins a trophy, "
    "rides, glows, eats, dreams of, kisses, gives a present, kicks a football, takes a photo, flies on wings, explodes"
)
_DIRECTED = (
    "right left up down out away off together apart turn turns turned back open close closed shut light dark become "
    "becomes come comes coming go goes going gone grow grows bigger smaller appear enter leave"
)


@dataclass(frozen=True, slots=True)
class MotionOptions:
    """The amount of training data, and the training's hyperparameters."""

    pairs: int = 2200
    frames: int = 6  # rendered of each clip; two to five of them make an example
    wordings: int = 7  # of each pair
    neutral: int = 15_000  # sentences
    composed: int = 6000  # spliced clips
    components: int = 128
    steps: int = 1000
    batch: int = 256
    composed_share: float = 0.25  # of a batch
    temperature: float = 0.1
    rate: float = 2e-3
    decay: float = 1e-2
    dropout: float = 0.1  # of sentence features
    contrast: float = 0.3  # weight of the contrast with all other pairs
    stillness: float = 8.0  # weight of neutral sentences
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """``frames`` (N, T, P, R): the forward clips, reduced by ``components`` (E, R); ``forwards`` and ``backwards``
    (N, W, B): the sentences of both directions; ``kinds`` (N,); ``cuts`` (C, 2): the two clips of each spliced clip,
    with its sentences ``cut_forwards`` and ``cut_backwards`` (C, B); ``neutral`` (Q, B)."""

    frames: Tensor
    components: Tensor
    forwards: Tensor
    backwards: Tensor
    kinds: Tensor
    cuts: Tensor
    cut_forwards: Tensor
    cut_backwards: Tensor
    neutral: Tensor


def pair_features(
    base: TwoTowerEncoder, pairs: Sequence[Pair], frames: int, font: Path, path: Path, report: Report
) -> NDArray[np.float32]:
    """(N, T, A) of the forward clips of ``pairs``, cached at ``path``; an interrupted run continues."""
    glyphs = Glyphs(font)

    def compute(some: Sequence[Pair]) -> NDArray[np.float32]:
        clips = [render_pair(pair, base.sampling.size, frames, glyphs) for pair in some]
        return np.stack(base.frame_features(clips)).reshape(len(some), -1)

    width = base.frame_features([np.zeros((1, 32, 32, 3), np.uint8)])[0].shape[1]
    rows = extract(pairs, compute, (frames * width,), path, report, batch=10)
    return rows.reshape(len(pairs), frames, width)


def neutral_texts(data: Path, count: int, seed: int) -> list[str]:
    """Sentences without a direction: captions of photographs, chat comments (half of them around words such as "right"
    and "up", which seldom mean a direction there), and scenes in which nothing moves from place to place. Raises
    ``DatasetError`` or ``FileNotFoundError``."""
    rng = random.Random(seed)  # noqa: S311
    captions = read_captions(data / "flickr8k" / "train.txt", files=False).captions
    comments = first_column(data / "text" / "goemotions-train.tsv")
    figures_of_speech = [span for text in comments for span in _spans(text.split(), rng)]
    scenes = [
        describe(scene, rng) for scene in sample_scenes(rng, count // 4) if scene.action.name in _UNDIRECTED.split(", ")
    ]
    each = (count - len(scenes)) // 3
    chosen = (rng.sample(some, min(each, len(some))) for some in (captions, comments, figures_of_speech))
    texts = [*itertools.chain.from_iterable(chosen), *scenes]
    rng.shuffle(texts)
    return texts


def _spans(words: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Two to five words around each word that can mean a direction."""
    for place, word in enumerate(words):
        if word.lower().strip(",.!?") in _DIRECTED.split():
            start = max(0, place - rng.randint(0, 3))
            yield " ".join(words[start : max(start + 2, place + rng.randint(1, 2))])


def build_training_set(
    pairs: Sequence[Pair],
    features: NDArray[np.float32],
    places: int,
    neutral: Sequence[str],
    text_features: Callable[[Sequence[str]], NDArray[np.float32]],
    options: MotionOptions,
) -> TrainingSet:
    """The training set of ``pairs`` with frame features (N, T, A); ``text_features`` returns (n, B) of n texts."""
    rng = random.Random(options.seed)  # noqa: S311
    pair_sentences = [sentences(pair, rng, held_out=False) for pair in pairs for _ in range(options.wordings)]
    visible = [row for row, pair in enumerate(pairs) if pair.kind.name in ALWAYS_VISIBLE]
    cuts: list[tuple[int, int]] = []
    cut_sentences: list[tuple[str, str]] = []
    while len(cuts) < options.composed:
        first, second = rng.choice(visible), rng.choice(visible)
        actors = (pairs[first].actors[0], pairs[second].actors[0])
        if actors[0] != actors[1]:
            cuts.append((first, second))
            both = replace(pairs[first], kind=PAIR_KINDS_BY_NAME[ORDER], actors=actors)
            cut_sentences.append(sentences(both, rng, held_out=False))
    texts = [text for both in zip(*pair_sentences, strict=True) for text in both]
    texts += [text for both in zip(*cut_sentences, strict=True) for text in both]
    vectors = torch.from_numpy(np.array(text_features([*texts, *neutral]), dtype=np.float32))
    forwards, backwards, cut_forwards, cut_backwards, rest = vectors.split(
        [len(pair_sentences), len(pair_sentences), len(cuts), len(cuts), len(neutral)]
    )
    components = principal_components(features, places, options.components)
    return TrainingSet(
        frames=torch.cat([_parts(part, places) @ components for part in _pieces(features)]),
        components=components,
        forwards=forwards.unflatten(0, (len(pairs), -1)),
        backwards=backwards.unflatten(0, (len(pairs), -1)),
        kinds=torch.tensor([list(PAIR_KINDS_BY_NAME).index(pair.kind.name) for pair in pairs]),
        cuts=torch.tensor(cuts),
        cut_forwards=cut_forwards,
        cut_backwards=cut_backwards,
        neutral=rest,
    )


def principal_components(features: NDArray[np.float32], places: int, count: int) -> Tensor:
    """(E, R): the principal components of the places' features, from every third frame of (N, T, A)."""
    width = features.shape[2] // places
    moments = torch.zeros(width, width)
    for part in _pieces(features):
        rows = _parts(part[:, ::3], places).flatten(0, 2)
        moments += rows.T @ rows
    vectors: Tensor = torch.linalg.eigh(moments).eigenvectors
    return vectors[:, -min(count, width) :].clone()


def fit(data: TrainingSet, config: MotionConfig, options: MotionOptions, report: LossReport) -> MotionHead:
    """A trained head of the sizes in ``config``."""
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return _fit(data, config, options, report)


def _fit(data: TrainingSet, config: MotionConfig, options: MotionOptions, report: LossReport) -> MotionHead:
    reduced = data.components.shape[1]
    head = MotionHead(replace(config, frame_features=config.places * reduced))
    torch.nn.init.normal_(head.project.weight, std=0.05)
    optimizer = torch.optim.AdamW(head.parameters(), options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.steps)
    for step in range(options.steps):
        loss = _loss(head, data, options)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        report(step + 1, options.steps, loss.item())
    whole = MotionHead(config)
    projection = head.project.weight.detach() @ data.components.T
    whole.load_state_dict({**head.state_dict(), "project.weight": projection})
    return whole.eval()


def _loss(head: MotionHead, data: TrainingSet, options: MotionOptions) -> Tensor:
    clips, forwards, backwards, kinds = _examples(data, options)
    motions = _motions(head, clips)
    there, back = (head.texts(F.dropout(texts, options.dropout)) for texts in (forwards, backwards))
    right, wrong = ((motions * texts).sum(dim=1) / options.temperature for texts in (there, back))
    # Each sentence chooses between a clip and its reverse (the negated motion), each clip between both sentences.
    choice = F.softplus(-2 * right).mean() + F.softplus(2 * wrong).mean() + 2 * F.softplus(wrong - right).mean()
    # Against all others: positives are of the same kind and direction, unless a second noun tells them apart.
    ways = torch.cat([2 * kinds, 2 * kinds + 1])
    alike = (ways[:, None] == ways) & (ways // 2 != list(PAIR_KINDS_BY_NAME).index(ORDER))[:, None]
    among = info_nce(torch.cat([motions, -motions]), torch.cat([there, back]), alike, options.temperature)
    still = head.texts(data.neutral[torch.randint(len(data.neutral), (2 * options.batch,))])
    return choice + options.contrast * among + options.stillness * still.square().sum(dim=1).mean()


def _examples(data: TrainingSet, options: MotionOptions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Clips (n, t, P, R) of two to five frames, the sentences of both directions (n, B) each, and kinds (n,)."""
    frames = data.frames
    composed = int(options.batch * options.composed_share)
    length = min((2, 3, 4, 4, 4, 5)[int(torch.randint(6, ()))], frames.shape[1])
    rows = torch.randint(len(frames), (options.batch - composed,))
    moments = torch.rand(len(rows), frames.shape[1]).argsort(dim=1)[:, :length].sort(dim=1).values
    wording = torch.randint(data.forwards.shape[1], (len(rows),))
    cut = torch.randint(len(data.cuts), (composed,))
    second = torch.arange(length)[None, :] >= torch.randint(1, length, (composed,))[:, None]
    sources = data.cuts[cut].gather(1, second.long())
    any_moment = torch.randint(frames.shape[1], (composed, length))
    order = list(PAIR_KINDS_BY_NAME).index(ORDER)
    return (
        torch.cat([frames[rows[:, None], moments], frames[sources, any_moment]]),
        torch.cat([data.forwards[rows, wording], data.cut_forwards[cut]]),
        torch.cat([data.backwards[rows, wording], data.cut_backwards[cut]]),
        torch.cat([data.kinds[rows], torch.full((composed,), order)]),
    )


def _motions(head: MotionHead, clips: Tensor) -> Tensor:
    """(n, t, P, R), already normalised, to (n, M), as ``MotionHead.clips`` does."""
    frames = head.project(clips).flatten(2)
    steps = head.steps(frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1))
    return below_one(steps.unflatten(0, (len(clips), -1)).mean(dim=1))


def _pieces(features: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """A few clips each: all together may not fit in memory."""
    return np.array_split(features, 1 + len(features) // 50)


def _parts(features: NDArray[np.float32], places: int) -> Tensor:
    """(n, t, A) to (n, t, P, E), scaled as in ``MotionHead.places``."""
    whole = torch.from_numpy(features.astype(np.float32))
    parts = FRAME_SCALE * F.normalize(whole, dim=2)
    return parts.view(*whole.shape[:2], places, -1)
