"""MobileNetV2 as a frame encoder: uint8 pixels to 1280-d pooled features.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", width 1.0, built from torchvision's
architecture with two differences that make it equal to TensorFlow's network:

- every batch normalisation is folded into the convolution before it, so a block is a convolution with a bias;
- convolutions of stride 2 pad as TensorFlow's "SAME" does: nothing before the first row and column, one after the
  last (torchvision pads one on both sides, which shifts what each output sees by one pixel).

Shapes: B frames, C channels, S pixels of each side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.networks.strips import Strips
from deepgif.models.runtime.torchvision import prepare_torchvision

FEATURES = 1280
FRAME_SIZE = 224
TAIL_START = 8  # features[8:] work on 14 x 14 maps and smaller: 1/5 of the arithmetic, 9/10 of the weights


class SamePadConv2d(nn.Conv2d):
    """A 3 x 3 convolution of stride 2 with TensorFlow's "SAME" padding for inputs of even size."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in nn.Conv2d
        return super().forward(F.pad(input, (0, 1, 0, 1)))


class MobileNetV2(nn.Module):
    """Frames (B, 3, S, S) uint8 to features (B, 1280) float, not normalised.

    ``forward`` is ``tail(head(frames))`` followed by global average pooling; the halves are separate so that the
    expensive first one can be computed once when only the second is trained.
    """

    dimension = FEATURES
    frame_size = FRAME_SIZE
    head_channels = 64

    def __init__(self) -> None:
        super().__init__()
        prepare_torchvision()
        from torchvision.models import mobilenet_v2

        self.features = cast(nn.Sequential, mobilenet_v2(norm_layer=nn.Identity).features)
        for block in list(self.features.modules()):
            for name, layer in list(block.named_children()):
                if isinstance(layer, nn.Conv2d):
                    setattr(block, name, _with_bias(layer))

    def forward(self, frames: Tensor) -> Tensor:
        return self.pool(self.tail(self.head(frames)))

    def head(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 to (B, 64, S/16, S/16)."""
        pixels = frames.to(next(self.features.parameters()).dtype) / 128.0 - 1.0  # [0, 255] to [-1, 1)
        return cast(Tensor, self.features[:TAIL_START](pixels.contiguous(memory_format=torch.channels_last)))

    def tail(self, maps: Tensor) -> Tensor:
        """(B, 64, S/16, S/16) to (B, 1280, S/32, S/32)."""
        return cast(Tensor, self.features[TAIL_START:](maps))

    def tail_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of ``tail``."""
        return cast(nn.Sequential, self.features[TAIL_START:]).parameters()

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 1280, S/32, S/32) to (B, 1280)."""
        return self.finish(maps.mean(dim=(2, 3)))

    @staticmethod
    def finish(means: Tensor) -> Tensor:
        """Means over places (B, 1280) to features (B, 1280): unchanged."""
        return means


class MobileNetStrips(Strips, MobileNetV2):
    """The same network with features per place."""


def _with_bias(conv: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with a bias and, at stride 2, "SAME" padding."""
    strided = conv.stride[0] == 2
    return (SamePadConv2d if strided else nn.Conv2d)(
        conv.in_channels,
        conv.out_channels,
        cast(tuple[int, int], conv.kernel_size),
        stride=cast(tuple[int, int], conv.stride),
        padding=0 if strided else cast(tuple[int, int], conv.padding),
        groups=conv.groups,
        bias=True,
    )
