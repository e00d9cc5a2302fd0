"""Frame features that tell places apart, of any network that ends in maps over a frame.

Shapes: B frames, C channels, S pixels a side, P places.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Strips:
    """Mixed into a frame network: pooled apart for each of the S/32 columns, from the left, and then for each row, from
    the top: features (B, P * C) of P places. Pooled over the whole frame, where something is is all but lost."""

    dimension: int
    finish: Callable[[Tensor], Tensor]  # means over places (B, C) to features

    def pool(self, maps: Tensor) -> Tensor:
        """(B, C, S/32, S/32) to (B, P * C)."""
        return torch.cat([maps.mean(dim=2), maps.mean(dim=3)], dim=2).transpose(1, 2).flatten(1)

    def whole(self, strips: Tensor) -> Tensor:
        """(B, P * C) to what the network itself gives, (B, C)."""
        places = strips.view(len(strips), -1, self.dimension)  # (B, P, C)
        return self.finish(places[:, : places.shape[1] // 2].mean(dim=1))
