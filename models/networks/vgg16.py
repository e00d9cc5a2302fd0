"""VGG16 to fc7: frames to 4096-d features (Simonyan & Zisserman 2015, configuration D), with torchvision's own network
and ImageNet weights.

Shapes: B frames, S = 224 pixels of each side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.runtime.torchvision import prepare_torchvision

FEATURES = 4096
FRAME_SIZE = 224
EXTRA = 5  # channels beside the three colours
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as in the weights' training


class Vgg16(nn.Module):
    """Frames (B, 3, S, S) uint8 to features (B, 4096), the output of fc7 after its ReLU, not normalised.

    The first convolution takes bytes; its weights include the normalisation. Its padding must be zero *after* that: so
    a fourth channel is one in the frame and zero in the padding, and its weights subtract the mean. Four more channels
    with zero weights let cuDNN choose a faster kernel.
    """

    dimension = FEATURES

    def __init__(self) -> None:
        super().__init__()
        prepare_torchvision()
        from torchvision.models import vgg16

        network = vgg16(init_weights=False)
        self.features, self.pool = network.features, network.avgpool
        self.classifier = cast(nn.Sequential, network.classifier)[:5]

    def forward(self, frames: Tensor) -> Tensor:
        first = self.features[0]
        pixels = F.pad(frames, (0, 0, 0, 0, 0, EXTRA), value=1).to(first.weight.dtype)
        maps = pixels.contiguous(memory_format=torch.channels_last)
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                weight = layer.weight if layer is not first else normalising(layer.weight)
                maps = convolved(maps, weight, layer.bias)
            elif isinstance(layer, nn.MaxPool2d):
                maps = halved(maps)
        return cast(Tensor, self.classifier(torch.flatten(self.pool(maps), 1)))

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Loads torchvision's weights, except the classifier's last layer. Raises ``RuntimeError`` for other
        weights."""
        self.load_state_dict({name: value for name, value in weights.items() if not name.startswith("classifier.6.")})


def normalising(weight: Tensor) -> Tensor:
    """Weights (C, 3, 3, 3) for normalised pixels to those (C, 3 + EXTRA, 3, 3) for pixels from 0 to 255 and ones."""
    exact = weight.float().unbind(1)
    scaled = [colour / (255.0 * std) for colour, std in zip(exact, STD, strict=True)]
    subtracted = [colour * (-mean / std) for colour, mean, std in zip(exact, MEAN, STD, strict=True)]
    both = torch.stack([*scaled, sum(subtracted, torch.zeros_like(exact[0]))], dim=1)
    return F.pad(both, (0, 0, 0, 0, 0, EXTRA - 1)).to(weight.dtype, memory_format=torch.channels_last)


def convolved(maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A zero-padded 3 x 3 convolution with bias and ReLU: (B, C, H, W) to (B, D, H, W)."""
    if maps.is_cuda and torch.version.hip is None:  # fused: torch would pass over the output twice more
        return torch.cudnn_convolution_relu(maps, weight, bias, (1, 1), (1, 1), (1, 1), 1)
    return F.relu_(F.conv2d(maps, weight, bias, padding=1))


def halved(maps: Tensor) -> Tensor:
    """2 x 2 max pooling: (B, C, H, W) to (B, C, H / 2, W / 2)."""
    if maps.is_cuda:  # torch's pooling also writes 8-byte indices
        rows = maps.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (B, H / 2, 2, W / 2, 2, C)
        largest: Tensor = rows.amax(dim=(2, 4))
        return largest.permute(0, 3, 1, 2)
    return F.max_pool2d(maps, 2)
