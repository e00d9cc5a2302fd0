"""``deepgif-train``: trains the two linear projections of a joint space on a dataset and compares losses.

With VGG16 and Skip-Thoughts it writes a bundle of the kind "classic"; on top of a CLIP bundle, one with adapters.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from deepgif.models.bundles.classic import save_classic
from deepgif.models.bundles.load import bundle_folder
from deepgif.models.bundles.manifest import BundleError
from deepgif.models.bundles.open_clip import save_adapted
from deepgif.models.bundles.skip_thoughts import SkipFilesError
from deepgif.models.bundles.weights import WeightsError
from deepgif.models.networks.projection import ProjectionHeads
from deepgif.models.runtime.frame_runner import DeviceError, choose_devices, torch_device
from deepgif.training.data.clips import pan, read_clip
from deepgif.training.data.datasets import DEV, READERS, TEST, TRAIN, CaptionedDataset, DatasetError, fetch_tgif
from deepgif.training.data.features import extract
from deepgif.training.evaluation.retrieval import Recall
from deepgif.training.losses import Loss
from deepgif.training.progress import program, progress
from deepgif.training.projections.encoders import (
    FeatureExtractors,
    Frames,
    Sentences,
    bundle_extractors,
    published_extractors,
    sentence_features,
)
from deepgif.training.projections.fit import PAIRS, ProjectionOptions, Split, evaluate, fit

LICENCE = (
    "The projections follow the licence of their training data; VGG16 and Skip-Thoughts have their authors' terms."
)
# Sentence to clip on MSVD's 670 test clips, as published (docs/models.md names the papers).
PUBLISHED_ON_MSVD = {
    "VSE": (12.3, 30.1, 42.3, 14),
    "VSE++": (15.4, 39.6, 53.0, 9),
    "Multi-Cues": (20.3, 47.8, 61.1, 6),
    "Collaborative Experts": (19.8, 49.0, 63.8, 6),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one loss reached with one seed on the validation clips and, if there are any, on the test clips."""

    loss: Loss
    seed: int
    dev: Recall
    test: Recall | None
    maps: ProjectionHeads


