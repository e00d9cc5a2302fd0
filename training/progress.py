"""Shows a person how far a long piece of work is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress(console: Console, name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar while the context lasts. What it gives is told how much is done, and of how much."""
    columns = (
        TextColumn(name),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(name, total=1)
        yield lambda done, total: shown.update(task, completed=done, total=total)
