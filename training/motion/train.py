"""``python -m deepgif.training.motion.train``: trains a motion head on top of a bundle, and writes it as a bundle of
its own.

    pairs       renders clips that differ only in the order of their frames, and encodes them with the base's CNN
    sentences   encodes their descriptions and neutral sentences with the base's sentence encoder
    head        trains the head to tell each clip from its reverse      (deepgif.training.motion.fit)
    bundle      writes weights and checksums to one folder

Features are cached in the run's folder, so an interrupted run continues.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
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
from deepgif.models.bundles.motion import save_motion
from deepgif.models.networks.motion import MotionConfig
from deepgif.training.data.datasets import DatasetError
from deepgif.training.data.features import extract, texts_path
from deepgif.training.motion.fit import MotionOptions, build_training_set, fit, neutral_texts, pair_features
from deepgif.training.progress import Report, program, progress
from deepgif.training.scenes.pairs import draw_pairs
from deepgif.training.scenes.stage import DEFAULT_FONT, FontMissingError

WEIGHT = 0.2  # b^2, the share of motion in a score
DEFAULTS = MotionOptions()


def main(
    data: Annotated[Path, typer.Argument(help="Folder with flickr8k/ and text/, for neutral sentences.")],
    base: Annotated[str, typer.Option(help="The bundle to build on: a name or a folder.")] = "small",
    run: Annotated[Path, typer.Option(help="Folder for cached features; reuse it to continue.")] = Path("runs/motion"),
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")] = Path("runs/motion/bundle"),
    name: Annotated[str | None, typer.Option(help="Its name; by default the base's with -motion.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of published weights, if the base needs them.")] = None,
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
    pairs: Annotated[int, typer.Option(min=22, help="Training pairs.")] = DEFAULTS.pairs,
    neutral: Annotated[int, typer.Option(min=8, help="Sentences without a direction.")] = DEFAULTS.neutral,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = DEFAULTS.steps,
    weight: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share of motion in a score.")] = WEIGHT,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model on the same machine.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Train a head that tells clips apart by the order of their frames, and write it as a bundle. You can stop it at
    any time: the same command continues."""
    if threads:
        torch.set_num_threads(threads)
    console = Console(stderr=True)
    composed = min(DEFAULTS.composed, 3 * pairs)
    options = MotionOptions(pairs=pairs, neutral=neutral, composed=composed, steps=steps, seed=seed)
    with program(console, BundleError, DatasetError, FileNotFoundError, FontMissingError, run=run):
        path = bundle_folder(base)
        base_info = read_info(path)
        places = 2 * (base_info.sampling.size // 32) if base_info.kind == SMALL else 1
        encoder = load_base(base, Path.cwd(), places, ("cpu",), weights)
        neutral_sentences = neutral_texts(data, neutral, seed)  # first, so that missing data is reported at once
        drawn = draw_pairs(pairs, seed, held_out=False)
        cache = run / encoder.space.replace("@", "-")
        with progress(console, "Clips") as report:
            file = cache / f"pairs-{pairs}-{options.frames}-{seed}.npy"
            features = pair_features(encoder, drawn, options.frames, font, file, report)
        with progress(console, "Sentences") as report:
            texts = partial(_text_features, encoder=encoder, folder=cache, report=report)
            training_set = build_training_set(drawn, features, places, neutral_sentences, texts, options)
        config = MotionConfig(features.shape[2], training_set.neutral.shape[1], places)
        with progress(console, "Head") as report:
            head = fit(training_set, config, options, report)
        info = BundleInfo(MOTION, name or f"{base_info.name}-motion", "", base_info.licence, base_info.sampling)
        base_path = base if path.is_absolute() else str(path.resolve())
        save_motion(out, info, base_path, encoder.space, head, weight)
        console.print(f"Wrote {load_motion(out, weights=weights).space} to {out}.")


def _text_features(
    texts: Sequence[str], *, encoder: TwoTowerEncoder, folder: Path, report: Report
) -> NDArray[np.float32]:
    width = encoder.text_features([""]).shape[1]
    return extract(texts, encoder.text_features, (width,), texts_path(folder, texts), report, batch=256)


if __name__ == "__main__":
    typer.run(main)
