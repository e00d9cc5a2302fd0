"""What the order of frames says, beside any other bundle: the kind "motion".

The mean over frames forgets their order: "rolls left" and "rolls right" are the same clip to it. A small head reads the
order from the frame features of a base bundle, and a second one reads from its sentence features which way something
is said to go. What they find is added to the base's vectors c as further dimensions m, so that all behind an encoder
stays as it is: with a^2 + b^2 = 1

    clip  [a c | b m | b sqrt(1 - |m|^2) | 0]        text  [a c | b m | 0 | b sqrt(1 - |m|^2)]

are unit vectors, and their inner product is a^2 times that of the base plus b^2 times that of the motions. Words that
say nothing of a direction have an m near 0, and rank as with the base.

The head is antisymmetric: for neighbouring frames x and y it takes h(x, y) - h(y, x), so a clip that stands still has
the motion 0, and a clip backwards has that of the clip forwards, negated.

Shapes: N texts or clips, T frames of a clip, A and B the features of frames and sentences, P places that a frame's
features are of, M dimensions of motion, D those of the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.bundles.manifest import (
    MANIFEST,
    MOTION,
    WEIGHTS,
    BundleError,
    BundleInfo,
    checked,
    write_manifest,
)
from deepgif.models.runtime.frame_runner import Clips

FRAME_SCALE, SENTENCE_SCALE = 30.0, 10.0  # of unit features, so that what they are mapped to is neither tiny nor huge


@dataclass(frozen=True, slots=True)
class MotionConfig:
    """Sizes: A, B and P of the base; how many numbers each place becomes; hidden units of both heads; M."""

    frame_features: int
    sentence_features: int
    places: int
    projection: int = 32
    hidden: int = 256
    dimension: int = 48


class MotionHead(nn.Module):
    """Frames and words to motions, vectors (M,) of length below 1."""

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(config.frame_features // config.places, config.projection, bias=False)
        self.compare = nn.Linear(2 * config.places * config.projection, config.hidden)
        self.frame_output = nn.Linear(config.hidden, config.dimension, bias=False)
        self.read = nn.Linear(config.sentence_features, config.hidden)
        self.sentence_output = nn.Linear(config.hidden, config.dimension)

    def clips(self, features: Sequence[Tensor]) -> Tensor:
        """(T, A) of each of N clips to (N, M)."""
        frames = [self.places(one) for one in features]
        before, after = (torch.cat([one[part] for one in frames]) for part in (slice(None, -1), slice(1, None)))
        steps = self.steps(before, after).split([len(one) - 1 for one in frames])
        return below_one(torch.stack([step.sum(dim=0) / max(1, len(step)) for step in steps]))

    def places(self, features: Tensor) -> Tensor:
        """(T, A) to what is compared, (T, P * projection)."""
        parts = FRAME_SCALE * F.normalize(features, dim=1)
        projected: Tensor = self.project(parts.unflatten(1, (self.config.places, -1)))
        return projected.flatten(1)

    def steps(self, before: Tensor, after: Tensor) -> Tensor:
        """What lies between frames, each (K, P * projection), and those that follow them: (K, M)."""
        # Two calls: rows of one matrix product may differ in their last bits, and equal frames must cancel out.
        there, back = (F.relu(self.compare(torch.cat(both, dim=1))) for both in ((before, after), (after, before)))
        step: Tensor = self.frame_output(there - back)
        return step

    def texts(self, features: Tensor) -> Tensor:
        """(N, B) to (N, M)."""
        hidden = F.relu(self.read(SENTENCE_SCALE * F.normalize(features, dim=1)))
        return below_one(self.sentence_output(hidden))


def below_one(vectors: Tensor) -> Tensor:
    """The same directions, with lengths r made r / sqrt(1 + r^2)."""
    return vectors / (1 + vectors.square().sum(dim=1, keepdim=True)).sqrt()


def join(
    content: NDArray[np.float32], motion: NDArray[np.float32], weight: float, *, clip: bool
) -> NDArray[np.float32]:
    """(N, D) unit vectors and (N, M) to unit vectors (N, D + M + 2). ``weight`` is b^2."""
    rest = np.sqrt(np.maximum(0.0, 1.0 - np.square(motion).sum(axis=1, keepdims=True)))
    slack = np.concatenate([rest, np.zeros_like(rest)][:: 1 if clip else -1], axis=1)
    joined = np.concatenate([np.sqrt(1 - weight) * content, np.sqrt(weight) * motion, np.sqrt(weight) * slack], axis=1)
    return joined.astype(np.float32)


class MotionEncoder:
    """``Encoder`` of a base and a head."""

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
        """How many frames are best given at once."""
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
        """What the base says."""
        return self._base.vocabulary_coverage(text)


def read_head(folder: Path, manifest: dict[str, Any]) -> tuple[MotionHead, float, str]:
    """Reads and verifies a bundle's head, the weight of motion, and the base's name or path. Raises ``BundleError``."""
    content = checked(folder / WEIGHTS, manifest)
    try:
        head = MotionHead(MotionConfig(**manifest["motion"]))
        head.load_state_dict({name: tensor.float() for name, tensor in load(content).items()})
        weight = float(manifest["weight"])
        base = str(manifest["base"])
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} does not hold the model that its {MANIFEST} describes.") from error
    return head, weight, base


def save_motion(folder: Path, info: BundleInfo, base: str, base_space: str, head: MotionHead, weight: float) -> None:
    """Writes a bundle: the head's weights as float16, and on what it stands. ``info.version`` is found anew."""
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
