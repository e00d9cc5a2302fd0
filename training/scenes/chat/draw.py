"""A GIF of the catalogue as pixels. T frames, S pixels a side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgif.training.scenes.chat.effects import EFFECTS
from deepgif.training.scenes.chat.grounds import ground
from deepgif.training.scenes.chat.lettering import Letters
from deepgif.training.scenes.chat.motion import pose
from deepgif.training.scenes.chat.table import Actor, Item
from deepgif.training.scenes.stage import Glyphs, Stage

_LIFT = 0.06


def draw(item: Item, size: int, frames: int, glyphs: Glyphs, letters: Letters) -> NDArray[np.uint8]:
    """(T, S, S, 3) RGB: ``frames`` pictures, evenly spaced over one loop, ``size`` pixels a side."""
    still = ground(item.back, size, glyphs)
    lift = 0.0  # makes room for a second line
    if item.caption and letters.lines_of(item.caption, size) > 1:
        lift = _LIFT if item.caption_on_top else -_LIFT
    clip = np.empty((frames, size, size, 3), np.uint8)
    for index in range(frames):
        stage = Stage(glyphs, still.copy())
        t = index / frames
        for layer in item.layers:
            if isinstance(layer, Actor):
                _act(stage, replace(layer, at=(layer.at[0], layer.at[1] + lift)), t, letters)
            else:
                EFFECTS[layer.name](stage, layer, t)
        if item.bubble:
            letters.bubble(stage.image, item.bubble.words, item.bubble.at, item.bubble.to_left)
        if item.caption:
            letters.caption(stage.image, item.caption, item.caption_on_top)
        clip[index] = np.asarray(stage.image)
    return clip


def _act(stage: Stage, actor: Actor, t: float, letters: Letters) -> None:
    face = actor.faces[int(t * len(actor.faces))]
    now = pose(actor.motions, t)
    at = (actor.at[0] + now.x + now.wide * actor.width, actor.at[1] + now.y + now.high * actor.width)
    angle = actor.angle + now.angle
    if actor.lettering is None:
        stage.put(face, at, actor.width * now.scale, angle, now.opacity, now.stretch, actor.flipped)
        return
    sprite = letters.sprite(face, round(actor.width * stage.side), actor.lettering)
    wide, high = (
        max(1, round(pixels * now.scale * factor)) for pixels, factor in zip(sprite.size, now.stretch, strict=True)
    )
    if (wide, high) != sprite.size:
        sprite = sprite.resize((wide, high), Image.Resampling.BICUBIC)
    if angle % 360:
        sprite = sprite.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    mask = sprite.getchannel("A").point([round(value * now.opacity) for value in range(256)])
    x, y = stage.pixel(at)
    stage.image.paste(sprite, (round(x - sprite.width / 2), round(y - sprite.height / 2)), mask)
