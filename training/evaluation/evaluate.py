"""``python -m deepgif.training.evaluation.evaluate``: the retrieval metrics of a bundle on datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from deepgif.models.bundles.encoder import Encoder
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.manifest import BundleError
from deepgif.training.data.clips import read_clip
from deepgif.training.data.datasets import CaptionedDataset, DatasetError, read_captions
from deepgif.training.evaluation.retrieval import Recall, clip_to_text, text_to_clip
from deepgif.training.progress import program, progress

CLIPS, TEXTS = 16, 256  # in one batch


def evaluate(encoder: Encoder, data: CaptionedDataset, console: Console) -> tuple[Recall, Recall]:
    """The recall from sentence to clip, and from clip to sentence."""
    clips, captions = [], data.captions
    with progress(console, f"Frames of {data.name}") as report:
        for start in range(0, len(data.clips), CLIPS):
            part = data.clips[start : start + CLIPS]
            clips.append(encoder.encode_clips([read_clip(clip.path, encoder.sampling) for clip in part]))
            report(start + len(part), len(data.clips))
    texts = [encoder.encode_texts(captions[start : start + TEXTS]) for start in range(0, len(captions), TEXTS)]
    sides = np.concatenate(texts), np.concatenate(clips), data.clip_of_caption
    return text_to_clip(*sides), clip_to_text(*sides)


def main(
    data: Annotated[
        list[Path],
        typer.Argument(help="A CSV with the columns file and sentence, or a split such as flickr8k/dev.txt."),
    ],
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how well a bundle retrieves clips by sentences and sentences by clips: recall at 1, 5 and 10 in percent,
    and the median rank."""
    console = Console(stderr=True)
    with program(console, BundleError, DatasetError):
        encoder = load_bundle(bundle_folder(bundle))
        rows = [(one.name, *evaluate(encoder, one, console)) for one in map(read_captions, data)]
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


def _cells(recall: Recall) -> Iterator[str]:
    for value in asdict(recall).values():
        yield f"{value:.1f}"


if __name__ == "__main__":
    typer.run(main)
