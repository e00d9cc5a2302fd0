"""Reads a GIF's or WebP's structure without decoding pixels.

GIF: "Graphics Interchange Format, Version 89a" (CompuServe 1990), sections 17 to 27.
WebP: RFC 9649, section 2 (RIFF container).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepgif.engine.errors import MediaError
from deepgif.engine.options import MediaLimits

SHORT_DELAY_MS = 10  # browsers show frames with this delay or less ...
DEFAULT_DELAY_MS = 100  # ... for this long
_WEBP_STILLS = (b"VP8 ", b"VP8L")


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """Canvas in pixels, and each frame's duration in milliseconds; a still has one frame.
    ``unspecified_disposals`` are the byte positions of a GIF's flags without a disposal method."""

    kind: Literal["gif", "webp"]
    width: int
    height: int
    durations_ms: tuple[int, ...]
    unspecified_disposals: tuple[int, ...] = ()

    @property
    def frames(self) -> int:
        """The number of frames, at least one."""
        return len(self.durations_ms)


def probe(data: bytes, limits: MediaLimits) -> MediaInfo:
    """The structure of ``data``. A truncated file has the frames that are complete, as in browsers. Raises
    ``MediaError`` if it is not a GIF or WebP, has no complete frame, or exceeds ``limits``."""
    if not data:
        raise MediaError("The file is empty.")
    if len(data) > limits.max_bytes:
        raise MediaError(f"The file has {len(data):,} bytes; the limit is {limits.max_bytes:,}.")
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _Gif(data, limits).info()
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data, limits)
    raise MediaError("The file is neither a GIF nor a WebP.")


class _Gif:
    """Walks over the blocks of a GIF."""

    def __init__(self, data: bytes, limits: MediaLimits) -> None:
        self._data = data
        self._limits = limits
        self._at = 13  # after signature and logical screen descriptor (sections 17 and 18)

    def info(self) -> MediaInfo:
        if len(self._data) < 13:
            raise MediaError("The GIF is truncated in its header.")
        width, height = _u16(self._data, 6), _u16(self._data, 8)
        _check_canvas(width, height, self._limits)
        self._skip_palette(self._data[10])
        durations: list[int] = []
        unspecified: list[int] = []
        delay_ms = 0
        try:
            while (kind := self._data[self._at]) != 0x3B:  # trailer (section 27)
                self._at += 1
                if kind == 0x21:  # extension (section 24 and on)
                    label = self._data[self._at]
                    if label == 0xF9 and self._data[self._at + 1] >= 4:  # graphic control (section 23)
                        delay_ms = _u16(self._data, self._at + 3) * 10
                        if not self._data[self._at + 2] & 0b11100:
                            unspecified.append(self._at + 2)
                    self._at += 1
                    self._skip_blocks()
                elif kind == 0x2C:  # image descriptor (section 20)
                    self._image()
                    durations.append(_shown_ms(delay_ms))
                    delay_ms = 0
                    _check_frames(len(durations), width, height, self._limits)
                else:
                    break  # not a GIF block; decoders stop here too
        except IndexError:
            pass  # truncated
        if not durations:
            raise MediaError("The GIF has no complete frame.")
        return MediaInfo("gif", width, height, tuple(durations), tuple(unspecified))

    def _image(self) -> None:
        left, top, width, height = (_u16(self._data, self._at + offset) for offset in (0, 2, 4, 6))
        _check_canvas(width, height, self._limits)
        _check_canvas(left + width, top + height, self._limits)  # decoders grow the canvas to hold it
        flags = self._data[self._at + 8]
        self._at += 9
        self._skip_palette(flags)
        self._at += 1  # LZW minimum code size (section 22)
        self._skip_blocks()

    def _skip_palette(self, flags: int) -> None:
        if flags & 0x80:
            self._at += 3 << ((flags & 7) + 1)

    def _skip_blocks(self) -> None:
        while size := self._data[self._at]:  # data sub-blocks (section 15)
            self._at += size + 1
        self._at += 1


def _webp(data: bytes, limits: MediaLimits) -> MediaInfo:
    width = height = 0
    durations: list[int] = []
    still = False
    at = 12
    while at + 8 <= len(data):
        tag, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if body + size > len(data):
            break  # truncated
        if tag == b"VP8X" and size >= 10:  # section 2.7.1
            width, height = 1 + _u24(data, body + 4), 1 + _u24(data, body + 7)
            _check_canvas(width, height, limits)
        elif tag == b"ANMF" and size >= 16:  # section 2.7.1.1
            _check_canvas(1 + _u24(data, body + 6), 1 + _u24(data, body + 9), limits)
            durations.append(_shown_ms(_u24(data, body + 12)))
            _check_frames(len(durations), width, height, limits)
        elif tag in _WEBP_STILLS and not durations:
            own = _webp_still(data, body, size, lossless=tag == b"VP8L")
            _check_canvas(*own, limits)
            width, height = (width, height) if width else own
            still = True
        at = body + size + (size & 1)
    if not width or not (durations or still):
        raise MediaError("The WebP has no complete frame.")
    return MediaInfo("webp", width, height, tuple(durations) or (DEFAULT_DELAY_MS,))


def _webp_still(data: bytes, body: int, size: int, *, lossless: bool) -> tuple[int, int]:
    """Width and height in a VP8L header (RFC 9649, section 3.4) or a VP8 key frame (RFC 6386, section 9.1)."""
    if size < 10:
        raise MediaError("The WebP is truncated in its header.")
    if lossless:
        bits = int.from_bytes(data[body + 1 : body + 5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _u16(data, body + 6) & 0x3FFF, _u16(data, body + 8) & 0x3FFF


def _check_canvas(width: int, height: int, limits: MediaLimits) -> None:
    if not width or not height:
        raise MediaError("The canvas has no width or no height.")
    if max(width, height) > limits.max_side or width * height > limits.max_canvas_pixels:
        raise MediaError(
            f"The canvas is {width:,} x {height:,} pixels; the limits are {limits.max_side:,} per side and "
            f"{limits.max_canvas_pixels:,} in total."
        )


def _check_frames(count: int, width: int, height: int, limits: MediaLimits) -> None:
    if count > limits.max_frames:
        raise MediaError(f"The animation has more than {limits.max_frames:,} frames.")
    if count * width * height > limits.max_total_pixels:
        raise MediaError(f"The animation has more than {limits.max_total_pixels:,} pixels in total.")


def _shown_ms(delay_ms: int) -> int:
    return delay_ms if delay_ms > SHORT_DELAY_MS else DEFAULT_DELAY_MS


def _u16(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8


def _u24(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16
