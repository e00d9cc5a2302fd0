"""VGG16 to fc7: frames to 4096-d features (Simonyan & Zisserman 2015, configuration D), with torchvision's own network
and ImageNet weights.

Shapes: B frames, S = 224 pixels a side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from models.torchvision_cpu import prepare_torchvision

FEATURES = 4096
FRAME_SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as the weights were trained with


class Vgg16(nn.Module):
    """Frames (B, 3, S, S) uint8 to features (B, 4096), the output of fc7 after its ReLU, not normalised."""

    mean: Tensor
    std: Tensor
    dimension = FEATURES

    def __init__(self) -> None:
        super().__init__()
        prepare_torchvision()
        from torchvision.models import vgg16

        network = vgg16(init_weights=False)
        self.features, self.pool = network.features, network.avgpool
        self.classifier = cast(nn.Sequential, network.classifier)[:5]
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        pixels = (frames.to(self.mean.dtype) / 255.0 - self.mean) / self.std
        maps = self.pool(self.features(pixels.contiguous(memory_format=torch.channels_last)))
        return cast(Tensor, self.classifier(torch.flatten(maps, 1)))

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Takes torchvision's weights, which have a layer more. Raises ``RuntimeError`` where they are others."""
        self.load_state_dict({name: value for name, value in weights.items() if not name.startswith("classifier.6.")})
