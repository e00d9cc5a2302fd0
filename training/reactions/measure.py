"""The figures a reaction head is judged by, all on texts it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgif.models.networks.reaction import REACTIONS, Floats, ReactionHead, agreement, gif_probabilities
from deepgif.training.reactions.data import DEV, Labelled, read_gifs, read_phrases

Encode = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True)
class ReactionFigures:
    """In percent. ``top1`` and ``top3``: of phrases that ask for a kind, how often one that fits is the likeliest, or
    among the likeliest three, which ``top3_of`` has for each kind asked for. ``literal`` and ``reaction``: how many of
    each are told for what they are, ``balanced`` is their mean."""

    top1: float
    top3: float
    literal: float
    reaction: float
    top3_of: dict[str, float]

    @property
    def balanced(self) -> float:
        return (self.literal + self.reaction) / 2


def measure(head: ReactionHead, encode: Encode, phrases: Labelled | None = None) -> ReactionFigures:
    """Judges the head by ``phrases``, by default the dev phrases."""
    phrases = phrases or read_phrases(DEV)
    scores = head.predict(encode(phrases.texts), phrases.texts)
    right = phrases.targets[:, : len(REACTIONS)] > 0  # (N, K)
    ranked = np.take_along_axis(right, np.argsort(-scores.probabilities, axis=1, kind="stable"), axis=1)
    asked, among3 = (np.asarray(part.any(axis=1)) for part in (right, ranked[:, :3]))
    return ReactionFigures(
        top1=_percent(ranked[asked, 0]),
        top3=_percent(among3[asked]),
        literal=_percent(scores.is_reaction[phrases.is_literal] < 0.5),
        reaction=_percent(scores.is_reaction[phrases.is_reaction] >= 0.5),
        top3_of={
            kind: _percent(among3[right[:, column]]) for column, kind in enumerate(REACTIONS) if right[:, column].any()
        },
    )


def measure_gifs(head: ReactionHead, encode: Encode) -> float:
    """Percent of the dev phrases for which an invented GIF that shows what they ask for agrees best of all."""
    texts, gifs = read_gifs()
    phrases = read_phrases(DEV)
    probabilities = gif_probabilities(head, encode, texts)
    queries = head.predict(encode(phrases.texts), phrases.texts).probabilities
    kinds = len(REACTIONS)
    asked = (phrases.targets[:, :kinds] > 0).any(axis=1)
    best = [int(agreement(query, probabilities).argmax()) for query in queries[asked]]
    fits = (phrases.targets[asked, :kinds] * gifs.targets[best, :kinds]).sum(axis=1) > 0
    return _percent(fits)


def _percent(hits: NDArray[np.bool_]) -> float:
    return float(100 * np.mean(hits))
