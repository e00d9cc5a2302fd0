"""How an emoji moves: each motion is a function of the time t in [0, 1) of a loop, and motions add up.

Loops begin (t = 0) with the pose that says most: what enters has arrived, and leaves and comes back at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_SETTLED = 0.62  # the share of a loop in which what enters stays


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an emoji is drawn relative to its place: moved by (x, y) shares of the picture and by (wide, high) times
    its own width, turned by ``angle`` degrees (counter-clockwise), scaled, stretched, and see-through."""

    x: float = 0.0
    y: float = 0.0
    wide: float = 0.0
    high: float = 0.0
    angle: float = 0.0
    scale: float = 1.0
    stretch: tuple[float, float] = (1.0, 1.0)
    opacity: float = 1.0

    def __add__(self, other: Pose) -> Pose:
        return Pose(
            self.x + other.x,
            self.y + other.y,
            self.wide + other.wide,
            self.high + other.high,
            self.angle + other.angle,
            self.scale * other.scale,
            (self.stretch[0] * other.stretch[0], self.stretch[1] * other.stretch[1]),
            self.opacity * other.opacity,
        )


Motion = Callable[[float], Pose]


def wave(t: float) -> float:
    """A sine of one period."""
    return math.sin(2 * math.pi * t)


def ease(t: float) -> float:
    """From 0 to 1, slow at both ends."""
    return (1 - math.cos(math.pi * min(1.0, max(0.0, t)))) / 2


def back(t: float) -> float:
    """From 0 to 1 and a little beyond on the way (Penner's easeOutBack)."""
    left = min(1.0, max(0.0, t)) - 1
    return 1 + 2.7 * left**3 + 1.7 * left**2


def _bounce_out(t: float) -> float:
    """From 0 to 1 as a dropped ball: it comes up again twice, less each time."""
    if t < 0.55:
        return (t / 0.55) ** 2
    if t < 0.83:
        return 1 - 0.25 * (1 - ((t - 0.69) / 0.14) ** 2)
    return 1 - 0.06 * max(0.0, 1 - ((t - 0.915) / 0.085) ** 2)


def _entry(t: float) -> tuple[float, float]:
    """How far something has left and how far it has come back, each in [0, 1]."""
    leave, enter = 0.12, 0.26
    if t < _SETTLED:
        return 0.0, 1.0
    if t < _SETTLED + leave:
        return (t - _SETTLED) / leave, 0.0
    return 0.0, min(1.0, (t - _SETTLED - leave) / enter)


def _pivoted(angle: float, top: bool = False) -> Pose:
    """A turn about the middle of the lower edge, or of the upper one."""
    radians = math.radians(angle)
    side = -0.5 if top else 0.5
    return Pose(wide=-side * math.sin(radians), high=side * (1 - math.cos(radians)), angle=angle)


def _hop(t: float) -> Pose:
    height = abs(math.sin(math.pi * 2 * t))
    flat = 0.14 * (1 - height) ** 4
    return Pose(y=0.05 - 0.15 * height, stretch=(1 + flat, 1 - flat), high=flat / 2)


def _nod(t: float) -> Pose:
    down = (1 - math.cos(4 * math.pi * t)) / 2
    return Pose(y=0.07 * down, stretch=(1.0 + 0.03 * down, 1.0 - 0.13 * down), angle=-3 * down)


def _shake_head(t: float) -> Pose:
    side = wave(2 * t)
    return Pose(x=0.075 * side, stretch=(1 - 0.16 * abs(side), 1.0), angle=-5 * side)


def _rattle(t: float) -> Pose:
    return Pose(x=0.02 * wave(6 * t + 0.1), y=0.012 * wave(4 * t + 0.3), angle=3 * wave(6 * t + 0.1))


def _beat(t: float) -> Pose:
    return Pose(scale=1 + 0.16 * max(0.0, wave(2 * t)) ** 2 + 0.08 * max(0.0, wave(2 * t + 0.35)) ** 4)


def _clap(way: float) -> Motion:
    def pose(t: float) -> Pose:
        apart = abs(math.sin(2 * math.pi * t))
        return Pose(x=way * 0.13 * apart, angle=-way * 14 * apart)

    return pose


def _pop(t: float) -> Pose:
    gone, come = _entry(t)
    return Pose(scale=max(0.01, 1 - gone if come == 0.0 else back(come)))


def _enter(x: float, y: float) -> Motion:
    def pose(t: float) -> Pose:
        gone, come = _entry(t)
        away = gone**2 if come == 0.0 else 1 - back(come)
        return Pose(x=x * away, y=y * away)

    return pose


def _drop(t: float) -> Pose:
    gone, come = _entry(t)
    if come == 0.0:
        return Pose(y=1.1 * gone**2)
    return Pose(y=-1.1 * (1 - _bounce_out(come)))


def _dropoff(t: float) -> Pose:
    """It is held for a moment, then falls out of the picture."""
    return Pose(y=1.3 * max(0.0, (t - 0.3) / 0.6) ** 2)


def _slam(t: float) -> Pose:
    gone, come = _entry(t)
    if come == 0.0:
        return Pose(opacity=1 - gone)
    shiver = 0.012 * wave(8 * t) if t < 0.2 else 0.0
    return Pose(x=shiver, scale=1 + 2.2 * (1 - come) ** 2, opacity=min(1.0, 0.2 + come))


def _zoom(t: float) -> Pose:
    """Three sudden steps closer."""
    return Pose(scale=(1.0, 1.0, 1.28, 1.28, 1.62, 1.62)[int(((t + 0.67) % 1.0) * 6)])


