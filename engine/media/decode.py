"""Decodes GIFs and WebPs into clips. Files are treated as hostile: limits are checked before decoding and between
frames, and every failure becomes a ``MediaError``.

If a frame is disposed of to the background, it becomes white in a file with transparency from its first frame on, and
the file's background colour in others (Pillow's reading of GIF89a, section 23).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import imageio.v3 as iio
import numpy as np
from PIL import Image

from deepgif.engine.errors import MediaError
from deepgif.engine.media.probe import MediaInfo, probe
from deepgif.engine.options import MediaLimits
from deepgif.engine.protocols import Clip
from deepgif.engine.types import FrameSampling
from deepgif.models.preprocess.frames import Frame, frame_of, opaque

MOST_PIXELS = 512 * 512  # of a frame that the GPU resizes; copying larger ones would cost more


def decode_clip(data: bytes, sampling: FrameSampling, limits: MediaLimits, *, resize: bool = True) -> Clip:
    """At most ``sampling.count`` frames as a viewer shows them (disposal applied, transparency on white), evenly spaced
    in time: (T, S, S, 3). A damaged file gives the frames before the damage. Without ``resize``, small frames keep
    their size, (T, H, W, 3), for an encoder that resizes them.

    Blocks; thread-safe. Raises ``MediaError`` if the file is refused or no frame can be decoded.
    """
    info = probe(data, limits)
    size = (info.width, info.height)
    keep_size = not resize and size != (sampling.size, sampling.size) and info.width * info.height <= MOST_PIXELS

    def fit(picture: Image.Image) -> Frame:
        return np.asarray(opaque(picture)) if keep_size else frame_of(picture, sampling)

    return _decode(data, info, sampling.choose(info.durations_ms), limits, fit)


def decode_whole(data: bytes, count: int, side: int, limits: MediaLimits) -> Clip:
    """(T, H, W, 3): as ``decode_clip``, but each frame keeps its proportions and, where neither side is longer than
    ``side`` pixels, its size: words in it can be read."""
    info = probe(data, limits)

    def fit(picture: Image.Image) -> Frame:
        shown = opaque(picture)
        shown.thumbnail((side, side), Image.Resampling.BILINEAR)
        return np.asarray(shown)

    return _decode(data, info, FrameSampling(count, side).choose(info.durations_ms), limits, fit)


def _decode(
    data: bytes, info: MediaInfo, places: Sequence[int], limits: MediaLimits, fit: Callable[[Image.Image], Frame]
) -> Clip:
    ends_at = time.monotonic() + limits.decode_s
    frames: list[Frame] = []
    try:
        with iio.imopen(_with_explicit_disposals(data, info), "r", plugin="pillow", extension=f".{info.kind}") as file:
            for index in places:
                pixels = file.read(index=index, mode="RGBA")  # type: ignore[call-arg]  # of the pillow plugin
                frames.append(fit(Image.fromarray(pixels)))
                if time.monotonic() > ends_at:
                    raise MediaError(f"Decoding took longer than {limits.decode_s:g} s.")
    except MediaError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        if not frames:
            raise MediaError("The file is damaged.") from error
    return np.stack(frames)


def _with_explicit_disposals(data: bytes, info: MediaInfo) -> bytes:
    """Sets unspecified disposals to "keep"; Pillow would use that of the frame before."""
    if not info.unspecified_disposals:
        return data
    changed = bytearray(data)
    for position in info.unspecified_disposals:
        changed[position] |= 1 << 2
    return bytes(changed)
