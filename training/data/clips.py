"""Files to clips: animations, videos and photographs as frames of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgif.models.preprocess.frames import frame_of
from deepgif.models.preprocess.sampling import FrameSampling

Clip = NDArray[np.uint8]  # (T, S, S, 3)
VIDEOS = (".avi", ".mp4", ".webm", ".mkv")


def read_clip(path: Path, sampling: FrameSampling) -> Clip:
    """(T, S, S, 3): evenly spaced frames of an animation or a video, or the one frame of a picture. The file is
    trusted: nothing limits its size."""
    frames: Sequence[NDArray[np.uint8]]
    if path.suffix.lower() in VIDEOS:
        frames = list(iio.imiter(path, plugin="pyav"))
    else:
        frames = list(iio.imread(path, plugin="pillow", index=..., mode="RGBA"))  # type: ignore[arg-type]
    chosen = sampling.choose([1] * len(frames))
    return np.stack([frame_of(Image.fromarray(frames[index]), sampling) for index in chosen])


def pan(path: Path, sampling: FrameSampling) -> Clip:
    """(T, S, S, 3): a photograph as a clip. The view zooms in while it moves from the top left to the bottom right."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    frames = []
    for step in range(sampling.count):
        along = step / max(1, sampling.count - 1)
        scale = 1 - 0.25 * along
        width, height = int(picture.width * scale), int(picture.height * scale)
        left, top = int((picture.width - width) * along), int((picture.height - height) * along)
        frames.append(frame_of(picture.crop((left, top, left + width, top + height)), sampling))
    return np.stack(frames)
