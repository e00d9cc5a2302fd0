"""``python -m deepgif.training.evaluation.evaluate``: the retrieval table of a bundle on data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deepgif.models.bundles.encoder import Encoder
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.manifest import BundleError
from deepgif.training.data.datasets import DatasetError, DescribedFiles, read_described
from deepgif.training.evaluation.retrieval import Recall, clip_to_text, text_to_clip

CLIPS_AT_ONCE = 16
T = TypeVar("T")


def evaluate(encoder: Encoder, data: DescribedFiles, console: Console) -> tuple[Recall, Recall]:
    """Sentence to clip, and clip to sentence."""
    total = -(-len(data.files) // CLIPS_AT_ONCE)
    batches = _batches(data.clips(encoder.sampling), CLIPS_AT_ONCE)
    tracked = track(batches, f"Frames of {data.name}", total=total, console=console, transient=True)
    clips = [encoder.encode_clips(batch) for batch in tracked]
    texts = [encoder.encode_texts(batch) for batch in _batches(data.sentences, 256)]
    sides = np.concatenate(texts), np.concatenate(clips), data.file_of_sentence
    return text_to_clip(*sides), clip_to_text(*sides)


def main(
    data: Annotated[
        list[Path],
        typer.Argument(help="A CSV with the columns file and sentence, or a split such as flickr8k/dev.txt."),
    ],
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how well a bundle finds clips by sentences, and sentences by clips: recall at 1, 5 and 10 in percent,
    and the median rank."""
    console = Console(stderr=True)
    try:
        encoder = load_bundle(bundle_folder(bundle))
        rows = [(one.name, *evaluate(encoder, one, console)) for one in map(read_described, data)]
    except (BundleError, DatasetError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    if as_json:
        results = {name: {"text_to_clip": asdict(t2c), "clip_to_text": asdict(c2t)} for name, t2c, c2t in rows}
        Console().print_json(data={"model": encoder.space, "results": results})
    else:
        Console().print(retrieval_table(encoder.space, rows))


def retrieval_table(model: str, rows: Sequence[tuple[str, Recall, Recall]]) -> Table:
    """The table that ``main`` prints."""
    table = Table("data", "direction", "R@1", "R@5", "R@10", "median rank", title=model)
    for name, *directions in rows:
        for direction, recall in zip(("sentence to clip", "clip to sentence"), directions, strict=True):
            table.add_row(name, direction, *_cells(recall))
    return table


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def _cells(recall: Recall) -> Iterator[str]:
    for value in asdict(recall).values():
        yield f"{value:.1f}"


if __name__ == "__main__":
    typer.run(main)
