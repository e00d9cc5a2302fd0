"""Makes ``import torchvision`` work where its compiled operators cannot load.

torchvision's wheel on the package index is built for CUDA. With a CPU build of torch its extension does not load, and
``import torchvision`` fails because it registers a shape function for an undefined operator (pytorch/vision #9077,
#9085). DeepGIF needs only the architectures, so the missing operators are declared without an implementation. If the
extension loads, nothing changes.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import torch

_MISSING = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def _declared_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _MISSING.values():
        library.define(schema)
    return library


def prepare_torchvision() -> None:
    """Call this before the first ``import torchvision``. Does nothing if the compiled operators load."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchvision is not installed: pip install 'deepgif[engine]'")
    for extension in sorted(Path(spec.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(extension))
        except OSError:
            _declared_operators()
