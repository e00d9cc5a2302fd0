"""``deepgif-train``: teaches the two linear maps on a data set, with one loss or several, and shows what each reaches.

With VGG16 and Skip-Thoughts, as published, it writes the bundle ``classic``; on top of a bundle of the CLIP family, one
with adapters.
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
from deepgif.training.data.corpora import DEV, READERS, TEST, TRAIN, DescribedClips, fetch_tgif
from deepgif.training.data.datasets import DatasetError, pan, read_clip
from deepgif.training.data.features import extract
from deepgif.training.evaluation.retrieval import Recall
from deepgif.training.losses import Loss
from deepgif.training.progress import progress
from deepgif.training.projections.encoders import FeatureExtractors, Frames, Sentences, of_bundle, published, reader
from deepgif.training.projections.fit import PAIRS, Part, ProjectionOptions, judge, teach

LICENCE = "The maps are as free as the data they were taught on; VGG16 and Skip-Thoughts have their authors' terms."
# Sentence to clip on MSVD's 670 test clips, as its authors published it (models/README.md names the papers).
PUBLISHED_ON_MSVD = {
    "VSE": (12.3, 30.1, 42.3, 14),
    "VSE++": (15.4, 39.6, 53.0, 9),
    "Multi-Cues": (20.3, 47.8, 61.1, 6),
    "Collaborative Experts": (19.8, 49.0, 63.8, 6),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one loss reached with one seed, on the clips to choose with and on those of the test."""

    loss: Loss
    seed: int
    dev: Recall
    test: Recall | None
    maps: ProjectionHeads


