"""Captioned clips to train the joint space on, with the expensive half of the frame encoder computed once.

Every frame goes through the CNN's ``head`` once; the maps (C, S/16, S/16) are cached as float16, and training runs only
its ``tail`` on them. Augmentation: a photograph is stored whole, mirrored and as four corner crops, one row
each; a rendered scene as several frames.

Shapes: R rows, C channels, S pixels of each side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from deepgif.models.networks.joint import FrameEncoder
from deepgif.models.preprocess.frames import Frame, frame_of
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.data import features
from deepgif.training.data.datasets import read_captions
from deepgif.training.progress import Report

CROP = 0.82  # of the side, for corner crops
BATCH = 64
VIEWS = ("whole", "mirrored", "top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True, slots=True)
class Clip:
    """One captioned clip: the rows of its frames or views, how many of them make one example, and its texts."""

    rows: tuple[int, ...]
    pick: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Clips and the head maps (R, C, S/16, S/16) float16 of all their rows."""

    clips: tuple[Clip, ...]
    maps: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A named sequence of frames of ``size`` pixels a side that can be generated from any position, and the clips they
    belong to."""

    name: str
    count: int
    size: int
    frames: Callable[[int], Iterator[Frame]]
    clips: tuple[Clip, ...]


def photographs(data: Path, split: str, size: int, views: int = 1) -> FrameSource:
    """Flickr8k photographs with their five captions: the first ``views`` of ``VIEWS`` of each."""
    captioned = read_captions(data / "flickr8k" / f"{split}.txt").clips

    def frames(start: int) -> Iterator[Frame]:
        for row in range(start, len(captioned) * views):
            with Image.open(captioned[row // views].path) as image:
                yield _view(image.convert("RGB"), row % views, size)

    clips = tuple(
        Clip(tuple(range(index * views, (index + 1) * views)), 1, clip.captions) for index, clip in enumerate(captioned)
    )
    return FrameSource(f"flickr8k-{split}-{views}", len(captioned) * views, size, frames, clips)


def exercises(data: Path, size: int) -> FrameSource:
    """Two photographs of each exercise, the start and end of the movement, with its name and its target muscle."""
    entries = json.loads((data / "exercises" / "exercises.json").read_text(encoding="utf-8"))

    def frames(start: int) -> Iterator[Frame]:
        for row in range(start, 2 * len(entries)):
            path = data / "exercises" / "images" / f"{entries[row // 2]['id']}_{row % 2}.jpg"
            with Image.open(path) as image:
                yield _square(image, size)

    clips = tuple(Clip((2 * index, 2 * index + 1), 2, _exercise_texts(entry)) for index, entry in enumerate(entries))
    return FrameSource("exercises", 2 * len(entries), size, frames, clips)


def extract(
    source: FrameSource, network: FrameEncoder, folder: Path, on_progress: Report = lambda done, total: None
) -> ClipSet:
    """Runs every frame of ``source`` through ``network.head``; an interrupted run continues."""
    frames: Iterator[Frame] | None = None

    def compute(rows: Sequence[int]) -> NDArray[np.float16]:
        nonlocal frames
        frames = source.frames(rows[0]) if frames is None else frames  # then in order
        return head_maps(network, list(islice(frames, len(rows))))

    path = folder / f"{source.name}.npy"
    shape = (network.head_channels, source.size // 16, source.size // 16)
    maps = features.extract(range(source.count), compute, shape, path, on_progress, BATCH, np.float16)
    return ClipSet(source.clips, maps)


def head_maps(network: FrameEncoder, frames: Sequence[Frame]) -> NDArray[np.float16]:
    """(F, C, S/16, S/16) of F frames."""
    pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return network.head(pixels).contiguous().numpy().astype(np.float16)


def pooled_features(network: FrameEncoder, maps: NDArray[np.float16]) -> torch.Tensor:
    """(R, 1280) features of head maps (R, C, S/16, S/16)."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(maps), BATCH):
            batch = torch.from_numpy(maps[start : start + BATCH].astype(np.float32))
            parts.append(network.pool(network.tail(batch.contiguous(memory_format=torch.channels_last))))
    return torch.cat(parts).clone()


def _view(image: Image.Image, view: int, size: int) -> Frame:
    if view == 0:
        return _square(image, size)
    if view == 1:
        return np.ascontiguousarray(_square(image, size)[:, ::-1])
    width, height = int(image.width * CROP), int(image.height * CROP)
    left, top = (image.width - width) * ((view - 2) % 2), (image.height - height) * ((view - 2) // 2)
    crop = _square(image.crop((left, top, left + width, top + height)), size)
    return np.ascontiguousarray(crop[:, ::-1]) if view in (3, 4) else crop


def _square(picture: Image.Image, size: int) -> Frame:
    return frame_of(picture, FrameSampling(1, size))


def _exercise_texts(entry: dict[str, object]) -> tuple[str, ...]:
    name = str(entry["name"]).lower()
    equipment = entry.get("equipment")
    tool = f" with a {equipment}" if equipment not in (None, "body only", "other") else ""
    muscles = entry.get("primaryMuscles")
    muscle = str(muscles[0]) if isinstance(muscles, list) and muscles else "body"
    return (f"somebody doing a {name}", f"{name} exercise{tool}", f"a person training the {muscle}{tool}")
