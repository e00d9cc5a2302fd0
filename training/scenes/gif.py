"""Clips as small GIFs. T frames, S pixels a side.

All frames share one palette, and a pixel is stored only where it changes. What the eye hardly sees is given up for
bytes: a pixel keeps its last colour, or takes its left neighbour's, where that is near enough, so that runs are long.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Colours; how far each channel may be off the last frame's colour; and how much farther than needed off the left
# neighbour's. Finest first.
_GRADES = ((31, 8, 4), (27, 10, 6), (23, 10, 8))


def encode_gif(clip: NDArray[np.uint8], frame_ms: int, max_bytes: int) -> bytes:
    """A clip (T, S, S, 3) as an endless GIF, in the finest of three grades that takes at most ``max_bytes``; in the
    coarsest where none does."""
    data = b""
    for colours, tolerance, slack in _GRADES:
        data = _encode(clip, frame_ms, colours, tolerance, slack)
        if len(data) <= max_bytes:
            break
    return data


def _encode(clip: NDArray[np.uint8], frame_ms: int, colours: int, tolerance: int, slack: int) -> bytes:
    size = clip.shape[1]
    sample = Image.fromarray(clip[:, ::3, ::3].reshape(-1, (size + 2) // 3, 3))
    model = sample.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=1)
    palette = np.array(model.getpalette(), np.int16).reshape(-1, 3)[:colours]

    unchanged = len(palette)  # the index after the last colour
    table = palette.astype(np.uint8).tobytes() + _unused_colour(palette)
    images = []
    shown = np.zeros((size, size), np.uint8)
    for index, frame in enumerate(clip):
        off = _distances(frame, palette)
        still = np.take_along_axis(off, shown[None], 0)[0] <= tolerance
        kept = still if index else np.zeros_like(still)
        current = _with_runs(np.where(kept, shown, off.argmin(axis=0).astype(np.uint8)), kept, off, slack)
        stored = current if index == 0 else np.where(current == shown, np.uint8(unchanged), current)
        image = Image.fromarray(stored)
        image.putpalette(table)
        images.append(image)
        shown = current
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=frame_ms,
        loop=0,
        disposal=1,
        transparency=unchanged,
        palette=table,
        optimize=False,
    )
    return buffer.getvalue()


def _distances(frame: NDArray[np.uint8], palette: NDArray[np.int16]) -> NDArray[np.int16]:
    """(K, S, S): how far each pixel is off each of K colours, in the channel where it is farthest."""
    red, green, blue = (
        np.abs(palette[:, channel, None, None] - frame[None, ..., channel].astype(np.int16)) for channel in range(3)
    )
    return np.maximum(np.maximum(red, green), blue)


def _with_runs(
    indices: NDArray[np.uint8], kept: NDArray[np.bool_], off: NDArray[np.int16], slack: int
) -> NDArray[np.uint8]:
    """The indices (S, S), where pixels that are not ``kept`` take their left neighbour's colour if that is off by at
    most ``slack`` more than their own."""
    result = indices.copy()
    own = np.take_along_axis(off, indices[None], 0)[0]
    allowed = np.where(kept, -1, own + slack)
    rows = np.arange(len(result))
    for x in range(1, result.shape[1]):
        left = result[:, x - 1]
        result[:, x] = np.where(off[left, rows, x] <= allowed[:, x], left, result[:, x])
    return result


def _unused_colour(palette: NDArray[np.int16]) -> bytes:
    """A colour that is not in the palette: each index must have its own, or Pillow would join two of them."""
    taken = {tuple(colour) for colour in palette.tolist()}
    return bytes(next(colour for colour in ((1, 0, blue) for blue in range(256)) if colour not in taken))
