"""Described clips to learn the joint space from, with the costly half of the frame encoder computed once.

Every frame goes through ``EfficientNetLite.head`` once; the maps (80, 12, 12) are kept as float16 on disk, and
training runs only ``EfficientNetLite.tail`` on them. Variety comes from the views: a photograph is kept whole, mirrored
and as four corner crops, each a row of its own; a rendered scene as several frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from deepgif.models.networks.efficientnet import FRAME_SIZE, TAIL_CHANNELS
from deepgif.models.networks.joint import FrameEncoder
from deepgif.models.preprocess.frames import Frame, frame_of
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.small.corpus import read_captions

HEAD_SHAPE = (TAIL_CHANNELS, FRAME_SIZE // 16, FRAME_SIZE // 16)
CROP = 0.82  # of the side, for corner crops
BATCH = 64

Progress = Callable[[int, int], None]  # done, total


@dataclass(frozen=True, slots=True)
class Clip:
    """One described clip: the rows of its frames or views, how many of them make one example, and its texts."""

    rows: tuple[int, ...]
    pick: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Clips and the head maps (R, 80, 12, 12) float16 of all their rows."""

    clips: tuple[Clip, ...]
    maps: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A named sequence of frames that can be made again from any position, and the clips they belong to."""

    name: str
    count: int
    frames: Callable[[int], Iterator[Frame]]
    clips: tuple[Clip, ...]


def photographs(data: Path, split: str, each: int) -> FrameSource:
    """Flickr8k photographs with their five sentences; the first ``each`` of six views, of which one is the whole
    picture and two is its mirror image too."""
    captions = read_captions(data, split)
    names = list(captions)

    def frames(start: int) -> Iterator[Frame]:
        for row in range(start, len(names) * each):
            with Image.open(data / "flickr8k" / "images" / names[row // each]) as image:
                yield _view(image.convert("RGB"), row % each)

    clips = tuple(
        Clip(tuple(range(index * each, (index + 1) * each)), 1, tuple(captions[name]))
        for index, name in enumerate(names)
    )
    return FrameSource(f"flickr8k-{split}-{each}", len(names) * each, frames, clips)


def exercises(data: Path) -> FrameSource:
    """Two photographs of each exercise, start and end of the movement, with its name and what it works on."""
    entries = json.loads((data / "exercises" / "exercises.json").read_text(encoding="utf-8"))

    def frames(start: int) -> Iterator[Frame]:
        for row in range(start, 2 * len(entries)):
            path = data / "exercises" / "images" / f"{entries[row // 2]['id']}_{row % 2}.jpg"
            with Image.open(path) as image:
                yield _square(image)

    clips = tuple(Clip((2 * index, 2 * index + 1), 2, _exercise_texts(entry)) for index, entry in enumerate(entries))
    return FrameSource("exercises", 2 * len(entries), frames, clips)


def extract(
    source: FrameSource, network: FrameEncoder, folder: Path, on_progress: Progress = lambda done, total: None
) -> ClipSet:
    """Runs every frame of ``source`` through ``network.head``; goes on where a stopped run ended."""
    folder.mkdir(parents=True, exist_ok=True)
    path, mark = folder / f"{source.name}.f16", folder / f"{source.name}.done"
    shape = (source.count, *HEAD_SHAPE)
    done = int(mark.read_text()) if mark.exists() else 0
    maps: NDArray[np.float16] = np.memmap(path, np.float16, "r+" if path.exists() else "w+", shape=shape)
    frames = source.frames(done)
    while done < source.count:
        batch = [frame for _, frame in zip(range(BATCH), frames, strict=False)]
        maps[done : done + len(batch)] = head_maps(network, batch)
        done += len(batch)
        if done % (BATCH * 16) == 0 or done == source.count:
            maps.flush()  # type: ignore[attr-defined]  # a memmap
            mark.write_text(str(done))
        on_progress(done, source.count)
    return ClipSet(source.clips, maps)


def head_maps(network: FrameEncoder, frames: Sequence[Frame]) -> NDArray[np.float16]:
    """(F, 80, 12, 12) of F frames."""
    pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return network.head(pixels).contiguous().numpy().astype(np.float16)


def pooled_features(network: FrameEncoder, maps: NDArray[np.float16]) -> torch.Tensor:
    """(R, 1280) features of head maps (R, 80, 12, 12)."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(maps), BATCH):
            batch = torch.from_numpy(maps[start : start + BATCH].astype(np.float32))
            parts.append(network.pool(network.tail(batch.contiguous(memory_format=torch.channels_last))))
    return torch.cat(parts).clone()


_VIEWS = ("whole", "mirrored", "top left", "top right", "bottom left", "bottom right")


def _view(image: Image.Image, view: int) -> Frame:
    if view == 0:
        return _square(image)
    if view == 1:
        return np.ascontiguousarray(_square(image)[:, ::-1])
    width, height = int(image.width * CROP), int(image.height * CROP)
    left, top = (image.width - width) * ((view - 2) % 2), (image.height - height) * ((view - 2) // 2)
    crop = _square(image.crop((left, top, left + width, top + height)))
    return np.ascontiguousarray(crop[:, ::-1]) if view in (3, 4) else crop


def _square(picture: Image.Image) -> Frame:
    return frame_of(picture, FrameSampling(1, FRAME_SIZE))


def _exercise_texts(entry: dict[str, object]) -> tuple[str, ...]:
    name = str(entry["name"]).lower()
    equipment = entry.get("equipment")
    tool = f" with a {equipment}" if equipment not in (None, "body only", "other") else ""
    muscles = entry.get("primaryMuscles")
    muscle = str(muscles[0]) if isinstance(muscles, list) and muscles else "body"
    return (f"somebody doing a {name}", f"{name} exercise{tool}", f"a person training the {muscle}{tool}")
