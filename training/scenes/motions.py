"""Actions of the whole body, alone or with a second noun.

``t`` runs over [0, 1) and loops. Everything faces and moves to the left (``Stage`` mirrors it where wanted).
"""

from __future__ import annotations

import math

from deepgif.training.scenes.cast import Cast, hop, rising, wave
from deepgif.training.scenes.stage import Stage

_GROUND = 0.88


def jump(stage: Stage, cast: Cast, t: float) -> None:
    stage.put(cast.object, (0.5, 0.76), 0.34)
    cast.act(stage, (0.86 - 0.72 * t, 0.66 - 0.42 * hop(t)), 0.92, angle=50 * (t - 0.5))


def fall(stage: Stage, cast: Cast, t: float) -> None:
    stage.put(cast.object, (0.74, 0.66), 0.5)
    fall = max(0.0, t - 0.25) / 0.75
    cast.act(stage, (0.68 - 0.42 * min(1.0, t * 1.4), 0.26 + 0.48 * fall * fall), 0.84, angle=200 * fall)


def spin(stage: Stage, cast: Cast, t: float) -> None:
    stage.put("🌀", (0.5 + cast.shift[0], 0.54 + cast.shift[1]), cast.width * 1.5, angle=720 * t, opacity=0.45)
    cast.act(stage, (0.5, 0.54), angle=360 * t)


def chase(stage: Stage, cast: Cast, t: float) -> None:
    step = abs(wave(t, 2))
    stage.put(cast.object, (0.19 + 0.05 * wave(t), 0.68 - 0.08 * abs(wave(t + 0.1, 2))), 0.31)
    cast.act(stage, (0.66 + 0.03 * wave(t + 0.3), 0.62 - 0.07 * step), 0.94, angle=6 * wave(t, 2))
    stage.put("💨", (0.93 - 0.04 * step, 0.83), 0.18, opacity=0.9)


def run_from(stage: Stage, cast: Cast, t: float) -> None:
    step = abs(wave(t, 2))
    stage.put(cast.object, (0.79 + 0.04 * wave(t), 0.55 - 0.05 * abs(wave(t + 0.1, 2))), 0.42)
    cast.act(stage, (0.31 + 0.03 * wave(t + 0.3), 0.66 - 0.08 * step), 0.84, angle=10 + 6 * wave(t, 2))
    cast.prop(stage, "💦", (0.5, 0.42 - 0.07 * step), 0.17, angle=-90)


def eat(stage: Stage, cast: Cast, t: float) -> None:
    left = 1.0 - math.floor(t * 4) / 4 * 0.75
    cast.act(stage, (0.62, 0.56), 1.06, stretch=(1.0, 1.0 + 0.07 * wave(t, 4)), angle=5 * wave(t, 4))
    x = 0.23 + 0.09 * t + 0.02 * wave(t, 4)
    cast.prop(stage, cast.object, (x, 0.66), 0.34 * left)
    for i in range(5):
        fall = (4 * t + i / 5) % 1.0
        stage.ellipse((x + 0.12 - 0.05 * i, 0.72 + 0.2 * fall), (0.012, 0.012), (190, 130, 70))


def fly(stage: Stage, cast: Cast, t: float) -> None:
    beat, y = 28 * wave(t, 2), 0.46 + 0.07 * wave(t)
    for i in range(2):
        stage.put("☁", ((rising(t, i, 2) * 1.5 - 0.25), 0.82 + 0.08 * i), 0.3)
    wing = cast.width * 0.8
    place = (cast.shift[0], y - 0.12 + cast.shift[1])
    stage.put("🪽", (0.5 - 0.29 + place[0], place[1]), wing, angle=-beat)
    stage.put("🪽", (0.5 + 0.29 + place[0], place[1]), wing, angle=beat, flipped=True)
    cast.act(stage, (0.5, y), 0.9)


