"""From the bytes of a GIF or WebP to a clip. Every byte is treated as hostile: limits are checked before decoding and
between frames, and nothing but ``MediaError`` comes out.

Where a GIF disposes of a frame to the background, that is transparent, and so white, in files with transparency from
their first frame on, and the colour that the file names in others (Pillow's reading of GIF89a, section 23).
"""

from __future__ import annotations

import time

import imageio.v3 as iio
import numpy as np
from PIL import Image

from deepgif.engine.errors import MediaError
from deepgif.engine.media.probe import MediaInfo, probe
from deepgif.engine.options import MediaLimits
from deepgif.engine.protocols import Clip
from deepgif.engine.types import FrameSampling
from deepgif.models.preprocess.frames import Frame, frame_of, opaque

MOST_PIXELS = 512 * 512  # of a frame that is left for the GPU to resize; beyond, the copy would cost more


def decode_clip(data: bytes, sampling: FrameSampling, limits: MediaLimits, *, resize: bool = True) -> Clip:
    """(T, S, S, 3): at most ``sampling.count`` frames as they are seen (disposal applied, transparency on white),
    evenly spaced in time. A damaged file gives the frames before the damage. Without ``resize`` small frames stay as
    they are, (T, H, W, 3), for an encoder that resizes them itself.

    Blocks, and may be called from several threads. Raises ``MediaError`` where the file is refused, or not one frame
    can be decoded.
    """
    info = probe(data, limits)
    ends_at = time.monotonic() + limits.decode_s
    frames: list[Frame] = []
    size = (info.width, info.height)
    as_it_is = not resize and size != (sampling.size, sampling.size) and info.width * info.height <= MOST_PIXELS

    def fit(picture: Image.Image) -> Frame:
        return np.asarray(opaque(picture)) if as_it_is else frame_of(picture, sampling)

    try:
        with iio.imopen(_with_explicit_disposals(data, info), "r", plugin="pillow", extension=f".{info.kind}") as file:
            for index in sampling.choose(info.durations_ms):
                pixels = file.read(index=index, mode="RGBA")  # type: ignore[call-arg]  # of the pillow plugin
                frames.append(fit(Image.fromarray(pixels)))
                if time.monotonic() > ends_at:
                    raise MediaError(f"Decoding takes longer than {limits.decode_s:g} s.")
    except MediaError:
        raise
    except Exception as error:  # decoders raise whatever they like on damaged files
        if not frames:
            raise MediaError("The picture is damaged and cannot be decoded.") from error
    return np.stack(frames)


def _with_explicit_disposals(data: bytes, info: MediaInfo) -> bytes:
    """Writes "keep" where a GIF leaves the disposal open: Pillow would go on as for the frame before."""
    if not info.unspecified_disposals:
        return data
    changed = bytearray(data)
    for position in info.unspecified_disposals:
        changed[position] |= 1 << 2
    return bytes(changed)
