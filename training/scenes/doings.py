"""Feelings, and actions with something in hand.

``t`` runs over [0, 1) and loops. Everything faces and moves to the left (``Stage`` mirrors it where wanted).
"""

from __future__ import annotations

import math

from deepgif.training.scenes.backdrops import confetti
from deepgif.training.scenes.cast import Cast, hop, rays, rising, wave
from deepgif.training.scenes.stage import Stage


def dance(stage: Stage, cast: Cast, t: float) -> None:
    step = wave(t)
    cast.act(stage, (0.5 + 0.1 * step, 0.58 - 0.06 * abs(step)), angle=-20 * step)
    for i, (x, note) in enumerate(((0.14, "🎵"), (0.86, "🎶"), (0.24, "🎶"), (0.78, "🎵"))):
        rise = rising(t, i, 4)
        stage.put(note, (x + 0.03 * wave(t, 2), 0.75 - 0.65 * rise), 0.19)


def sleep(stage: Stage, cast: Cast, t: float) -> None:
    breath = 1.0 + 0.05 * wave(t)
    cast.act(stage, (0.46, 0.66), angle=80, stretch=(1.0, breath))
    for i in range(3):
        rise = rising(t, i, 3)
        cast.prop(stage, "💤", (0.6 + 0.22 * rise, 0.46 - 0.38 * rise), 0.14 + 0.14 * rise)


def love(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.5, 0.58), 1.0 + 0.05 * wave(t, 2), angle=5 * wave(t))
    for i, x in enumerate((0.12, 0.88, 0.3, 0.7, 0.5)):
        rise = rising(t * 1.0, 2 * i % 5, 5)
        stage.put("💕" if i % 2 else "❤", (x + 0.02 * wave(t + i / 5), 0.85 - 0.8 * rise), 0.12 + 0.1 * rise)


def cry(stage: Stage, cast: Cast, t: float) -> None:
    puddle = (0.36, 0.05)
    stage.ellipse((0.5, 0.92), puddle, (110, 180, 240))
    cast.act(stage, (0.5, 0.56 + 0.01 * wave(t, 4)), angle=3 * wave(t, 2))
    for i in range(6):
        fall = rising(t, i, 6)
        for side in (-1, 1):
            stage.put("💧", (0.5 + cast.shift[0] + side * (0.13 + 0.22 * fall), 0.46 + 0.46 * fall * fall), 0.13)


def laugh(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.5, 0.6 + 0.025 * wave(t, 4)), angle=14 * wave(t, 2))
    for i, (x, y) in enumerate(((0.18, 0.2), (0.82, 0.16), (0.5, 0.1))):
        jump = 0.035 * wave(t + i / 3, 2)
        stage.write("HA", (x, y + jump), 0.15 + 0.03 * wave(t + i / 3), (225, 40, 60))
    stage.put("😂", (0.13, 0.8 - 0.04 * wave(t, 2)), 0.15)
    stage.put("😂", (0.87, 0.8 + 0.04 * wave(t, 2)), 0.15)


def rage(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.5 + 0.015 * wave(t, 4), 0.6), 1.0 + 0.03 * wave(t, 2))
    cast.prop(stage, "💢", (0.72, 0.24), 0.26 + 0.06 * wave(t, 2))
    cast.prop(stage, "💢", (0.2, 0.3), 0.18 - 0.05 * wave(t, 2))
    for side in (-1, 1):
        puff = rising(t * 2, 0, 1)
        at = (0.5 + cast.shift[0] + side * (0.26 + 0.14 * puff), 0.5 - 0.06 * puff)
        stage.put("💨", at, 0.16 + 0.06 * puff, flipped=side > 0)


def celebrate(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.5, 0.62 - 0.12 * abs(wave(t))), angle=6 * wave(t, 2))
    stage.put("🎉", (0.13, 0.82), 0.24, flipped=False)
    stage.put("🎉", (0.87, 0.82), 0.24, flipped=True)
    confetti(stage, t)


def idea(stage: Stage, cast: Cast, t: float) -> None:
    lit = t >= 0.35
    centre = (0.5 + cast.shift[0], 0.2 + cast.shift[1])
    if lit:
        rays(stage, centre, 0.21, 0.3, t)
    cast.act(stage, (0.5, 0.65 - (0.03 * abs(wave(t, 2)) if lit else 0.0)), 0.94)
    cast.prop(stage, "💡", (0.5, 0.2), 0.3 if lit else 0.22, opacity=1.0 if lit else 0.45)


def rich(stage: Stage, cast: Cast, t: float) -> None:
    columns = (0.08, 0.27, 0.5, 0.73, 0.92)
    for i, x in enumerate(columns):
        fall = rising(t, 2 * i % 5, 5)
        stage.put("💸" if i % 2 else "💵", (x, fall * 1.2 - 0.1), 0.2, angle=20 * wave(t + i / 5))
    cast.act(stage, (0.5, 0.6 - 0.03 * abs(wave(t))), 0.94)
    stage.put("💰", (0.16, 0.85), 0.24)
    stage.put("💰", (0.84, 0.85), 0.24)
    stage.put("💵", (0.5 + 0.03 * wave(t), (0.3 + t) % 1.0), 0.18, angle=-15)


