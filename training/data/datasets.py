"""Described pictures and clips to judge a model with, read from disk."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgif.models.preprocess.frames import frame_of
from deepgif.models.preprocess.sampling import FrameSampling

Clip = NDArray[np.uint8]  # (T, S, S, 3)
VIDEOS = (".avi", ".mp4", ".webm", ".mkv")


class DatasetError(Exception):
    """A data set is missing or incomplete; the text says what to put where."""


@dataclass(frozen=True, slots=True)
class DescribedFiles:
    """Files, and sentences that each describe one of them (``file_of_sentence`` is a position in ``files``)."""

    name: str
    files: tuple[Path, ...]
    sentences: tuple[str, ...]
    file_of_sentence: tuple[int, ...]

    def clips(self, sampling: FrameSampling) -> Iterator[Clip]:
        """Every file as a clip, in order. The files are trusted: nothing is limited."""
        for path in self.files:
            yield read_clip(path, sampling)


def read_described(path: Path) -> DescribedFiles:
    """A data set given by the path of its sentences:

    - ``.csv`` with the columns ``file`` (or ``image``) and ``sentence`` (or ``caption``); the files lie beside it, or
      below ``images/`` there;
    - ``.txt`` (as in Flickr8k: ``train.txt``, ``dev.txt``) with one file name a line, beside ``captions.csv``.

    Raises ``DatasetError`` with a clear word where something is missing.
    """
    table = path if path.suffix == ".csv" else path.parent / "captions.csv"
    for needed in (path, table):
        if not needed.is_file():
            raise DatasetError(f"{needed} is missing: give the path of a CSV of files and sentences, or of a split.")
    wanted = set(path.read_text(encoding="utf-8").split()) if path.suffix != ".csv" else None
    positions: dict[str, int] = {}
    sentences: list[str] = []
    owners: list[int] = []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name, sentence = row.get("file") or row.get("image"), row.get("sentence") or row.get("caption")
            if not name or not sentence:
                raise DatasetError(f"{table} needs the columns file and sentence (or image and caption).")
            if wanted is None or name in wanted:
                owners.append(positions.setdefault(name, len(positions)))
                sentences.append(sentence.strip())
    files = tuple(_locate(table.parent, name) for name in positions)
    if not files:
        raise DatasetError(f"{path} describes no file.")
    return DescribedFiles(f"{path.parent.name}/{path.stem}", files, tuple(sentences), tuple(owners))


def read_clip(path: Path, sampling: FrameSampling) -> Clip:
    """(T, S, S, 3): evenly spaced frames of an animation or a video, or the one frame of a picture."""
    frames: Sequence[NDArray[np.uint8]]
    if path.suffix.lower() in VIDEOS:
        frames = list(iio.imiter(path, plugin="pyav"))
    else:
        frames = list(iio.imread(path, plugin="pillow", index=..., mode="RGBA"))  # type: ignore[arg-type]
    chosen = sampling.choose([1] * len(frames))
    return np.stack([frame_of(Image.fromarray(frames[index]), sampling) for index in chosen])


def pan(path: Path, sampling: FrameSampling) -> Clip:
    """(T, S, S, 3): a photograph as a clip, the view moving from its top left to its bottom right and in."""
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


def _locate(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / "images" / name):
        if path.is_file():
            return path
    raise DatasetError(f"{name} is described but is not in {folder} or {folder / 'images'}.")
