"""Scenes as pixels. T frames, S pixels a side."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from deepgif.training.scenes.backdrops import backdrop, weather
from deepgif.training.scenes.cast import Cast
from deepgif.training.scenes.moves import FIRST_MOMENTS, MOVES
from deepgif.training.scenes.scene import Scene
from deepgif.training.scenes.stage import Glyphs, Stage


def render(scene: Scene, size: int, frames: int, glyphs: Glyphs, seed: int) -> NDArray[np.uint8]:
    """(T, S, S, 3) RGB: ``frames`` pictures, evenly spaced over one loop, ``size`` pixels a side.

    ``seed`` varies what a description does not say: which drawing of the subject, its size and place, the side that
    it faces, the moment it begins with, shades and props of the background. The same arguments give the same pixels."""
    rng = random.Random(seed)  # noqa: S311 - variety, not secrets
    cast = Cast(
        subject=rng.choice(scene.subject.emoji),
        object=rng.choice(scene.object.emoji) if scene.object else "",
        width=rng.uniform(0.47, 0.56),
        shift=(rng.uniform(-0.04, 0.04), rng.uniform(-0.03, 0.03)),
    )
    mirrored = rng.random() < 0.5
    start = FIRST_MOMENTS.get(scene.action.name, 0.0) + rng.random() / frames
    still = backdrop(scene.setting.name, size, glyphs, rng, mirrored)
    clip = np.empty((frames, size, size, 3), np.uint8)
    for i in range(frames):
        stage = Stage(glyphs, still.copy(), mirrored)
        t = (start + i / frames) % 1.0
        MOVES[scene.action.name](stage, cast, t)
        weather(scene.setting.name, stage, t)
        clip[i] = np.asarray(stage.image)
    return clip