def take_off(stage: Stage, cast: Cast, t: float) -> None:
    y = 0.72 - 0.5 * t * t
    for i in range(5):
        side = (i - 2) * (0.05 + 0.08 * t)
        stage.put("☁", (0.5 + cast.shift[0] + side, 0.93 - 0.02 * (i % 2)), 0.2 + 0.1 * t)
    cast.prop(stage, "🔥", (0.5, y + 0.3), 0.26 + 0.03 * wave(t, 4), angle=180)
    cast.act(stage, (0.5 + 0.01 * wave(t, 5), y), 0.98)


def explode(stage: Stage, cast: Cast, t: float) -> None:
    if t < 0.3:
        cast.act(stage, (0.5 + 0.03 * wave(t, 10), 0.55), 1.0 + 0.5 * t)
        stage.put("💥", (0.5 + cast.shift[0], 0.2), 0.1 + 0.5 * t)
        return
    blast = (t - 0.3) / 0.7
    stage.put("💥", (0.5, 0.52), 0.6 + 0.45 * blast, angle=30 * blast)
    cast.act(stage, (0.5, 0.52), 1.0 - 0.3 * blast, angle=50 * blast)
    for i in range(6):
        turn = i * math.pi / 3 + 0.4
        far = 0.2 + 0.3 * blast
        stage.put("🔥", (0.5 + far * math.cos(turn), 0.52 + far * math.sin(turn)), 0.13)


def grow(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.5, 0.58 - 0.05 * t), 0.3 + 1.5 * t)


def tremble(stage: Stage, cast: Cast, t: float) -> None:
    shift = 0.045 * wave(t + 0.06, 5)
    for ghost in (-0.08, 0.08):
        cast.act(stage, (0.5 + ghost + shift, 0.56), opacity=0.35)
    cast.act(stage, (0.5 + shift, 0.56), angle=60 * shift)
    for i in range(3):
        y = 0.36 + 0.18 * i + cast.shift[1]
        for x, way in ((0.13 + shift, -0.025), (0.87 + shift, 0.025)):
            stage.line((x, y), (x + way, y + 0.045), 0.014, (90, 90, 110))
            stage.line((x + way, y + 0.045), (x, y + 0.09), 0.014, (90, 90, 110))


def bounce(stage: Stage, cast: Cast, t: float) -> None:
    height = hop((t * 2) % 1.0)
    flat = max(0.0, 0.35 - height)
    stage.ellipse((0.5 + cast.shift[0], _GROUND + 0.03), (0.26 - 0.12 * height, 0.025), (70, 70, 80))
    y = _GROUND - cast.width / 2 * (1 - flat) - 0.32 * height
    stage.put(cast.subject, (0.5 + cast.shift[0], y), cast.width, stretch=(1.0 + flat, 1.0 - flat))


def roll(stage: Stage, cast: Cast, t: float) -> None:
    x = 1.1 - 1.2 * t
    stage.ellipse((x, _GROUND + 0.02), (0.2, 0.025), (70, 70, 80))
    cast.act(stage, (x, 0.62), 0.96, angle=360 * t)
    for i in range(3):
        y = 0.45 + 0.14 * i
        stage.line((x + 0.32, y), (x + 0.46, y), 0.015, (240, 240, 240))


def hide(stage: Stage, cast: Cast, t: float) -> None:
    out = 0.6 + 0.4 * wave(t)
    cast.act(stage, (0.58 - 0.3 * out, 0.58), 0.9, angle=16 * out)
    stage.put(cast.object, (0.68, 0.58), 0.64)


def speed(stage: Stage, cast: Cast, t: float) -> None:
    x = 1.2 - 1.4 * t
    for i in range(5):
        y = 0.42 + 0.1 * i
        stage.line((x + 0.25, y), (x + 0.42 + 0.08 * (i % 2), y), 0.016, (245, 245, 245))
    stage.put("💨", (x + 0.38, 0.76), 0.24)
    stage.put("💨", (x + 0.56, 0.8), 0.18, opacity=0.7)
    cast.act(stage, (x, 0.62 - 0.02 * abs(wave(t, 3))), 1.04, stretch=(1.12, 0.94))


