"""Rendered training scenes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from deepgif.models.preprocess.frames import Frame
from deepgif.training.scenes.render import render
from deepgif.training.scenes.scene import describe, sample_scenes, title
from deepgif.training.scenes.stage import Glyphs
from deepgif.training.small.clips import Clip, FrameSource

FRAMES = 4  # rendered of each scene
PICK = 2  # of them, for one example
DESCRIPTIONS = 8


def rendered_scenes(count: int, seed: int, font: Path, size: int) -> FrameSource:
    """``count`` different scenes, four frames of ``size`` pixels a side and nine texts each."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    scenes = sample_scenes(rng, count)
    clips = tuple(
        Clip(
            rows=tuple(range(index * FRAMES, (index + 1) * FRAMES)),
            pick=PICK,
            texts=(title(scene), *(describe(scene, rng) for _ in range(DESCRIPTIONS))),
        )
        for index, scene in enumerate(scenes)
    )

    def frames(start: int) -> Iterator[Frame]:
        glyphs = Glyphs(font)
        for index in range(start // FRAMES, count):
            drawn = render(scenes[index], size, FRAMES, glyphs, seed=index)
            yield from drawn[max(0, start - index * FRAMES) :]

    return FrameSource(f"sampled-scenes-{count}-{seed}", count * FRAMES, size, frames, clips)
