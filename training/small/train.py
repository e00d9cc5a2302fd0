"""``python -m deepgif.training.small.train``: trains the bundled model, stage by stage.

    vocabulary  trains the subword vocabulary on all texts
    teacher     computes the teacher's vector of every text
    distil      distils the GRU from those vectors                      (deepgif.training.small.distil)
    frames      runs the first half of the CNN on every frame, once     (deepgif.training.small.clips)
    maps        fits the two projections to fixed features              (deepgif.training.small.maps)
    finetune    trains the CNN's second half, GRU and projections       (deepgif.training.small.finetune)
    maps        fits the projections again, to the fine-tuned features
    bundle      writes weights, vocabulary, checksums and model card to one folder

Everything is stored in the run's folder, so an interrupted run continues.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from deepgif.models.bundles.manifest import BundleError
from deepgif.models.networks.joint import Backbone
from deepgif.training.data.datasets import DatasetError
from deepgif.training.progress import program
from deepgif.training.scenes.stage import DEFAULT_FONT
from deepgif.training.small.clips import VIEWS
from deepgif.training.small.pipeline import Pipeline, PipelineOptions


def main(
    data: Annotated[Path, typer.Argument(help="Folder with flickr8k, msvd, exercises, text and mobilenet.")],
    run: Annotated[Path, typer.Option(help="Folder for the run's state; reuse it to continue.")] = Path("runs/small"),
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")] = Path("runs/small/bundle"),
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
    scenes: Annotated[int, typer.Option(help="Rendered training scenes.")] = 4000,
    distil_epochs: Annotated[int, typer.Option(help="Epochs of distillation.")] = 10,
    finetune_steps: Annotated[int, typer.Option(help="Steps of 240 clips.")] = 700,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model on the same machine.")] = 0,
    backbone: Annotated[Backbone, typer.Option(help="The CNN.")] = Backbone.MOBILENET_V2,
    weighted: Annotated[bool, typer.Option("--weighted", help="Weight the GRU's means by attention.")] = False,
    views: Annotated[int, typer.Option(min=1, max=len(VIEWS), help="Views of each photograph.")] = len(VIEWS),
    start: Annotated[
        Path | None, typer.Option(help="Continue from the vocabulary and the GRU of the bundle in this folder.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Train the bundled model and write it as a bundle. You can stop it at any time: the same command continues."""
    if threads:
        torch.set_num_threads(threads)
    options = PipelineOptions(scenes, distil_epochs, finetune_steps, seed, backbone, weighted, views, start)
    console = Console(stderr=True)
    with program(console, BundleError, DatasetError, FileNotFoundError, run=run):
        Pipeline(data, run, font, options, console).write_bundle(out)


if __name__ == "__main__":
    typer.run(main)
