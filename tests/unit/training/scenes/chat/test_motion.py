"""How emoji move. None of this needs a font."""

import math

import pytest

from deepgif.training.scenes.chat.motion import MOTIONS, Pose, pose

JUMPS = {"zoom", "launch", "blink", "goleft", "goright", "fall", "dropoff"}  # these start again abruptly


@pytest.mark.parametrize("name", MOTIONS)
def test_loops_close(name: str) -> None:
    """The end of a loop leads to its start, but for what starts again abruptly; and all but one move."""
    motion = MOTIONS[name]
    start, end = motion(0.0), motion(0.9999)
    if name not in JUMPS:
        assert end.x == pytest.approx(start.x, abs=0.02)
        assert end.y == pytest.approx(start.y, abs=0.02)
        assert end.scale == pytest.approx(start.scale, abs=0.05)
        assert math.cos(math.radians(end.angle - start.angle)) == pytest.approx(1.0, abs=0.001)
    moves = len({motion(t / 20) for t in range(20)}) > 1
    assert moves == (name != "still")


@pytest.mark.parametrize("name", ["pop", "fromleft", "frombelow", "drop", "slam"])
def test_what_enters_has_arrived_at_the_start(name: str) -> None:
    """The first frame, which stands for the GIF where it does not play, shows it."""
    first = MOTIONS[name](0.0)
    assert (first.y, first.scale, first.opacity) == pytest.approx((0.0, 1.0, 1.0), abs=0.01)


def test_motions_add_up() -> None:
    """Places and angles add, scales multiply; each runs as often and starts as far ahead as it says."""
    assert pose((), 0.3) == Pose()
    both = pose((("spin", 1.0, 0.0), ("pulse", 2.0, 0.25)), 0.125)
    assert both.angle == pytest.approx(-45)
    assert both.scale == pytest.approx(MOTIONS["pulse"](0.5).scale)
    assert Pose(x=0.1, scale=2.0) + Pose(x=0.2, scale=3.0) == Pose(x=0.1 + 0.2, scale=6.0)
