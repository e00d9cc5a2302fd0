"""A frame encoder on the CPU through ONNX Runtime (onnxruntime.ai): the same features, faster.

torch computes layer by layer; ONNX Runtime fuses layers and lays the weights out for the CPU once. ``python -m
benchmarks.models.runtime`` compares both.

Shapes: B frames, S pixels of each side, A features.
"""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

NAME = "onnxruntime"
NEEDED = (NAME, "onnx", "onnxscript")  # the last two export the network


def installed() -> bool:
    """Whether the extra ``onnx`` is installed."""
    return all(importlib.util.find_spec(package) is not None for package in NEEDED)


class OnnxNetwork:
    """A network from pixels (B, 3, S, S) in [0, 255] to features (B, A) float32, exported once, which takes a few
    seconds. Thread-safe."""

    def __init__(self, network: nn.Module, size: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        with tempfile.TemporaryDirectory(prefix="deepgif-") as folder:
            path = Path(folder) / "frames.onnx"
            export(network, size, path)
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, pixels: Tensor) -> Tensor:
        """(B, A) of integral pixels of any type."""
        frames = pixels.to(torch.uint8).contiguous().numpy()
        return torch.from_numpy(self._session.run(None, {"frames": frames})[0])


def export(network: nn.Module, size: int, path: Path) -> None:
    """Exports the network for frames (B, 3, S, S) uint8 of any B to ``path``, with large weights in a file beside
    it."""
    some = torch.zeros(2, 3, size, size, dtype=torch.uint8)  # a batch of 1 would become a constant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            network.eval(),
            (some,),
            dynamo=True,
            verbose=False,
            input_names=["frames"],
            dynamic_shapes=({0: torch.export.Dim("frames")},),
        )
    cast(torch.onnx.ONNXProgram, program).save(path, external_data=True)