def kiss(stage: Stage, cast: Cast, t: float) -> None:
    near = (1 - math.cos(2 * math.pi * t)) / 2
    stage.put(cast.object, (0.16 + 0.07 * near, 0.62), 0.4, angle=-8 * near, flipped=True)
    cast.act(stage, (0.76 - 0.1 * near, 0.6), 0.9, angle=8 * near)
    heart = 0.1 + 0.2 * near
    stage.put("❤", (0.42, 0.36 - 0.14 * near), heart)
    stage.put("💋", (0.6, 0.22), 0.14 * near + 0.04)


def give(stage: Stage, cast: Cast, t: float) -> None:
    near = (1 - math.cos(2 * math.pi * t)) / 2
    stage.put(cast.object, (0.18, 0.6 - 0.05 * near), 0.38, flipped=True)
    cast.act(stage, (0.76, 0.56), 0.88, angle=6 * near)
    stage.put("🎁", (0.52 - 0.18 * near, 0.78 - 0.05 * near), 0.28)
    stage.put("✨", (0.3, 0.26), 0.08 + 0.14 * near)


def ride(stage: Stage, cast: Cast, t: float) -> None:
    x, bump = 0.5 + 0.14 * wave(t), 0.025 * abs(wave(t, 3))
    stage.put("💨", (x + 0.38, 0.84), 0.16, opacity=0.85)
    stage.put(cast.object, (x, 0.76 - bump), 0.46)
    cast.act(stage, (x + 0.02, 0.37 - 2 * bump), 0.84, angle=8 * wave(t + 0.25))


def freeze(stage: Stage, cast: Cast, t: float) -> None:
    ice = min(1.0, 0.35 + t * 1.3)
    shiver = 0.015 * wave(t, 5) if ice < 1.0 else 0.0
    cast.act(stage, (0.5 + shiver, 0.56))
    top = 0.9 - 0.68 * ice
    left, right = 0.2 + cast.shift[0], 0.8 + cast.shift[0]
    stage.veil((left, top), (right, 0.9), (90, 185, 250), 0.5)
    stage.line((left + 0.06, top + 0.08), (left + 0.06, top + 0.08 + 0.2 * ice), 0.022, (245, 252, 255))
    stage.line((right - 0.08, 0.84), (right - 0.08, 0.84 - 0.2 * ice), 0.022, (245, 252, 255))
    for i, at in enumerate(((0.1, 0.24), (0.9, 0.2), (0.12, 0.74), (0.9, 0.7))):
        stage.put("❄", at, 0.13, angle=60 * t + 20 * i)


def burn(stage: Stage, cast: Cast, t: float) -> None:
    for i, x in enumerate((0.22, 0.4, 0.6, 0.78)):
        height = 1.15 + 0.25 * wave(t + i / 4, 2)
        stage.put("🔥", (x + cast.shift[0], 0.5 - 0.12 * height), 0.36, stretch=(1.0, height))
    cast.act(stage, (0.5 + 0.01 * wave(t, 4), 0.57))
    for i, x in enumerate((0.26, 0.5, 0.74)):
        height = 1.0 + 0.2 * wave(t + i / 3, 2)
        stage.put("🔥", (x + cast.shift[0], 0.86 - 0.08 * height), 0.25, stretch=(1.0, height))


def appear(stage: Stage, cast: Cast, t: float) -> None:
    up = min(1.0, t / 0.5)
    y = 1.25 - 0.7 * math.sin(up * math.pi / 2)
    if up == 1.0:
        for i in range(8):
            turn = 2 * math.pi * (i + 0.5) / 8
            at, far = (0.5 + cast.shift[0], y + cast.shift[1]), 0.32 + 0.16 * (t - 0.5)
            start = (at[0] + far * math.cos(turn), at[1] + far * math.sin(turn))
            end = (at[0] + (far + 0.1) * math.cos(turn), at[1] + (far + 0.1) * math.sin(turn))
            stage.line(start, end, 0.018, (255, 120, 60))
    cast.act(stage, (0.5, y), 1.08 if up == 1.0 else 0.98)
