"""Bundles of the kind "motion": a ``MotionHead`` on top of another bundle.

Shapes: N texts or clips, T frames of a clip, A frame features, B sentence features, M motion dimensions, D dimensions
of the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.bundles.manifest import (
    MANIFEST,
    MOTION,
    WEIGHTS,
    BundleError,
    BundleInfo,
    read_verified,
    write_manifest,
)
from deepgif.models.networks.motion import MotionConfig, MotionHead, join
from deepgif.models.runtime.frame_runner import Clips


class MotionEncoder:
    """An ``Encoder`` that joins a base's vectors and a head's motions."""

    def __init__(self, info: BundleInfo, base: TwoTowerEncoder, head: MotionHead, weight: float) -> None:
        self.info = info
        self.space = info.space
        self.sampling = info.sampling
        self.dimension = base.dimension + head.config.dimension + 2
        self._base = base
        self._head = head.eval()
        self._weight = weight

    @property
    def frames_at_once(self) -> int:
        """The most efficient number of frames in one call."""
        return self._base.frames_at_once

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D + M + 2) unit vectors."""
        features = self._base.text_features(texts)
        return join(self._base.embed_text_features(features), self.text_motions(features), self._weight, clip=False)

    def encode_clips(self, clips: Clips) -> NDArray[np.float32]:
        """(N, D + M + 2) unit vectors of clips, which may differ in T, H and W."""
        features = self._base.frame_features(clips)
        return join(self._base.embed_frame_features(features), self.clip_motions(features), self._weight, clip=True)

    def text_motions(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, B) of the base to (N, M)."""
        with torch.inference_mode():
            return self._head.texts(torch.from_numpy(features)).numpy()

    def clip_motions(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(T, A) of the base for each of N clips to (N, M)."""
        if not features:
            return np.empty((0, self._head.config.dimension), np.float32)
        with torch.inference_mode():
            return self._head.clips([torch.from_numpy(one) for one in features]).numpy()

    def vocabulary_coverage(self, text: str) -> float:
        """The base's."""
        return self._base.vocabulary_coverage(text)


def read_head(folder: Path, manifest: dict[str, Any]) -> tuple[MotionHead, float, str]:
    """Reads and verifies a bundle's head, the weight of motion, and the base's name or path. Raises ``BundleError``."""
    content = read_verified(folder / WEIGHTS, manifest)
    try:
        head = MotionHead(MotionConfig(**manifest["motion"]))
        head.load_state_dict({name: tensor.float() for name, tensor in load(content).items()})
        weight = float(manifest["weight"])
        base = str(manifest["base"])
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} does not contain the model that its {MANIFEST} describes.") from error
    return head, weight, base


def save_motion(folder: Path, info: BundleInfo, base: str, base_space: str, head: MotionHead, weight: float) -> None:
    """Writes a bundle: the head's weights as float16, and what it builds on. ``info.version`` is ignored."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.half().contiguous() for key, value in head.state_dict().items()}, folder / WEIGHTS)
    write_manifest(
        folder,
        (WEIGHTS,),
        kind=MOTION,
        name=info.name,
        licence=info.licence,
        base=base,
        base_space=base_space,
        weight=weight,
        sampling=asdict(info.sampling),
        motion=asdict(head.config),
    )