def main(
    data: Annotated[str, typer.Argument(help=f"The dataset: {', '.join(READERS)}.")],
    folder: Annotated[Path, typer.Argument(help="Its folder, as published.")],
    run: Annotated[Path, typer.Option(help="Folder for cached features; reuse it to continue.")] = Path("runs/classic"),
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle to write, with the best projections.")] = None,
    loss: Annotated[list[Loss] | None, typer.Option(help="Repeat it to compare losses.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Training pairs for each loss and seed.")] = PAIRS,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, starting at 0.")] = 1,
    frames: Annotated[Frames, typer.Option(help="The frame encoder.")] = Frames.VGG16,
    sentences: Annotated[Sentences, typer.Option(help="The sentence encoder.")] = Sentences.SKIP_THOUGHTS,
    bundle: Annotated[str | None, typer.Option(help="Train adapters on top of this CLIP bundle instead.")] = None,
    weights: Annotated[
        Path,
        typer.Option(envvar="DEEPGIF_WEIGHTS_DIR", help="Folder of published weights; missing ones are downloaded."),
    ] = Path("weights"),
    mobilenet: Annotated[Path | None, typer.Option(help="MobileNetV2 as TensorFlow published it (.tflite).")] = None,
    skip: Annotated[Path | None, typer.Option(help="Folder of your own uni-skip encoder.")] = None,
    move: Annotated[bool, typer.Option("--pan", help="Turn photographs into clips: the view moves over them.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="First download the missing GIFs of tgif.")] = False,
    device: Annotated[
        str, typer.Option(envvar="DEEPGIF_DEVICE", help="Where features are computed: auto, cpu, cuda:1, all, ...")
    ] = "auto",
) -> None:
    """Train the projection heads of the joint embedding, and show the recall of each loss.

    deepgif-train msvd MSVD --out models/classic

    deepgif-train flickr DATA/flickr8k --pan --frames mobilenet --mobilenet NET.tflite --sentences minilm --loss sum
    --loss hardest

    deepgif-train msr-vtt MSRVTT --bundle clip_vit_b_32 --out runs/clip-adapted
    """
    console = Console(stderr=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with program(console, BundleError, DatasetError, DeviceError, WeightsError, SkipFilesError, ValueError, run=run):
        if data not in READERS:
            raise DatasetError(f"There is no dataset “{data}”. Choose one of {', '.join(READERS)}.")
        if out is not None and bundle is None and (frames, sentences) != (Frames.VGG16, Sentences.SKIP_THOUGHTS):
            raise DatasetError("Only VGG16 with Skip-Thoughts gives a bundle: leave out --out.")
        if (sentences is Sentences.UNI_SKIP) != (skip is not None):
            raise DatasetError("Use --sentences uni-skip and --skip FOLDER together.")
        if fetch:
            with progress(console, "GIFs") as report:
                console.print(f"{fetch_tgif(folder, report)} GIFs no longer exist.")
        clips = READERS[data](folder)
        devices = choose_devices(device)
        if bundle is None:
            texts = sentence_features(sentences, weights, skip, str(torch_device(devices[0])))
            extractors = published_extractors(frames, weights, mobilenet, devices, texts)
            title = f"{data}, {frames} and {sentences}"
        else:
            extractors = bundle_extractors(bundle, weights, devices)
            title = f"{data}, adapters on {bundle}"
        cache = run / f"{data}-{extractors.name}{'-pan' if move else ''}"
        splits = _splits(clips, cache, extractors, move=move, console=console)
        results = [
            _fit(splits, ProjectionOptions(one, pairs, seed=seed, adapt=bundle is not None), console)
            for one in loss or [Loss.INFO_NCE]
            for seed in range(seeds)
        ]
        Console().print(table(title, results, published=data == "msvd"))
        if out is not None:
            best = max(results, key=lambda result: result.dev.total)
            if bundle is None:
                save_classic(out, "classic", LICENCE, best.maps)
            else:
                save_adapted(out, bundle_folder(bundle), best.maps)
            console.print(f"Wrote {out} ({best.loss}). Use it with DEEPGIF_MODEL={out} DEEPGIF_WEIGHTS_DIR={weights}")


def table(title: str, results: Sequence[Result], *, published: bool) -> Table:
    """The recall of each loss, sentence to clip, averaged over its seeds: on the test clips, or on the validation
    clips if there are none. With ``published``, published results are added."""
    shown = Table("loss", "clips", "R@1", "R@5", "R@10", "median rank", title=title)
    for loss in dict.fromkeys(result.loss for result in results):
        own = [result for result in results if result.loss is loss]
        rows = [list(asdict(result.test or result.dev).values()) for result in own]
        kind = "test" if own[0].test is not None else "dev"
        shown.add_row(loss, kind, *(f"{value:.1f}" for value in np.mean(rows, axis=0)))
    for name, values in PUBLISHED_ON_MSVD.items() if published else ():
        shown.add_row(f"published: {name}", "test", *(f"{value:.1f}" for value in values))
    return shown


def _splits(
    data: CaptionedDataset, cache: Path, extractors: FeatureExtractors, *, move: bool, console: Console
) -> dict[str, Split]:
    """The features of each split."""
    owners = np.array(data.clip_of_caption)
    read = pan if move else read_clip
    with progress(console, "Clips") as report:
        clips = extract(
            [clip.path for clip in data.clips],
            lambda paths: extractors.clip_features([read(path, extractors.sampling) for path in paths]),
            (extractors.frame_dimension,),
            cache / "clips.npy",
            report,
            batch=16,
        )
    with progress(console, "Sentences") as report:
        sentences = extractors.text_features(data.captions, cache, report)
    clip_rows, text_rows = torch.from_numpy(np.array(clips)), torch.from_numpy(np.array(sentences))
    splits = {}
    for name in (TRAIN, DEV, TEST):
        positions = np.array(data.split(name), dtype=np.int64)
        own = np.nonzero(np.isin(owners, positions))[0]
        if len(positions):
            clip_of = torch.from_numpy(np.searchsorted(positions, owners[own]))
            splits[name] = Split(clip_rows[positions], text_rows[own], clip_of)
    if not {TRAIN, DEV} <= set(splits):
        raise DatasetError(f"{data.name} has no training clips, or no validation clips.")
    counts = ", ".join(f"{len(split.clips)} {name}" for name, split in splits.items())
    console.print(f"{data.name}: {counts} clips, {len(owners)} sentences, {data.gone} clips gone.")
    return splits


def _fit(splits: dict[str, Split], options: ProjectionOptions, console: Console) -> Result:
    with progress(console, f"{options.loss}, seed {options.seed}") as report:
        maps, dev = fit(splits[TRAIN], splits[DEV], options, report)
    test = evaluate(maps, splits[TEST]) if TEST in splits else None
    return Result(options.loss, options.seed, dev, test, maps)


def run_main() -> None:
    """The program ``deepgif-train``."""
    typer.run(main)


if __name__ == "__main__":
    run_main()
