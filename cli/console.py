"""What the command line shows: tables, progress and errors, in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deepgif.engine.types import Fit, SearchAnswer

if TYPE_CHECKING:
    from deepgif.engine.admin.reindex import Moved, ReindexReport
    from deepgif.engine.ingest.catalogue import IndexReport

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
        if isinstance(value, dict):
            value = "\n".join(f"{of}: {count:,} GIFs" for of, count in value.items())
        table.add_row(Text(name.replace("_", " "), style="bold"), Text(str(value)))
    out.print(table)


def print_unreadable(files: tuple[tuple[str, str], ...]) -> None:
    """Files that were skipped, and why."""
    for path, reason in files[:SHOWN_UNREADABLE]:
        err.print(Text(f"Skipped {path}: {reason}", style="yellow"), soft_wrap=True)
    if len(files) > SHOWN_UNREADABLE:
        err.print(f"… and {len(files) - SHOWN_UNREADABLE:,} more; --json lists all.")


def print_indexed(report: IndexReport, folder: Path | None) -> None:
    """What a look through a folder found, and how to search there."""
    changes = report.changes
    print_unreadable(report.unreadable)
    out.print(
        f"{report.known + report.embedded:,} GIFs can be found: {report.embedded:,} new, {report.known:,} known "
        f"from before. Files: {changes.added:,} added, {changes.changed:,} changed, {changes.moved:,} moved, "
        f"{changes.removed:,} removed, {len(report.unreadable):,} skipped.",
        highlight=False,
    )
    where = f" --folder {folder}" if folder else ""
    out.print(f"Search them with: deepgif search{where} WORDS, or deepgif serve{where}", highlight=False)


def print_moved(report: ReindexReport, model: str) -> None:
    """What a reindexing did for the new ``model``, and what to do now."""
    print_unreadable(report.local.unreadable)
    for one in report.remote:
        print_unreadable(tuple((f"{one.provider}/{gif_id}", reason) for gif_id, reason in one.unreadable))
    parts: list[tuple[str, IndexReport | Moved, int]] = [("local GIFs", report.local, 0)]
    parts += [(f"GIFs of {one.provider}", one, one.gone) for one in report.remote]
    for name, part, gone in parts:
        out.print(
            f"{report.model} knows {part.known + part.embedded:,} {name}: {part.embedded:,} new, {part.known:,} known "
            f"from before; {gone:,} are gone, {len(part.unreadable):,} skipped.",
            highlight=False,
            soft_wrap=True,
        )
    for one in report.remote:
        if one.stopped:
            err.print(Text(one.stopped, style="yellow"), soft_wrap=True)
    if report.complete:
        out.print(f"All is done: set DEEPGIF_MODEL={model} and restart the engine.", highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error that is told ``(done, total)``, the total where it is known, and goes when the work
    ends."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
