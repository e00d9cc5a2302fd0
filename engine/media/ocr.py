"""Reads the words in a GIF's frames: the caption, the subtitle, the sign that somebody holds up.

A few frames between which the picture changes are read line by line. What they show is merged over time: a subtitle
that builds up is one text, and a line that stays is read once. Recognised text is people's content and never logged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.protocols import Clip
from deepgif.models.preprocess.frames import Frame

THUMB = 64  # pixels a side, to tell whether the picture changes
BLOCK = 4
CHANGED = 6.0  # grey levels in one block of a thumbnail: less is noise
NEAR_EQUAL = 0.8  # of two lines' letters: the same line, misread once
SHORTEST_PART = 4  # letters that must match for a line to be part of another in which spaces are lost
_ADDRESS = re.compile(r"[\w-]{2,}[.,](com|net|org|tv|gg|fm|info)\b|^@\w+$|https?:|www\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text in reading order, and how sure the reader is, in [0, 1]."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """The words in a GIF as one text, "" where there are none; ``confidence`` is the mean of its lines', weighted by
    their length, and 0.0 without a line."""

    text: str
    confidence: float
    lines: tuple[TextLine, ...]


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """At most ``frames`` of a GIF are read, each at most ``side`` pixels a side, until ``budget_s`` processor seconds
    are used up; the first one always is. Lines below ``confidence`` are dropped. The rest bounds what is kept."""

    frames: int = 3
    side: int = 480
    budget_s: float = 2.0
    confidence: float = 0.7
    max_lines: int = 12
    max_characters: int = 300


class LineReader(Protocol):
    """An OCR engine for one frame. Blocks; called by one thread at a time."""

    def read(self, frame: Frame) -> Sequence[TextLine]:
        """The lines of a frame (H, W, 3) in reading order."""


class TextReader:
    """Reads whole GIFs with ``lines``. ``split`` separates words that the OCR ran together. ``clock`` gives processor
    seconds of the calling thread, in which a ``LineReader`` with one thread does all its work."""

    def __init__(
        self,
        lines: LineReader,
        limits: ReadingLimits | None = None,
        split: Callable[[str], str] = str,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.limits = limits or ReadingLimits()
        self._lines = lines
        self._split = split
        self._clock = clock

    def read(self, frames: Clip) -> RecognisedText:
        """The words in ``frames``, (T, H, W, 3) in order of time. Blocks; call it from one thread at a time."""
        ends_at = self._clock() + self.limits.budget_s
        seen: dict[int, list[TextLine]] = {}
        for place in changing_frames(frames, self.limits.frames):
            if seen and self._clock() >= ends_at:
                break
            lines = [line for line in self._lines.read(frames[place]) if self._counts(line)]
            seen[place] = [replace(line, text=self._split(line.text)) for line in lines]
        return self._bounded(merge_lines([seen[place] for place in sorted(seen)]))

    def _counts(self, line: TextLine) -> bool:
        """Whether a line says something: not a misread texture, a single sign, or the address of a website that made
        the GIF."""
        return line.confidence >= self.limits.confidence and len(_letters(line.text)) > 1 and not is_address(line.text)

    def _bounded(self, lines: Sequence[TextLine]) -> RecognisedText:
        kept: list[TextLine] = []
        left = self.limits.max_characters
        for line in lines[: self.limits.max_lines]:
            if left <= 0:
                break
            text = line.text if len(line.text) <= left else line.text[:left].rpartition(" ")[0]
            if not text:
                break
            kept.append(replace(line, text=text))
            left -= len(text) + 1
        weight = sum(len(line.text) for line in kept)
        confidence = sum(line.confidence * len(line.text) for line in kept) / weight if weight else 0.0
        return RecognisedText(" ".join(line.text for line in kept), confidence, tuple(kept))


def changing_frames(frames: Clip, most: int) -> list[int]:
    """At most ``most`` places of ``frames`` (T, H, W, 3) between which the picture changes, to be read in this order:
    the last one, where what builds up is complete, then each time the one that differs most from all before it
    (farthest-first traversal, Gonzalez 1985)."""
    thumbs = np.stack([_thumbnail(frame) for frame in frames])
    chosen = [len(frames) - 1]
    while len(chosen) < min(most, len(frames)):
        changes = np.stack([_changes(thumbs, thumbs[place]) for place in chosen]).min(axis=0)  # (T,)
        farthest = int(changes.argmax())
        if changes[farthest] < CHANGED:
            break
        chosen.append(farthest)
    return chosen


def merge_lines(frames: Sequence[Sequence[TextLine]]) -> list[TextLine]:
    """The lines of several frames, in order of time, without those that are part of another or nearly equal to one: of
    these the surer one is kept, at the place of the first."""
    lines = [line for frame in frames for line in frame]
    while (merged := _merged(lines)) != lines:  # a line that grew may contain another one now
        lines = merged
    return merged


def _merged(lines: Sequence[TextLine]) -> list[TextLine]:
    merged: list[TextLine] = []
    for line in lines:
        if any(_is_part(line.text, old.text) for old in merged):
            continue
        # What grew, or was read better, takes the place of the first line that it replaces.
        replaced = [place for place, old in enumerate(merged) if _is_part(old.text, line.text)]
        if not replaced:
            alike = next((at for at, old in enumerate(merged) if _nearly_equal(old.text, line.text)), None)
            if alike is None:
                merged.append(line)
                continue
            if line.confidence <= merged[alike].confidence:
                continue
            replaced = [alike]
        merged[replaced[0]] = line
        for place in reversed(replaced[1:]):
            del merged[place]
    return merged


def is_address(text: str) -> bool:
    """Whether a line names a website or an account, as watermarks do; it says where a GIF is from, not what it says."""
    return _ADDRESS.search(text) is not None


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _is_part(part: str, whole: str) -> bool:
    """Whether a line's words, or enough of its letters, are in another line; equal lines are parts of each other."""
    few, many = _letters(part), _letters(whole)
    if few == many:
        return True
    if few not in many:
        return False
    words = f" {' '.join(_words(whole))} "
    return len(few) >= SHORTEST_PART or f" {' '.join(_words(part))} " in words


def _words(text: str) -> list[str]:
    return ["".join(letters) for word in text.split() if (letters := _letters(word))]


def _nearly_equal(one: str, other: str) -> bool:
    first, second = _letters(one), _letters(other)
    if max(len(first), len(second)) < SHORTEST_PART:
        return False
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= NEAR_EQUAL


def _thumbnail(frame: Frame) -> NDArray[np.float32]:
    """A frame (H, W, 3) as (64, 64) grey levels, each the mean of a rectangle, or a pixel where there are fewer."""
    grey: NDArray[np.float32] = frame.mean(axis=2, dtype=np.float32)
    for axis in (0, 1):
        size = grey.shape[axis]
        starts = np.arange(THUMB) * size // THUMB
        if size >= THUMB:
            counts = np.diff(np.append(starts, size)).astype(np.float32)
            summed = np.add.reduceat(grey, starts, axis=axis)
            grey = (summed / (counts[:, np.newaxis] if axis == 0 else counts)).astype(np.float32)
        else:
            grey = grey.take(starts, axis=axis)
    return grey


def _changes(thumbs: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) by how many grey levels ``thumbs`` (T, 64, 64) differ from ``one`` (64, 64), each in the block that differs
    most: a caption is a small part of the picture."""
    side = THUMB // BLOCK
    blocks = np.abs(thumbs - one).reshape(len(thumbs), side, BLOCK, side, BLOCK)
    most: NDArray[np.float32] = blocks.mean(axis=(2, 4)).max(axis=(1, 2))
    return most
