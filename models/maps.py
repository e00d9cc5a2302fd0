"""The two linear maps that glue a frame encoder and a sentence encoder into one space, without any non-linearity
(Kiros et al. 2014, section 2.3).

Shapes: N texts or clips, A frame features, B sentence features, D = 1024.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from models.joint import JOINT_DIMENSION


class TwoMaps(nn.Module):
    """Features of unit length in, unit vectors of the joint space out."""

    def __init__(self, frame_features: int, sentence_features: int) -> None:
        super().__init__()
        self.frame_map = nn.Linear(frame_features, JOINT_DIMENSION)
        self.sentence_map = nn.Linear(sentence_features, JOINT_DIMENSION)

    def clips(self, features: Tensor) -> Tensor:
        """(N, A) to (N, D)"""
        return F.normalize(self.frame_map(F.normalize(features, dim=1)), dim=1)

    def texts(self, features: Tensor) -> Tensor:
        """(N, B) to (N, D)"""
        return F.normalize(self.sentence_map(F.normalize(features, dim=1)), dim=1)
