"""Progress bars."""

import io

from rich.console import Console

from deepgif.training.progress import progress


def test_how_much_is_done_is_shown():
    """The name, and the last count that was reported."""
    shown = io.StringIO()
    with progress(Console(file=shown, force_terminal=True, width=80), "Clips") as report:
        report(10, 2400)
        report(1200, 2400)
    *_, last = shown.getvalue().split("\r")
    assert "Clips" in last
    assert "1,200 of 2,400" in last


def test_losses_are_logged():
    """A few lines of a long run, also where no bar can be shown."""
    shown = io.StringIO()
    with progress(Console(file=shown, width=80), "Head") as report:
        for step in range(1, 101):
            report(step, 100, 1 / step)
    lines = [line.strip() for line in shown.getvalue().splitlines() if "loss" in line and ":" in line]
    assert "Head: 50 of 100, loss 0.0200" in lines
    assert sum(line.startswith("Head: ") for line in lines) == 20
