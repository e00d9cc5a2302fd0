"""``python -m deepgif.training.motion.train``: teaches the order of frames to a bundle, as one more bundle that
stands on it.

    pairs       clips that differ only in the order of their frames are drawn and go through the base's CNN, once
    sentences   what is said of them, and sentences that say nothing of a direction, through the base's reader
    head        learns to tell each clip from itself backwards          (deepgif.training.motion.fit)
    bundle      weights and checksums into one folder

A stopped run goes on where it was: features are kept in the run's folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.bundles.load import bundle_folder, load_base, load_motion
from deepgif.models.bundles.manifest import MOTION, SMALL, BundleError, BundleInfo, read_info
from deepgif.models.bundles.motion import MotionConfig, save_motion
from deepgif.training.data.features import extract
from deepgif.training.motion.fit import MotionOptions, neutral_texts, pair_features, prepare, teach
from deepgif.training.progress import progress
from deepgif.training.scenes.pairs import draw_pairs
from deepgif.training.scenes.stage import DEFAULT_FONT, FontMissingError

WEIGHT = 0.2  # b^2, the share of motion in a score
USUAL = MotionOptions()


def main(
    data: Annotated[Path, typer.Argument(help="Folder with flickr8k/ and text/, for sentences without a direction.")],
    base: Annotated[str, typer.Option(help="The bundle to stand on: a shipped one's name, or a folder.")] = "small",
    run: Annotated[Path, typer.Option(help="Where the run keeps features; give it again to go on.")] = Path(
        "runs/motion"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")] = Path("runs/motion/bundle"),
    name: Annotated[str | None, typer.Option(help="What to call it; the base's name and -motion otherwise.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of published weights, where the base needs some.")
    ] = None,
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
    pairs: Annotated[int, typer.Option(min=22, help="How many pairs to learn from.")] = USUAL.pairs,
    neutral: Annotated[int, typer.Option(min=8, help="How many sentences without a direction.")] = USUAL.neutral,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the head.")] = USUAL.steps,
    weight: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share of motion in a score.")] = WEIGHT,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model on the same machine.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Teach a bundle to tell clips apart by the order of their frames, and write that as a bundle of its own. Stop it
    whenever you like; the same command goes on."""
    if threads:
        torch.set_num_threads(threads)
    console = Console(stderr=True)
    composed = min(USUAL.composed, 3 * pairs)
    options = MotionOptions(pairs=pairs, neutral=neutral, composed=composed, steps=steps, seed=seed)
    try:
        _run(data, base, run, out, name, weights, font, options, weight, console)
    except FileNotFoundError as error:
        console.print(
            f"{error.filename or error} is missing: see docs/models.md.", style="red"
        )
        raise typer.Exit(1) from error
    except (BundleError, FontMissingError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print(f"Stopped. The same command goes on from {run}.")
        raise typer.Exit(130) from None


def _run(
    data: Path,
    base: str,
    run: Path,
    out: Path,
    name: str | None,
    weights: Path | None,
    font: Path,
    options: MotionOptions,
    weight: float,
    console: Console,
) -> None:
    path = bundle_folder(base)
    base_info = read_info(path)
    places = 2 * (base_info.sampling.size // 32) if base_info.kind == SMALL else 1
    encoder = load_base(base, Path.cwd(), places, ("cpu",), weights)
    texts = neutral_texts(data, options.neutral, options.seed)  # first: what is missing is said at once
    pairs = draw_pairs(options.pairs, options.seed, held_out=False)
    kept = run / encoder.space.replace("@", "-")
    with progress(console, "Clips") as report:
        file = kept / f"pairs-{options.pairs}-{options.frames}-{options.seed}.npy"
        features = pair_features(encoder, pairs, options.frames, font, file, report)
    with progress(console, "Sentences") as report:
        lessons = prepare(pairs, features, places, texts, _reader(encoder, kept, report), options)
    config = MotionConfig(features.shape[2], lessons.neutral.shape[1], places)
    with progress(console, "Head") as report:
        head = teach(lessons, config, options, lambda done, total, loss: report(done, total))
    info = BundleInfo(MOTION, name or f"{base_info.name}-motion", "", base_info.licence, base_info.sampling)
    shown = base if path.is_absolute() else str(path.resolve())
    save_motion(out, info, shown, encoder.space, head, weight)
    console.print(f"The model {load_motion(out, weights=weights).space} is in {out}.")


def _reader(
    encoder: TwoTowerEncoder, folder: Path, report: Callable[[int, int], None]
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Sentence features, kept in a folder."""

    def read(texts: Sequence[str]) -> NDArray[np.float32]:
        name = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
        width = encoder.text_features([""]).shape[1]
        return extract(texts, encoder.text_features, width, folder / f"texts-{name}.npy", report, batch=256)

    return read


if __name__ == "__main__":
    typer.run(main)
