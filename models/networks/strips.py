"""Frame features per place, for any network that ends in feature maps.

Shapes: B frames, C channels, S pixels a side, P places.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Strips:
    """A mixin for frame networks: pools each of the S/32 columns, from the left, and then each row, from the top, to
    features (B, P * C) of P places. Pooling over the whole frame would lose where something is."""

    dimension: int
    finish: Callable[[Tensor], Tensor]  # means over places (B, C) to features

    def pool(self, maps: Tensor) -> Tensor:
        """(B, C, S/32, S/32) to (B, P * C)."""
        return torch.cat([maps.mean(dim=2), maps.mean(dim=3)], dim=2).transpose(1, 2).flatten(1)

    def whole(self, strips: Tensor) -> Tensor:
        """(B, P * C) to the features (B, C) of the network without strips."""
        places = strips.view(len(strips), -1, self.dimension)  # (B, P, C)
        return self.finish(places[:, : places.shape[1] // 2].mean(dim=1))