def greet(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.44, 0.6), angle=4 * wave(t))
    cast.prop(stage, "👋", (0.78, 0.36), 0.34, angle=24 * wave(t, 2))


def read(stage: Stage, cast: Cast, t: float) -> None:
    nod = wave(t)
    cast.act(stage, (0.5, 0.48 + 0.015 * nod), angle=5 * nod)
    cast.prop(stage, "📖", (0.46, 0.8 + 0.012 * nod), 0.44, angle=3 * nod)


def drink(stage: Stage, cast: Cast, t: float) -> None:
    sip = (1 - math.cos(2 * math.pi * t)) / 2
    cast.act(stage, (0.58, 0.55), angle=-7 * sip)
    cast.prop(stage, "☕", (0.25 + 0.06 * sip, 0.78 - 0.13 * sip), 0.34, angle=-14 * sip)


def strum(stage: Stage, cast: Cast, t: float) -> None:
    beat = wave(t, 2)
    cast.act(stage, (0.52, 0.54), angle=6 * wave(t))
    cast.prop(stage, "🎸", (0.46, 0.74), 0.46, angle=9 * beat)
    for i, x in enumerate((0.12, 0.88)):
        stage.put("🎵", (x, 0.6 - 0.5 * rising(t, i, 2)), 0.16)


def kick(stage: Stage, cast: Cast, t: float) -> None:
    height = hop(t)
    cast.act(stage, (0.64, 0.58), angle=-14 * max(0.0, 1 - 5 * min(t, 1 - t)))
    stage.put("⚽", (0.2 - 0.04 * wave(t), 0.8 - 0.55 * height), 0.25, angle=360 * t)


def photograph(stage: Stage, cast: Cast, t: float) -> None:
    flash = 0.5 < t < 0.75
    cast.act(stage, (0.56, 0.56))
    cast.prop(stage, "📸" if flash else "📷", (0.34, 0.68), 0.29, angle=3 * wave(t))
    if flash:
        stage.put("✨", (0.15 + cast.shift[0], 0.5), 0.3)


def work(stage: Stage, cast: Cast, t: float) -> None:
    stage.box((0.08, 0.86), (0.92, 0.92), (150, 96, 56))
    cast.act(stage, (0.58, 0.54 + 0.015 * wave(t, 2)), angle=3 * wave(t))
    stage.put("💻", (0.34, 0.72 + 0.01 * wave(t, 4)), 0.42)


def sing(stage: Stage, cast: Cast, t: float) -> None:
    swell = wave(t, 2)
    cast.act(stage, (0.6, 0.57), 1.0 + 0.05 * swell, angle=6 * wave(t))
    cast.prop(stage, "🎤", (0.28, 0.72), 0.32, angle=-80 + 6 * swell)
    for i in range(3):
        rise = rising(t, i, 3)
        stage.put("🎵" if i % 2 else "🎶", (0.3 - 0.2 * rise, 0.5 - 0.42 * rise), 0.12 + 0.08 * rise)


def win(stage: Stage, cast: Cast, t: float) -> None:
    lift = 0.04 * abs(wave(t))
    cast.act(stage, (0.5, 0.66 - lift), 0.94)
    cast.prop(stage, "🏆", (0.5, 0.24 - 2 * lift), 0.38, angle=6 * wave(t))
    for i, at in enumerate(((0.17, 0.22), (0.84, 0.3), (0.14, 0.56), (0.87, 0.62))):
        stage.put("✨", at, 0.11 + 0.07 * wave(t + i / 4))


def dream(stage: Stage, cast: Cast, t: float) -> None:
    cast.act(stage, (0.66, 0.7), 0.88, angle=3 * wave(t))
    drift = 0.012 * wave(t)
    stage.ellipse((0.36, 0.28 + drift), (0.33, 0.25), (255, 255, 255))
    stage.ellipse((0.5, 0.56 + drift), (0.045, 0.04), (255, 255, 255))
    stage.ellipse((0.57, 0.63 + drift / 2), (0.026, 0.024), (255, 255, 255))
    stage.put(cast.object, (0.36, 0.28 + drift), 0.34 + 0.03 * wave(t), angle=6 * wave(t))


def glow(stage: Stage, cast: Cast, t: float) -> None:
    centre = (0.5 + cast.shift[0], 0.54 + cast.shift[1])
    stage.ellipse(centre, (0.36 + 0.03 * wave(t), 0.36 + 0.03 * wave(t)), (255, 240, 150))
    rays(stage, centre, 0.3, 0.5 + 0.03 * wave(t), t)
    cast.act(stage, (0.5, 0.54))
    for i, at in enumerate(((0.22, 0.24), (0.8, 0.28), (0.76, 0.8))):
        stage.put("✨", at, 0.13 + 0.05 * wave(t + i / 3))
