"""What a person sees of long work."""

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
