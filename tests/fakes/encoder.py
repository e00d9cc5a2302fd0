"""An encoder that knows colours: the words red, green and blue lie beside clips of that colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from deepgif.engine.protocols import Clip, Vectors
from deepgif.engine.types import FrameSampling

COLOURS = ("red", "green", "blue")


class ColourEncoder:
    """``Encoder`` of three dimensions and a fourth for everything else. ``before`` runs before every batch of clips."""

    space = "colours@1"
    dimension = 4
    sampling = FrameSampling(count=2, size=8)
    frames_at_once = 64

    def __init__(self, before: Callable[[int], None] = lambda count: None) -> None:
        self.before = before
        self.clips = self.texts = 0

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        counts = np.array([[text.lower().count(colour) for colour in COLOURS] + [0.1] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def encode_clips(self, clips: Sequence[Clip]) -> Vectors:
        self.before(len(clips))
        self.clips += len(clips)
        means = np.array([[*clip.mean(axis=(0, 1, 2)) / 255, 0.1] for clip in clips], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def vocabulary_coverage(self, text: str) -> float:
        words = text.lower().split()
        return sum(word in COLOURS for word in words) / len(words)


class WideEncoder(ColourEncoder):
    """Another model, whose vectors cannot be compared with those of the first: they have a dimension more."""

    space = "wide@2"
    dimension = 5

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.pad(super().encode_texts(texts), ((0, 0), (1, 0)))

    def encode_clips(self, clips: Sequence[Clip]) -> Vectors:
        return np.pad(super().encode_clips(clips), ((0, 0), (1, 0))) if clips else np.zeros((0, 5), np.float32)
