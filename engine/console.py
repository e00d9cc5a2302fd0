"""What the command line shows: tables, progress and errors, in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from engine.types import Fit, SearchAnswer

STYLES = {Fit.STRONG: "green", Fit.FAIR: "yellow", Fit.WEAK: "dim"}
SHOWN_UNREADABLE = 20
out = Console()
err = Console(stderr=True)


def print_json(body: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    print(json.dumps(body, ensure_ascii=False, indent=2))


def print_error(text: str) -> None:
    """One sentence on standard error."""
    err.print(Text(text, style="red"))


def print_answer(answer: SearchAnswer) -> None:
    """The GIFs, best first, with where they are and why they are shown."""
    for notice in answer.notices:
        err.print(Text(notice, style="yellow"))
    if not answer.results:
        err.print("No GIF was found.")
        return
    for place, result in enumerate(answer.results, 1):
        head = Text(f"{place:>2}  ", style="dim")
        head.append(result.gif.title or result.gif.alt_text, style="bold")
        head.append(f"  {result.fit} fit", style=STYLES[result.fit])
        head.append(f"  {result.score:.3f}", style="dim")
        out.print(head, soft_wrap=True)
        out.print(Text(f"    {result.gif.url}"), soft_wrap=True)
        if place == 1:
            out.print(Text(f"    {result.why}"), soft_wrap=True)
    coverage = answer.coverage
    looked = f"Looked at {coverage.seen:,} of {coverage.total:,} GIFs in {answer.elapsed_s * 1000:.0f} ms"
    err.print(Text(f"{looked} with the model {answer.model}.", style="dim"))


def print_facts(facts: dict[str, Any]) -> None:
    """Names and values, one a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(Text(name.replace("_", " "), style="bold"), Text(str(value)))
    out.print(table)


def print_unreadable(files: tuple[tuple[str, str], ...]) -> None:
    """Files that were skipped, and why."""
    for path, reason in files[:SHOWN_UNREADABLE]:
        err.print(Text(f"Skipped {path}: {reason}", style="yellow"), soft_wrap=True)
    if len(files) > SHOWN_UNREADABLE:
        err.print(f"… and {len(files) - SHOWN_UNREADABLE:,} more; --json lists all.")


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error that is told ``(done, total)``, and goes when the work ends."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
