"""From a picture to the square of pixels that a CNN sees. Teaching and searching do it alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.sampling import Fit, FrameSampling

Frame = NDArray[np.uint8]  # (S, S, 3), RGB


def frame_of(picture: Image.Image, sampling: FrameSampling) -> Frame:
    """The picture as the sampling wants it."""
    if sampling.fit is Fit.WHOLE:
        return square(picture, sampling.size)
    return middle(picture, sampling.size, sampling.size * 8 // 7 if sampling.fit is Fit.CROP else sampling.size)


def square(picture: Image.Image, size: int) -> Frame:
    """The whole picture, on white where it is transparent, resized to ``size`` x ``size`` (not cropped: what matters
    may be at the edge)."""
    return np.asarray(_opaque(picture).resize((size, size), Image.Resampling.BILINEAR))


def middle(picture: Image.Image, size: int, shorter: int) -> Frame:
    """The middle of the picture, on white where it is transparent: its shorter side made ``shorter``, and ``size`` x
    ``size`` of that (torchvision's ``resize`` and ``center_crop``)."""
    opaque = _opaque(picture)
    scale = shorter / min(opaque.size)
    width, height = (max(shorter, int(side * scale)) for side in opaque.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = opaque.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
