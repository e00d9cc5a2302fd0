"""From a picture to the square of pixels that a CNN sees. Teaching and searching do it alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[np.uint8]  # (S, S, 3), RGB


def square(picture: Image.Image, size: int) -> Frame:
    """The whole picture, on white where it is transparent, resized to ``size`` x ``size`` (not cropped: what matters
    may be at the edge)."""
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
