"""Captioned clips to train the joint space on, with the expensive half of the frame encoder computed once.

Every frame goes through ``MobileNetV2.head`` once; the maps (64, 14, 14) are cached as float16, and training runs only
``MobileNetV2.tail`` on them. Augmentation: a photograph is stored whole, mirrored and as four corner crops, one row
each; a rendered scene as several frames.
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

from deepgif.models.networks.mobilenet import FRAME_SIZE, MobileNetV2
from deepgif.models.preprocess.frames import Frame, frame_of
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.data import features
from deepgif.training.data.datasets import read_captions
from deepgif.training.progress import Report

HEAD_SHAPE = (64, FRAME_SIZE // 16, FRAME_SIZE // 16)
CROP = 0.82  # of the side, for corner crops
BATCH = 64


@dataclass(frozen=True, slots=True)
class Clip:
    """One captioned clip: the rows of its frames or views, how many of them make one example, and its texts."""

    rows: tuple[int, ...]
    pick: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Clips and the head maps (R, 64, 14, 14) float16 of all their rows."""

    clips: tuple[Clip, ...]
    maps: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A named sequence of frames that can be generated from any position, and the clips they belong to."""

    name: str
    count: int
    frames: Callable[[int], Iterator[Frame]]
    clips: tuple[Clip, ...]


def photographs(data: Path, split: str, *, views: bool) -> FrameSource:
    """Flickr8k photographs with their five captions; with ``views`` six views of each, else the whole picture."""
    captioned = read_captions(data / "flickr8k" / f"{split}.txt").clips
    each = len(_VIEWS) if views else 1

    def frames(start: int) -> Iterator[Frame]:
        for row in range(start, len(captioned) * each):
            with Image.open(captioned[row // each].path) as image:
                yield _view(image.convert("RGB"), row % each)

    clips = tuple(
        Clip(tuple(range(index * each, (index + 1) * each)), 1, clip.captions) for index, clip in enumerate(captioned)
    )
    return FrameSource(f"flickr8k-{split}-{each}", len(captioned) * each, frames, clips)


def exercises(data: Path) -> FrameSource:
    """Two photographs of each exercise, the start and end of the movement, with its name and its target muscle."""
    entries = json.loads((data / "exercises" / "exercises.json").read_text(encoding="utf-8"))

    def frames(start: int) -> Iterator[Frame]:
        for row in range(start, 2 * len(entries)):
            path = data / "exercises" / "images" / f"{entries[row // 2]['id']}_{row % 2}.jpg"
            with Image.open(path) as image:
                yield _square(image)

    clips = tuple(Clip((2 * index, 2 * index + 1), 2, _exercise_texts(entry)) for index, entry in enumerate(entries))
    return FrameSource("exercises", 2 * len(entries), frames, clips)


def extract(
    source: FrameSource, network: MobileNetV2, folder: Path, on_progress: Report = lambda done, total: None
) -> ClipSet:
    """Runs every frame of ``source`` through ``network.head``; an interrupted run continues."""
    frames: Iterator[Frame] | None = None

    def compute(rows: Sequence[int]) -> NDArray[np.float16]:
        nonlocal frames
        frames = source.frames(rows[0]) if frames is None else frames  # then in order
        return head_maps(network, list(islice(frames, len(rows))))

    path = folder / f"{source.name}.npy"
    maps = features.extract(range(source.count), compute, HEAD_SHAPE, path, on_progress, BATCH, np.float16)
    return ClipSet(source.clips, maps)


def head_maps(network: MobileNetV2, frames: Sequence[Frame]) -> NDArray[np.float16]:
    """(F, 64, 14, 14) of F frames."""
    pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return network.head(pixels).contiguous().numpy().astype(np.float16)


def pooled_features(network: MobileNetV2, maps: NDArray[np.float16]) -> torch.Tensor:
    """(R, 1280) features of head maps (R, 64, 14, 14)."""
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
