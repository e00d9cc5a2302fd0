"""Progress bars, and the messages with which a training program ends early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOGGED = 20  # losses in a run
Report = Callable[[int, int], None]  # steps done, steps in all
LossReport = Callable[[int, int, float], None]  # the same and the loss


@contextmanager
def progress(console: Console, name: str) -> Iterator[Callable[..., None]]:
    """A bar that lasts as long as the context. Call the yielded function with the steps done, the steps in all and,
    optionally, the loss, which is also logged from time to time."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    logged = 0

    def report(done: int, total: int, loss: float | None = None) -> None:
        nonlocal logged
        bar.update(task, completed=done, total=total, note="" if loss is None else f"loss {loss:.3f}")
        if loss is not None and done * LOGGED // total > logged:
            logged = done * LOGGED // total
            console.print(f"{name}: {done:,} of {total:,}, loss {loss:.4f}", markup=False)

    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=1, note="")
        yield report


@contextmanager
def program(console: Console, *errors: type[Exception], run: Path | None = None) -> Iterator[None]:
    """Ends a program with one sentence and a non-zero exit status on the expected ``errors``, on a missing package and
    on Ctrl-C. ``run`` is the folder from which the same command continues."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("Stopped." if run is None else f"Stopped. Run the same command again to continue from {run}.")
        raise typer.Exit(130) from None
    except Exception as error:
        if not isinstance(error, (ModuleNotFoundError, *errors)):
            raise
        text = str(error)
        if isinstance(error, ModuleNotFoundError):
            text = f"{error.name} is not installed: pip install -c constraints.txt -e '.[classic,training]'"
        elif isinstance(error, FileNotFoundError):
            text = f"{error.filename or error} is missing (see docs/models.md)."
        console.print(text, style="red", markup=False)
        raise typer.Exit(1) from error
