"""A reaction head that knows "win" and "sorry" by these words, and takes every other text for a scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgif.models.networks.reaction import CLASSES, LITERAL, ReactionHead
from tests.fakes.encoder import ColourEncoder

KNOWN = ("win", "sorry")
SURE = 20.0  # log-odds


def keywords(texts: Sequence[str]) -> NDArray[np.float32]:
    """(N, 7): which word each text has, or else a 1 in the third place; then the vector of its colours."""
    found = [[float(word in text.lower()) for word in KNOWN] for text in texts]
    known = np.array([[*row, float(not any(row))] for row in found], np.float32).reshape(-1, 3)
    return np.hstack([known, ColourEncoder().encode_texts(texts)])


def keyword_head() -> ReactionHead:
    """Reads the vectors of ``keywords``."""
    sentence = np.zeros((7, len(CLASSES)), np.float32)
    for row, name in enumerate((*KNOWN, LITERAL)):
        sentence[row, CLASSES.index(name)] = SURE
    return ReactionHead(sentence, np.zeros((0, len(CLASSES)), np.float32), np.zeros(len(CLASSES), np.float32))


class ReactingEncoder(ColourEncoder):
    """A ``ColourEncoder`` with the sentence vectors that ``keyword_head`` reads."""

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return keywords(texts)

    def embed_text_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features[:, 3:]
