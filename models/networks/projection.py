"""The two linear projections of a frame encoder and a sentence encoder into one space (Kiros et al. 2014, section
2.3).

Shapes: N texts or clips, A frame features, B sentence features, D dimensions of the space.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.networks.joint import JOINT_DIMENSION


class ProjectionHeads(nn.Module):
    """Features of any norm to unit vectors of the joint space."""

    def __init__(self, frame_features: int, sentence_features: int, dimension: int = JOINT_DIMENSION) -> None:
        super().__init__()
        self.dimension = dimension
        self.frame_map = nn.Linear(frame_features, dimension)
        self.sentence_map = nn.Linear(sentence_features, dimension)

    def clips(self, features: Tensor) -> Tensor:
        """(N, A) to (N, D)"""
        return F.normalize(self.frame_map(F.normalize(features, dim=1)), dim=1)

    def texts(self, features: Tensor) -> Tensor:
        """(N, B) to (N, D)"""
        return F.normalize(self.sentence_map(F.normalize(features, dim=1)), dim=1)


def identity_projections(dimension: int) -> ProjectionHeads:
    """Projections that change nothing: the initial adapters of encoders that share a space already."""
    maps = ProjectionHeads(dimension, dimension, dimension)
    for linear in (maps.frame_map, maps.sentence_map):
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    return maps
