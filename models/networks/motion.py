"""A head that reads the order of frames, which a mean over frames forgets: to the mean, "rolls left" and "rolls right"
are the same clip.

One branch maps the frame features of a base model to a motion vector, the other maps its sentence features to the
motion that a text describes. ``join`` appends them as extra dimensions m to the base's unit vectors c, so nothing
behind the encoder has to change. With a^2 + b^2 = 1,

    clip  [a c | b m | b sqrt(1 - |m|^2) | 0]        text  [a c | b m | 0 | b sqrt(1 - |m|^2)]

are unit vectors, and their inner product is a^2 times that of the base plus b^2 times that of the motions. A text
without a direction has an m near 0 and ranks as with the base.

The frame branch is antisymmetric: for neighbouring frames x and y it computes h(x, y) - h(y, x). So a still clip has
the motion 0, and a reversed clip has the negated motion.

Shapes: N texts or clips, T frames of a clip, A frame features, B sentence features, P places (parts of a frame) that
the frame features describe, M motion dimensions, D dimensions of the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

FRAME_SCALE, SENTENCE_SCALE = 30.0, 10.0  # bring unit features to the scale of the layers


@dataclass(frozen=True, slots=True)
class MotionConfig:
    """A, B and P of the base, the size each place is projected to, the hidden units of both branches, and M."""

    frame_features: int
    sentence_features: int
    places: int
    projection: int = 32
    hidden: int = 256
    dimension: int = 48


class MotionHead(nn.Module):
    """Frame and sentence features to motions, vectors (M,) of length below 1."""

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
        frames = [self.places(clip) for clip in features]
        before, after = (torch.cat([clip[part] for clip in frames]) for part in (slice(None, -1), slice(1, None)))
        steps = self.steps(before, after).split([len(clip) - 1 for clip in frames])
        return below_one(torch.stack([step.sum(dim=0) / max(1, len(step)) for step in steps]))

    def places(self, features: Tensor) -> Tensor:
        """(T, A) to the projected features (T, P * projection)."""
        parts = FRAME_SCALE * F.normalize(features, dim=1)
        projected: Tensor = self.project(parts.unflatten(1, (self.config.places, -1)))
        return projected.flatten(1)

    def steps(self, before: Tensor, after: Tensor) -> Tensor:
        """The motion (K, M) from frames to their successors, (K, P * projection) each."""
        # Two calls: rows of one matrix product may differ in their last bits, and equal frames must cancel out.
        forwards, backwards = (F.relu(self.compare(torch.cat(xy, dim=1))) for xy in ((before, after), (after, before)))
        step: Tensor = self.frame_output(forwards - backwards)
        return step

    def texts(self, features: Tensor) -> Tensor:
        """(N, B) to (N, M)."""
        hidden = F.relu(self.read(SENTENCE_SCALE * F.normalize(features, dim=1)))
        return below_one(self.sentence_output(hidden))


def below_one(vectors: Tensor) -> Tensor:
    """Vectors of the same directions, with a length r replaced by r / sqrt(1 + r^2)."""
    return vectors / (1 + vectors.square().sum(dim=1, keepdim=True)).sqrt()


def join(
    content: NDArray[np.float32], motion: NDArray[np.float32], weight: float, *, clip: bool
) -> NDArray[np.float32]:
    """(N, D) unit vectors and (N, M) to unit vectors (N, D + M + 2). ``weight`` is b^2."""
    rest = np.sqrt(np.maximum(0.0, 1.0 - np.square(motion).sum(axis=1, keepdims=True)))
    slack = np.concatenate([rest, np.zeros_like(rest)][:: 1 if clip else -1], axis=1)
    joined = np.concatenate([np.sqrt(1 - weight) * content, np.sqrt(weight) * motion, np.sqrt(weight) * slack], axis=1)
    return joined.astype(np.float32)
