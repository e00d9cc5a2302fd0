"""The interface of every loaded bundle, and its usual form: a frame encoder, a sentence encoder, and two linear
projections into one space.

Shapes: N texts or clips, T frames of a clip, H x W their pixels, A frame features, B sentence features, D dimensions of
the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from deepgif.models.bundles.manifest import BundleInfo
from deepgif.models.networks.projection import ProjectionHeads
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime.frame_runner import Clips, FrameRunner


class Encoder(Protocol):
    """A loaded bundle of any kind: texts and clips to unit vectors of one space. Methods block and are thread-safe."""

    @property
    def info(self) -> BundleInfo:
        """The bundle's description."""

    @property
    def space(self) -> str:
        """The name of the vector space: vectors of different spaces must not be compared."""

    @property
    def dimension(self) -> int:
        """D."""

    @property
    def sampling(self) -> FrameSampling:
        """How it samples the frames of a GIF."""

    @property
    def frames_at_once(self) -> int:
        """The most efficient number of frames in one call."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) unit vectors."""

    def encode_clips(self, clips: Clips) -> NDArray[np.float32]:
        """(N, D) unit vectors of clips, which may differ in T, H and W."""

    def vocabulary_coverage(self, text: str) -> float:
        """The share of the text, in [0, 1], that is in the vocabulary; 0.0 for a text without words."""


class TextEncoder(Protocol):
    """Texts to features. Methods block and are thread-safe."""

    @property
    def dimension(self) -> int:
        """B."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, B)"""

    def vocabulary_coverage(self, text: str) -> float:
        """The share of the text, in [0, 1], that is in the vocabulary."""


class TwoTowerEncoder:
    """An ``Encoder`` of two independent networks. With ``unit_frames``, frame features are normalised before their mean
    is taken."""

    def __init__(
        self, info: BundleInfo, frames: FrameRunner, sentences: TextEncoder, maps: ProjectionHeads, *, unit_frames: bool
    ) -> None:
        self.info = info
        self.space = info.space
        self.sampling = info.sampling
        self.dimension = maps.dimension
        self._frames = frames
        self._sentences = sentences
        self._maps = maps.eval().to(frames.device)
        self._unit_frames = unit_frames

    @property
    def frames_at_once(self) -> int:
        """The most efficient number of frames in one call."""
        return self._frames.frames_at_once

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) unit vectors."""
        return self.embed_text_features(self.text_features(texts))

    def encode_clips(self, clips: Clips) -> NDArray[np.float32]:
        """(N, D) unit vectors of clips, which may differ in T, H and W."""
        return self._embed(self._frames(clips))

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, B), before the projection."""
        return self._sentences.encode(texts)

    def frame_features(self, clips: Clips) -> list[NDArray[np.float32]]:
        """(T, A) of each clip, before the projection."""
        return [features.cpu().numpy() for features in self._frames(clips)]

    def embed_text_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, B) to (N, D) unit vectors."""
        with torch.inference_mode():
            return self._maps.texts(torch.from_numpy(features).to(self._frames.device)).cpu().numpy()

    def embed_frame_features(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(T, A) of each of N clips to (N, D) unit vectors."""
        return self._embed([torch.from_numpy(one).to(self._frames.device) for one in features])

    def vocabulary_coverage(self, text: str) -> float:
        """The share of the text, in [0, 1], that is in the vocabulary; 0.0 for a text without words."""
        return self._sentences.vocabulary_coverage(text)

    def _embed(self, features: Sequence[Tensor]) -> NDArray[np.float32]:
        if not features:
            return np.empty((0, self.dimension), np.float32)
        with torch.inference_mode():
            return self._maps.clips(pooled(features, unit_frames=self._unit_frames)).cpu().numpy()


def pooled(features: Sequence[Tensor], *, unit_frames: bool) -> Tensor:
    """(N, A): the mean over the frames (T, A) of each of N clips; with ``unit_frames``, of normalised frames."""
    frames = torch.cat(list(features))
    lengths = torch.tensor([len(one) for one in features], device=frames.device)
    means: Tensor = torch.segment_reduce(F.normalize(frames, dim=1) if unit_frames else frames, "mean", lengths=lengths)
    return means