def main(
    data: Annotated[str, typer.Argument(help=f"Which data set: {', '.join(READERS)}.")],
    folder: Annotated[Path, typer.Argument(help="Where it lies, as its authors publish it.")],
    run: Annotated[Path, typer.Option(help="Where features are kept; give it again to go on.")] = Path("runs/classic"),
    out: Annotated[
        Path | None, typer.Option(help="Folder of the bundle to write: the best of all that was taught.")
    ] = None,
    loss: Annotated[list[Loss] | None, typer.Option(help="Give it several times to compare losses.")] = None,
    pairs: Annotated[
        int, typer.Option(min=1, help="Pairs of clip and sentence to see, for each loss and seed.")
    ] = PAIRS,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, 0 and up.")] = 1,
    frames: Annotated[Frames, typer.Option(help="What sees the frames.")] = Frames.VGG16,
    sentences: Annotated[Sentences, typer.Option(help="What reads the sentences.")] = Sentences.SKIP_THOUGHTS,
    bundle: Annotated[
        str | None, typer.Option(help="Teach adapters on top of this bundle of the CLIP family, in place of both.")
    ] = None,
    weights: Annotated[
        Path, typer.Option(envvar="DEEPGIF_WEIGHTS_DIR", help="Folder of published weights; others are fetched.")
    ] = Path("weights"),
    mobilenet: Annotated[Path | None, typer.Option(help="MobileNetV2 as TensorFlow published it (.tflite).")] = None,
    skip: Annotated[Path | None, typer.Option(help="Folder of a uni-skip of one's own.")] = None,
    move: Annotated[bool, typer.Option("--pan", help="Make clips of photographs: the view moves over them.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="First fetch the GIFs of tgif that are not there.")] = False,
    device: Annotated[
        str, typer.Option(envvar="DEEPGIF_DEVICE", help="What computes features: auto, cpu, cuda:1, all, ...")
    ] = "auto",
) -> None:
    """Teach the two maps that glue frames and sentences together, and show what each loss finds.

    deepgif-train msvd MSVD --out models/classic

    deepgif-train flickr DATA/flickr8k --pan --frames mobilenet --mobilenet NET.tflite --sentences minilm --loss sum
    --loss hardest

    deepgif-train msr-vtt MSRVTT --bundle clip_vit_b_32 --out runs/clip-adapted
    """
    console = Console(stderr=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if data not in READERS:
            raise DatasetError(f"There is no data set “{data}”; there are {', '.join(READERS)}.")
        if out is not None and bundle is None and (frames, sentences) != (Frames.VGG16, Sentences.SKIP_THOUGHTS):
            raise DatasetError("Only maps between VGG16 and Skip-Thoughts make a bundle; leave --out away.")
        if (sentences is Sentences.UNI_SKIP) != (skip is not None):
            raise DatasetError("--sentences uni-skip and --skip FOLDER belong together.")
        if fetch:
            with progress(console, "GIFs") as report:
                console.print(f"{fetch_tgif(folder, report)} GIFs are gone for ever.")
        clips = READERS[data](folder)
        devices = choose_devices(device)
        if bundle is None:
            read = reader(sentences, weights, skip, str(torch_device(devices[0])))
            towers, what = published(frames, weights, mobilenet, devices, read), f"{frames} and {sentences}"
        else:
            towers, what = of_bundle(bundle, weights, devices), f"adapters on {bundle}"
        kept = run / f"{data}-{towers.name}{'-pan' if move else ''}"
        parts = _parts(clips, kept, towers, move=move, console=console)
        results = [
            _teach(parts, ProjectionOptions(one, pairs, seed=seed, adapt=bundle is not None), console)
            for one in loss or [Loss.INFO_NCE]
            for seed in range(seeds)
        ]
        Console().print(table(f"{data}, {what}", results, beside=data == "msvd"))
        if out is not None:
            best = max(results, key=lambda result: result.dev.total)
            if bundle is None:
                save_classic(out, "classic", LICENCE, best.maps)
            else:
                save_adapted(out, bundle_folder(bundle), best.maps)
            console.print(f"{out} is the bundle of {best.loss}: DEEPGIF_MODEL={out} DEEPGIF_WEIGHTS_DIR={weights}")
    except (BundleError, DatasetError, DeviceError, WeightsError, SkipFilesError, ValueError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        console.print(
            f"{error.name} is missing: pip install -c constraints.txt -e '.[classic,training]'",
            style="red",
            markup=False,
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print(f"Stopped. The same command goes on from {run}.")
        raise typer.Exit(130) from None


def table(title: str, results: Sequence[Result], *, beside: bool) -> Table:
    """What each loss found on the test clips, sentence to clip, the mean over its seeds; ``beside`` published figures.
    Without test clips, on those to choose with."""
    shown = Table("loss", "clips", "R@1", "R@5", "R@10", "median rank", title=title)
    for loss in dict.fromkeys(result.loss for result in results):
        own = [result for result in results if result.loss is loss]
        rows = [list(asdict(result.test or result.dev).values()) for result in own]
        kind = "test" if own[0].test is not None else "dev"
        shown.add_row(loss, kind, *(f"{value:.1f}" for value in np.mean(rows, axis=0)))
    for name, figures in PUBLISHED_ON_MSVD.items() if beside else ():
        shown.add_row(f"published: {name}", "test", *(f"{value:.1f}" for value in figures))
    return shown


def _parts(
    data: DescribedClips, run: Path, towers: FeatureExtractors, *, move: bool, console: Console
) -> dict[str, Part]:
    """Features of everything, and which are for what."""
    texts = [text for clip in data.clips for text in clip.sentences]
    owners = np.array([place for place, clip in enumerate(data.clips) for _ in clip.sentences])
    take = pan if move else read_clip
    paths = [clip.path for clip in data.clips]
    with progress(console, "Clips") as report:
        rows = extract(
            paths,
            lambda some: towers.see([take(path, towers.sampling) for path in some]),
            towers.frame_dimension,
            run / "clips.npy",
            report,
            batch=16,
        )
    with progress(console, "Sentences") as report:
        sentences = towers.read(texts, run, report)
    clip_rows, text_rows = torch.from_numpy(np.array(rows)), torch.from_numpy(np.array(sentences))
    parts = {}
    for split in (TRAIN, DEV, TEST):
        places = np.array(data.part(split), dtype=np.int64)
        own = np.nonzero(np.isin(owners, places))[0]
        if len(places):
            clip_of = torch.from_numpy(np.searchsorted(places, owners[own]))
            parts[split] = Part(clip_rows[places], text_rows[own], clip_of)
    if not {TRAIN, DEV} <= set(parts):
        raise DatasetError(f"{data.name} has no clips to train with, or none to choose with.")
    counts = ", ".join(f"{len(part.clips)} {split}" for split, part in parts.items())
    console.print(f"{data.name}: {counts} clips, {len(texts)} sentences, {data.gone} gone.")
    return parts


def _teach(parts: dict[str, Part], options: ProjectionOptions, console: Console) -> Result:
    with progress(console, f"{options.loss}, seed {options.seed}") as report:
        maps, dev = teach(parts[TRAIN], parts[DEV], options, lambda done, total, loss: report(done, total))
    test = judge(maps, parts[TEST]) if TEST in parts else None
    return Result(options.loss, options.seed, dev, test, maps)


def run_main() -> None:
    """The program ``deepgif-train``."""
    typer.run(main)


if __name__ == "__main__":
    run_main()
