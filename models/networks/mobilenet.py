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

from deepgif.models.runtime.torchvision import prepare_torchvision

FEATURES = 1280
FRAME_SIZE = 224
FRAMES_IN_CACHE = 4  # computed at once on a CPU: so light a network waits for memory, where the maps of more lie
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

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """(B, 1280, S/32, S/32) to (B, 1280)."""
        return maps.mean(dim=(2, 3))


class MobileNetStrips(MobileNetV2):
    """The same network, pooled apart for each of the S/32 columns, from the left, and then for each row, from the top:
    features (B, P * 1280) of P places. Pooled over the whole frame, where something is is all but lost."""

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """(B, 1280, S/32, S/32) to (B, P * 1280)."""
        return torch.cat([maps.mean(dim=2), maps.mean(dim=3)], dim=2).transpose(1, 2).flatten(1)

    @staticmethod
    def whole(strips: Tensor) -> Tensor:
        """(B, P * 1280) to what ``MobileNetV2`` gives, (B, 1280): the mean over the columns."""
        places = strips.view(len(strips), -1, FEATURES)  # (B, P, 1280)
        return places[:, : places.shape[1] // 2].mean(dim=1)


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
