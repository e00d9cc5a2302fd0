"""``python -m deepgif.training.small.train``: teaches the bundled model from the data folder, stage by stage.

    words       learn the subword vocabulary from all texts
    teacher     the teacher's vector of every text
    distil      the GRU learns those vectors                            (deepgif.training.small.distil)
    frames      every frame through the first half of the CNN, once     (deepgif.training.small.clips)
    maps        the two linear maps on features that stand still        (deepgif.training.small.maps)
    finetune    second half of the CNN, GRU and maps together           (deepgif.training.small.finetune)
    maps        the two linear maps once more, on what the fine-tuned parts see
    bundle      weights, vocabulary and checksums into one folder, with the model card

A stopped run goes on where it was: everything it has is in the run's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from deepgif.training.scenes.stage import DEFAULT_FONT
from deepgif.training.small.pipeline import Pipeline, PipelineOptions


def main(
    data: Annotated[Path, typer.Argument(help="Folder with flickr8k, msvd, exercises and text.")],
    run: Annotated[Path, typer.Option(help="Where the run keeps its state; give it again to go on.")] = Path(
        "runs/small"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")] = Path("runs/small/bundle"),
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
    scenes: Annotated[int, typer.Option(help="How many rendered scenes to learn from.")] = 4000,
    distil_epochs: Annotated[int, typer.Option(help="Rounds over the texts.")] = 10,
    finetune_steps: Annotated[int, typer.Option(help="Steps of 240 clips.")] = 700,
    views: Annotated[int, typer.Option(min=1, max=6, help="Of each photograph: whole, mirrored, four corners.")] = 6,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model on the same machine.")] = 0,
    start: Annotated[Path | None, typer.Option(help="A bundle's folder, to go on from its vocabulary and GRU.")] = None,
    backbone: Annotated[
        Path | None, typer.Option(help="EfficientNet-Lite0's weights (.pth); the package's where none are named.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Teach the bundled model and write it as a bundle. Stop it whenever you like; the same command goes on."""
    if threads:
        torch.set_num_threads(threads)
    options = PipelineOptions(scenes, distil_epochs, finetune_steps, views, seed, start, backbone)
    console = Console(stderr=True)
    try:
        Pipeline(data, run, font, options, console).write_bundle(out)
    except FileNotFoundError as error:
        console.print(f"{error.filename or error} is missing: see docs/models.md.", style="red")
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        console.print(
            f"{error.name} is missing: pip install -c constraints.txt -e '.[training]'", style="red", markup=False
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print(f"Stopped. The same command goes on from {run}.")
        raise typer.Exit(130) from None


if __name__ == "__main__":
    typer.run(main)
