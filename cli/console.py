"""What the command line prints: results, tables, progress and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deepgif.config.settings import SettingsError
from deepgif.engine.errors import DeepGifError
from deepgif.engine.types import Fit, SearchAnswer

if TYPE_CHECKING:
    from deepgif.engine.admin.reindex import ProviderReport, ReindexReport
    from deepgif.engine.ingest.catalogue import IndexReport

STYLES = {Fit.STRONG: "green", Fit.FAIR: "yellow", Fit.WEAK: "dim"}
SHOWN_UNREADABLE = 20
# Modules that another extra than "engine" installs.
EXTRAS = {
    "asyncpg": "postgresql",
    "cryptography": "slack,discord",
    "discord": "discord",
    "nltk": "classic",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "open_clip": "clip",
    "qdrant_client": "qdrant",
    "redis": "redis",
    "slack_bolt": "slack",
    "slack_sdk": "slack",
    "sqlalchemy": "slack,discord",
}
out = Console()
err = Console(stderr=True)


@contextmanager
def plain_errors(stopped: str = "Stopped.") -> Iterator[None]:
    """Turns every foreseen error into one line on standard error and exit status 1, Ctrl-C into 130."""
    try:
        yield
    except (DeepGifError, SettingsError) as error:
        print_error(str(error))
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        module = (error.name or "deepgif").split(".")[0]
        if module == "deepgif":
            raise
        print_error(f"{module} is not installed. Run: pip install 'deepgif[{EXTRAS.get(module, 'engine')}]'")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        print_error(stopped)
        raise typer.Exit(130) from None


def print_json(body: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    print(json.dumps(body, ensure_ascii=False, indent=2))


def print_error(text: str) -> None:
    """One line on standard error."""
    err.print(Text(text, style="red"), soft_wrap=True)


def print_answer(answer: SearchAnswer) -> None:
    """The GIFs with their URLs, best first, and why the first was chosen."""
    for notice in answer.notices:
        err.print(Text(notice, style="yellow"))
    if not answer.results:
        err.print("No GIF found. Try different words.")
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
    searched = f"Searched {coverage.embedded:,} of {coverage.total:,} GIFs in {answer.elapsed_s * 1000:.0f} ms"
    err.print(Text(f"{searched} with the model {answer.model}.", style="dim"))


def print_facts(facts: dict[str, Any]) -> None:
    """Names and values, one per line."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if isinstance(value, dict):
            value = "\n".join(f"{of}: {count:,} GIFs" for of, count in value.items())
        table.add_row(Text(name.replace("_", " "), style="bold"), Text(str(value)))
    out.print(table)


def print_models(models: list[dict[str, Any]]) -> None:
    """Name, size and licence of each model."""
    table = Table("Model", "Version", "Size", "Licence", box=None, pad_edge=False)
    for one in models:
        size = f"{one['bytes'] / 1e6:.1f} MB" + (" + download" if one["downloads_weights"] else "")
        table.add_row(one["name"] + (" (in use)" if one["in_use"] else ""), one["version"], size, one["licence"])
    out.print(table)


def print_unreadable(files: tuple[tuple[str, str], ...]) -> None:
    """Files that were skipped, and why."""
    for path, reason in files[:SHOWN_UNREADABLE]:
        err.print(Text(f"Skipped {path}: {reason}", style="yellow"), soft_wrap=True)
    if len(files) > SHOWN_UNREADABLE:
        err.print(f"… and {len(files) - SHOWN_UNREADABLE:,} more; --json lists all.")


def print_indexed(report: IndexReport, folder: Path | None) -> None:
    """What was indexed, and how to search it."""
    changes = report.changes
    print_unreadable(report.unreadable)
    out.print(
        f"{report.known + report.embedded:,} GIFs can be found: {report.embedded:,} new, {report.known:,} already "
        f"indexed. Files: {changes.added:,} added, {changes.changed:,} changed, {changes.moved:,} moved, "
        f"{changes.removed:,} removed, {len(report.unreadable):,} skipped.",
        highlight=False,
    )
    where = f" --folder {folder}" if folder else ""
    out.print(f"Search with: deepgif search{where} DESCRIPTION, or deepgif serve{where}", highlight=False)


def print_moved(report: ReindexReport, model: str) -> None:
    """What reindexing with the new ``model`` did, and what to do next."""
    print_unreadable(report.local.unreadable)
    for one in report.remote:
        print_unreadable(tuple((f"{one.provider}/{gif_id}", reason) for gif_id, reason in one.unreadable))
    parts: list[tuple[str, IndexReport | ProviderReport, int]] = [("Local GIFs", report.local, 0)]
    parts += [(f"GIFs from {one.provider}", one, one.gone) for one in report.remote]
    for name, part, gone in parts:
        out.print(
            f"{name}: {part.known + part.embedded:,} embedded with {report.model} ({part.embedded:,} new, "
            f"{part.known:,} before); {gone:,} no longer exist, {len(part.unreadable):,} skipped.",
            highlight=False,
            soft_wrap=True,
        )
    for one in report.remote:
        if one.stopped:
            err.print(Text(one.stopped, style="yellow"), soft_wrap=True)
    if report.complete:
        out.print(f"Done. Set DEEPGIF_MODEL={model} and restart the engine.", highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on standard error; yields ``report(done, total)``, whose total may be None."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
