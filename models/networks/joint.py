"""The joint space: frames and texts, encoded separately, then projected linearly onto one 1024-d unit sphere.

Kiros et al. 2014, "Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models", section 2.3, with a
recurrent sentence encoder.

Shapes: N texts, M clips, F frames of all clips, concatenated, L pieces, D = 1024.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.networks.efficientnet import EfficientNetLite, EfficientNetLiteStrips
from deepgif.models.networks.mobilenet import MobileNetStrips, MobileNetV2
from deepgif.models.networks.sentence import SENTENCE_DIMENSION, SentenceConfig, SentenceEncoder

JOINT_DIMENSION = 1024
FRAMES_IN_CACHE = 4  # encoded at once on a CPU: the maps of more do not fit its cache

FrameEncoder = MobileNetV2 | EfficientNetLite


class Backbone(StrEnum):
    """The networks that encode frames, as ``bundle.json`` names them."""

    MOBILENET_V2 = "mobilenet_v2"
    EFFICIENTNET_LITE0 = "efficientnet_lite0"


def frame_encoder(backbone: Backbone, *, strips: bool = False) -> FrameEncoder:
    """The network with random weights; with ``strips``, its features are per place."""
    if backbone is Backbone.MOBILENET_V2:
        return MobileNetStrips() if strips else MobileNetV2()
    return EfficientNetLiteStrips() if strips else EfficientNetLite()


class JointModel(nn.Module):
    """A frame encoder, a sentence encoder and the two linear projections of both into one space."""

    def __init__(
        self, config: SentenceConfig, backbone: Backbone = Backbone.MOBILENET_V2, *, strips: bool = False
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.frames = frame_encoder(backbone, strips=strips)
        self.sentences = SentenceEncoder(config)
        self.frame_map = nn.Linear(self.frames.dimension, JOINT_DIMENSION)
        self.sentence_map = nn.Linear(SENTENCE_DIMENSION, JOINT_DIMENSION)

    def map_features(self, features: Tensor, clip_lengths: Tensor) -> Tensor:
        """Frame features (F, 1280) of M clips with ``clip_lengths`` (M,) frames each to unit vectors (M, D): the
        projected mean over a clip's unit features."""
        clip_of_frame = torch.repeat_interleave(torch.arange(len(clip_lengths), device=features.device), clip_lengths)
        totals = features.new_zeros(len(clip_lengths), features.shape[1])
        totals = totals.index_add(0, clip_of_frame, F.normalize(features, dim=1))
        return F.normalize(self.frame_map(F.normalize(totals, dim=1)), dim=1)

    def embed_texts(self, pieces: Tensor, lengths: Tensor) -> Tensor:
        """Pieces (N, L) and their counts (N,) to unit vectors (N, D)."""
        return self.map_sentences(self.sentences(pieces, lengths))

    def map_sentences(self, sentences: Tensor) -> Tensor:
        """Sentence vectors (N, 384) to unit vectors (N, D)."""
        return F.normalize(self.sentence_map(F.normalize(sentences, dim=1)), dim=1)
