"""GIFs and WebPs made for tests, some of them byte by byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

PALETTE = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
TRANSPARENT = 3  # the palette's entry that raw frames may declare transparent


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame of a GIF written byte by byte: rows of palette entries 0 to 3 at an offset."""

    rows: tuple[tuple[int, ...], ...]
    left: int = 0
    top: int = 0
    delay_cs: int = 10
    disposal: int = 0
    transparent: bool = False


def raw_gif(width: int, height: int, frames: Sequence[RawFrame]) -> bytes:
    """A GIF89a with the global palette ``PALETTE``, as the specification has it."""
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0x81, 0, 0), bytes(v for rgb in PALETTE for v in rgb)]
    for frame in frames:
        flags = frame.disposal << 2 | frame.transparent
        parts.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, frame.delay_cs, TRANSPARENT, 0))
        size = len(frame.rows[0]), len(frame.rows)
        parts.append(struct.pack("<BHHHHB", 0x2C, frame.left, frame.top, *size, 0))
        parts.append(_lzw([entry for row in frame.rows for entry in row]))
    return b"".join(parts) + b"\x3b"


def _lzw(entries: Sequence[int]) -> bytes:
    """LZW data of two-bit entries that never compresses: a clear code comes before the codes can grow."""
    clear, end, width = 4, 5, 3
    bits = count = 0
    codes = [code for start in range(0, len(entries), 2) for code in (clear, *entries[start : start + 2])]
    out = bytearray()
    for code in (*codes, end):
        bits |= code << count
        count += width
        while count >= 8:
            out.append(bits & 0xFF)
            bits >>= 8
            count -= 8
    out.append(bits & 0xFF)
    blocks = b"".join(bytes([len(out[i : i + 255])]) + bytes(out[i : i + 255]) for i in range(0, len(out), 255))
    return b"\x02" + blocks + b"\x00"


def animation(kind: str, colours: Sequence[str], duration_ms: int = 100, size: tuple[int, int] = (32, 24)) -> bytes:
    """A GIF or WebP with one plainly coloured frame a colour; a still where there is one colour."""
    frames = [Image.new("RGB", size, colour) for colour in colours]
    for place, frame in enumerate(frames):
        frame.putpixel((place % size[0], 0), (1, 2, 3))  # so that equal frames are not merged
    stream = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:], "duration": duration_ms, "loop": 0} if frames[1:] else {}
    frames[0].save(stream, kind, **({"lossless": True} if kind == "WEBP" else {}), **more)
    return stream.getvalue()
