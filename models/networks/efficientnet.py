"""EfficientNet-Lite as a frame encoder: uint8 pixels to 1280-d pooled features.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", in the form that TensorFlow
published for mobile devices: without squeeze-and-excitation, and with ReLU6 in place of swish. Every batch
normalisation is folded into the convolution before it, and convolutions pad as TensorFlow's "SAME" does.

Shapes: B frames, C channels, S pixels a side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.networks.strips import Strips

FEATURES = 1280
FRAME_SIZE = 192  # as fast on a CPU as MobileNetV2 at 224
EPSILON = 1e-6  # keeps the square root's gradient finite at 0


@dataclass(frozen=True, slots=True)
class Stage:
    """Consecutive blocks alike but for the first one's stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
HEAD_STAGES = 4  # later stages work on maps of S/16 a side and smaller and have most of the weights
TAIL_START = 1 + sum(stage.blocks for stage in STAGES[:HEAD_STAGES])
TAIL_CHANNELS = STAGES[HEAD_STAGES - 1].channels  # of the maps between the halves


class SameConv2d(nn.Conv2d):
    """A convolution with a bias and TensorFlow's "SAME" padding: odd padding puts one more at the end."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        centred = stride == 1 and kernel % 2 == 1
        super().__init__(channels, out, kernel, stride, padding=kernel // 2 if centred else 0, groups=groups)
        self._centred = centred

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in nn.Conv2d
        if self._centred:
            return super().forward(input)
        bottom, right = (self._padding(side) for side in input.shape[2:])
        return super().forward(F.pad(input, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)))

    def _padding(self, side: int) -> int:
        return max((math.ceil(side / self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - side, 0)


class InvertedResidual(nn.Module):
    """Sandler et al. 2018: expand, filter each channel, project; added to its input where the shapes agree."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        expand = [SameConv2d(channels, wide, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            SameConv2d(wide, wide, kernel, stride, groups=wide),
            nn.ReLU6(inplace=True),
            SameConv2d(wide, out, 1),
        )
        self.residual = stride == 1 and channels == out

    def forward(self, maps: Tensor) -> Tensor:
        new = cast(Tensor, self.layers(maps))
        return maps + new if self.residual else new


class EfficientNetLite(nn.Module):
    """Frames (B, 3, S, S) uint8 to features (B, 1280) float, not normalised. This is Lite0, the smallest.

    ``forward`` is ``tail(head(frames))`` followed by global average pooling and a square root; the halves are separate
    so that the expensive first one can be computed once when only the second is trained.
    """

    dimension = FEATURES
    frame_size = FRAME_SIZE
    head_channels = TAIL_CHANNELS

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(SameConv2d(3, 32, 3, 2), nn.ReLU6(inplace=True))]
        channels = 32
        for stage in STAGES:
            for block in range(stage.blocks):
                stride = 1 if block else stage.stride
                layers.append(InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        layers.append(nn.Sequential(SameConv2d(channels, FEATURES, 1), nn.ReLU6(inplace=True)))
        self.features = nn.Sequential(*layers)

    def forward(self, frames: Tensor) -> Tensor:
        return self.pool(self.tail(self.head(frames)))

    def head(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 to (B, 80, S/16, S/16)."""
        pixels = (frames.to(next(self.features.parameters()).dtype) - 127.0) / 128.0
        return cast(Tensor, self.features[:TAIL_START](pixels.contiguous(memory_format=torch.channels_last)))

    def tail(self, maps: Tensor) -> Tensor:
        """(B, 80, S/16, S/16) to (B, 1280, S/32, S/32)."""
        return cast(Tensor, self.features[TAIL_START:](maps))

    def tail_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of ``tail``."""
        return cast(nn.Sequential, self.features[TAIL_START:]).parameters()

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 1280, S/32, S/32) to (B, 1280)."""
        return self.finish(maps.mean(dim=(2, 3)))

    @staticmethod
    def finish(means: Tensor) -> Tensor:
        """Non-negative means over places (B, 1280) to features (B, 1280): their square roots, so that a few strong
        channels do not dominate the similarity (Perronnin et al. 2010)."""
        return (means + EPSILON).sqrt()


class EfficientNetLiteStrips(Strips, EfficientNetLite):
    """The same network with features per place."""