def _cross(way: float) -> Motion:
    def pose(t: float) -> Pose:
        return Pose(x=way * 1.5 * ((t + 0.5) % 1.0 - 0.5), y=-0.02 * abs(wave(2 * t)))

    return pose


def _launch(t: float) -> Pose:
    rise = max(0.0, (t - 0.3) / 0.7)
    shiver = 0.008 * wave(10 * t) if t < 0.5 else 0.0
    return Pose(x=shiver, y=-1.25 * rise**2) if rise < 0.96 else Pose(y=9.0)


def _peek(t: float) -> Pose:
    return Pose(y=0.42 * ease(abs(2 * ((t + 0.5) % 1.0) - 1) * 1.7 - 0.6), angle=4 * wave(t))


def _faint(t: float) -> Pose:
    down = ease((t - 0.15) / 0.3) if t < 0.85 else 1 - ease((t - 0.85) / 0.15)
    return Pose(angle=88 * down, y=0.16 * down)


def _melt(t: float) -> Pose:
    soft = ease(1 - abs(2 * t - 1))
    return Pose(stretch=(1 + 0.3 * soft, 1 - 0.5 * soft), high=0.25 * soft)


def _blink(t: float) -> Pose:
    return Pose(opacity=1.0 if t < 0.6 else 0.12)


def _ring(t: float) -> Pose:
    return Pose(angle=13 * wave(5 * t)) if t < 0.6 else Pose()


def _punch(t: float) -> Pose:
    out = max(0.0, wave(2 * t)) ** 2
    return Pose(scale=1 + 0.3 * out, y=-0.03 * out)


def _orbit(radius: float) -> Motion:
    return lambda t: Pose(x=radius * math.cos(2 * math.pi * t), y=0.8 * radius * math.sin(2 * math.pi * t))


def _bow(t: float) -> Pose:
    down = ease(1 - abs(2 * ((t + 0.5) % 1.0) - 1))
    return _pivoted(34 * down) + Pose(y=0.03 * down)


MOTIONS: dict[str, Motion] = {
    "still": lambda t: Pose(),
    "hop": _hop,
    "leap": lambda t: Pose(y=0.1 - 0.3 * abs(wave(t)), stretch=(1.0, 1 + 0.08 * abs(wave(t)))),
    "nod": _nod,
    "no": _shake_head,
    "rattle": _rattle,
    "pulse": lambda t: Pose(scale=1 + 0.1 * wave(t)),
    "beat": _beat,
    "breathe": lambda t: Pose(stretch=(1 + 0.04 * wave(t), 1 - 0.05 * wave(t)), high=0.025 * wave(t)),
    "sway": lambda t: _pivoted(13 * wave(t)),
    "wave": lambda t: _pivoted(20 * wave(2 * t)),
    "swing": lambda t: _pivoted(18 * wave(t), top=True),
    "tilt": lambda t: Pose(angle=16 * wave(t)),
    "rock": lambda t: Pose(x=0.05 * wave(t), angle=-10 * wave(t)),
    "dance": lambda t: Pose(x=0.07 * wave(t), y=-0.07 * abs(wave(2 * t))) + _pivoted(-12 * wave(t)),
    "spin": lambda t: Pose(angle=-360 * t),
    "twirl": lambda t: Pose(stretch=(max(0.08, abs(math.cos(2 * math.pi * t))), 1.0)),
    "float": lambda t: Pose(y=0.035 * wave(t)),
    "drift": lambda t: Pose(x=0.05 * wave(t), y=0.02 * wave(2 * t)),
    "march": lambda t: Pose(x=0.03 * wave(t), y=-0.05 * abs(wave(2 * t)), angle=4 * wave(t)),
    "chew": lambda t: Pose(stretch=(1 + 0.05 * wave(3 * t), 1 - 0.07 * wave(3 * t))),
    "clapleft": _clap(-1),
    "clapright": _clap(1),
    "pop": _pop,
    "fromleft": _enter(-1.0, 0.0),
    "fromright": _enter(1.0, 0.0),
    "frombelow": _enter(0.0, 1.0),
    "fromabove": _enter(0.0, -1.0),
    "drop": _drop,
    "fall": lambda t: Pose(y=-0.7 * (1 - min(1.0, 0.25 + t) ** 2)),
    "dropoff": _dropoff,
    "slam": _slam,
    "zoom": _zoom,
    "creep": lambda t: Pose(scale=0.82 + 0.36 * ease(1 - abs(2 * t - 1))),
    "goleft": _cross(-1),
    "goright": _cross(1),
    "launch": _launch,
    "peek": _peek,
    "faint": _faint,
    "melt": _melt,
    "blink": _blink,
    "ring": _ring,
    "punch": _punch,
    "orbit": _orbit(0.3),
    "roll": _orbit(0.035),
    "bow": _bow,
    "shrink": lambda t: Pose(scale=max(0.02, 1 - ease((t - 0.25) / 0.5))) if t < 0.9 else Pose(scale=(t - 0.9) * 10),
    "dodge": lambda t: Pose(x=0.12 * math.tanh(3 * wave(t)), angle=-10 * math.tanh(3 * wave(t))),
    "lean": lambda t: _pivoted(20 * ease(1 - abs(2 * t - 1))),
    "stamp": lambda t: Pose(y=-0.1 * max(0.0, wave(2 * t)), stretch=(1.0, 1 - 0.1 * max(0.0, -wave(2 * t)))),
}


def pose(motions: tuple[tuple[str, float, float], ...], t: float) -> Pose:
    """The pose at ``t`` of motions, each with its name, how often it runs in a loop and how far ahead it begins."""
    total = Pose()
    for name, times, ahead in motions:
        total += MOTIONS[name]((t * times + ahead) % 1.0)
    return total
