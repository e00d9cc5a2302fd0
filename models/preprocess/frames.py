"""Resizes and crops a picture to the square input of a CNN, in training and in search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgif.models.preprocess.sampling import Fit, FrameSampling

Frame = NDArray[np.uint8]  # (S, S, 3), RGB


class Place(NamedTuple):
    """The size that a picture is resized to, and the position of the square in it, in pixels."""

    width: int
    height: int
    left: int
    top: int


def placed(width: int, height: int, sampling: FrameSampling) -> Place:
    """How a picture of ``width`` x ``height`` is resized and cropped: all of it, distorted (its subject may be at the
    edge), or the middle (torchvision's ``resize`` and ``center_crop``)."""
    size = sampling.size
    if sampling.fit is Fit.WHOLE:
        return Place(size, size, 0, 0)
    shorter = size * 8 // 7 if sampling.fit is Fit.CROP else size
    scale = shorter / min(width, height)
    width, height = (max(shorter, int(side * scale)) for side in (width, height))
    return Place(width, height, round((width - size) / 2), round((height - size) / 2))


def frame_of(picture: Image.Image, sampling: FrameSampling) -> Frame:
    """The picture resized and cropped for ``sampling``, on white where it is transparent."""
    place = placed(*picture.size, sampling)
    resized = opaque(picture).resize((place.width, place.height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((place.left, place.top, place.left + sampling.size, place.top + sampling.size)))


def opaque(picture: Image.Image) -> Image.Image:
    """The picture in RGB, on white where it is transparent."""
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
