"""Reads the published 8-bit MobileNetV2 (TensorFlow Lite) into ``deepgif.models.networks.mobilenet.MobileNetV2``.

A quantised value q means scale * (q - zero point) (Jacob et al. 2018, equation 1); weights have one scale per tensor,
biases are int32. Layers have the names of TensorFlow's slim model, which are mapped to torchvision's order.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepgif.models.networks.mobilenet import MobileNetV2

POOLED_FEATURES_TENSOR = 169


def load_tflite(path: Path) -> MobileNetV2:
    """A MobileNetV2 with the ImageNet weights of the quantised file. Raises ``ValueError`` if the file holds
    another network."""
    weights, biases = _read_convolutions(path)
    network = MobileNetV2()
    convolutions = [layer for layer in network.features.modules() if isinstance(layer, nn.Conv2d)]
    names = _layer_names()
    if missing := set(names) - (set(weights) & set(biases)):
        raise ValueError(f"{path.name} is not the quantised MobileNetV2 1.0 224: it has no layer {sorted(missing)[0]}.")
    for conv, name in zip(convolutions, names, strict=True):
        weight = torch.from_numpy(weights[name])
        # TensorFlow Lite: (out, h, w, in), and (1, h, w, channels) for depthwise; torch: (out, in / groups, h, w)
        weight = weight.permute(3, 0, 1, 2) if conv.groups > 1 else weight.permute(0, 3, 1, 2)
        if weight.shape != conv.weight.shape or conv.bias is None:
            raise ValueError(f"{path.name}: layer {name} has the shape {tuple(weight.shape)}.")
        with torch.no_grad():
            conv.weight.copy_(weight)
            conv.bias.copy_(torch.from_numpy(biases[name]))
    return network.eval()


def interpreter_features(path: Path, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The pooled features (1280,) that the file's own interpreter computes for one RGB image (224, 224, 3)."""
    interpreter = _interpreter(path)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    values = interpreter.get_tensor(POOLED_FEATURES_TENSOR)
    scale, zero_point = interpreter.get_tensor_details()[POOLED_FEATURES_TENSOR]["quantization"]
    features: NDArray[np.float32] = (values.astype(np.float32) - zero_point) * scale
    return features.reshape(-1)


def read_classifier(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The file's ImageNet classifier, to verify the port: weight (1001, 1280) and bias (1001,)."""
    weights, biases = _read_convolutions(path)
    name = "Logits/Conv2d_1c_1x1"
    return weights[name].reshape(1001, -1), biases[name]


def _interpreter(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


def _read_convolutions(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """The dequantised weights and biases by layer name."""
    interpreter = _interpreter(path)
    weights: dict[str, NDArray[np.float32]] = {}
    biases: dict[str, NDArray[np.float32]] = {}
    for tensor in interpreter.get_tensor_details():
        parts = tensor["name"].split(";")[0].split("/")
        name = "/".join(part for part in parts[1:3] if not part.endswith("_Fold") and part != "weights_quant")
        scale, zero_point = tensor["quantization"]
        if not scale or name == "input":
            continue
        is_bias = tensor["dtype"] is np.int32 and len(tensor["shape"]) == 1
        kernel = tuple(tensor["shape"][1:3])
        is_weight = kernel in ((1, 1), (3, 3)) and parts[-1].endswith(("_Fold", "Conv2D"))
        if not (is_bias or is_weight):
            continue
        values = interpreter.get_tensor(tensor["index"]).astype(np.float32)
        (biases if is_bias else weights)[name] = (values - zero_point) * np.float32(scale)
    return weights, biases


def _layer_names() -> list[str]:
    names = ["Conv"]
    for block in range(17):
        prefix = "expanded_conv" if block == 0 else f"expanded_conv_{block}"
        parts = ("depthwise", "project") if block == 0 else ("expand", "depthwise", "project")
        names += [f"{prefix}/{part}" for part in parts]
    return [*names, "Conv_1"]
