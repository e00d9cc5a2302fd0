"""How well a model tells clips apart that differ in nothing but the order of their frames.

    python -m deepgif.training.evaluation.motion --bundle small_motion

Every pair is asked four things: which of the two clips each of its two sentences means, and which of the two sentences
each of its two clips is. Subjects, settings and wordings are those that the teaching of
``deepgif.training.motion.train`` leaves out. Chance is 50 %, and so is what a mean over frames reaches: a tie counts
half.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deepgif.models.bundles.encoder import Encoder
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.manifest import BundleError
from deepgif.training.scenes.pairs import Pair, draw_pairs, render_pair, sentences
from deepgif.training.scenes.stage import DEFAULT_FONT, FontMissingError, Glyphs

TIE = 1e-5  # of cosines: the mean of the same frames in another order differs in its last bits
WORDINGS = 3  # of each pair
AT_ONCE = 8
ALL = "all"


@dataclass(frozen=True, slots=True)
class Choices:
    """Percentages of right choices between two clips by words, and between two sentences by a clip."""

    clip: float
    sentence: float


def judge(
    pairs: Sequence[Pair],
    clips: NDArray[np.float32],
    texts: Callable[[Sequence[str]], NDArray[np.float32]],
    seed: int = 0,
) -> dict[str, Choices]:
    """By the name of each kind, and ``ALL``. ``clips`` (N, 2, D) are the unit vectors of the clips forwards and
    backwards, ``texts`` those of sentences."""
    rng = random.Random(seed)  # noqa: S311 - variety, not secrets
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(WORDINGS):
        said = [sentences(pair, rng, held_out=True) for pair in pairs]
        vectors = texts([text for both in said for text in both]).reshape(len(pairs), 2, -1)
        scores = np.einsum("nxd,nyd->nxy", vectors, clips)  # (N, sentences, clips)
        for pair, score in zip(pairs, scores, strict=True):
            by_words = (_right(score[0, 0], score[0, 1]) + _right(score[1, 1], score[1, 0])) / 2
            by_clip = (_right(score[0, 0], score[1, 0]) + _right(score[1, 1], score[0, 1])) / 2
            for name in (pair.kind.name, ALL):
                found.setdefault(name, []).append((by_words, by_clip))
    means = {name: 100 * np.mean(found[name], axis=0) for name in [*(n for n in found if n != ALL), ALL]}
    return {name: Choices(float(clip), float(sentence)) for name, (clip, sentence) in means.items()}


def clip_vectors(encoder: Encoder, pairs: Sequence[Pair], glyphs: Glyphs, console: Console) -> NDArray[np.float32]:
    """(N, 2, D) of the clips of pairs, forwards and backwards, drawn with as many frames as the encoder looks at."""
    rows = []
    parts = [pairs[start : start + AT_ONCE] for start in range(0, len(pairs), AT_ONCE)]
    for part in track(parts, "Clips", console=console, transient=True):
        clips = [render_pair(pair, encoder.sampling.size, encoder.sampling.count, glyphs) for pair in part]
        both = [clip[::way] for clip in clips for way in (1, -1)]
        rows.append(encoder.encode_clips(both).reshape(len(part), 2, -1))
    return np.concatenate(rows)


def choices_table(models: Mapping[str, Mapping[str, Choices]]) -> Table:
    """Figures of some models side by side."""
    table = Table("differs in", *(f"{name}: {what}" for name in models for what in ("clip", "sentence")))
    for kind in next(iter(models.values())):
        cells = (f"{value:.1f}" for model in models.values() for value in (model[kind].clip, model[kind].sentence))
        table.add_row(kind, *cells)
    return table


def main(
    bundle: Annotated[list[str], typer.Option(help="A shipped bundle's name, or a bundle's folder; may be repeated.")],
    pairs: Annotated[int, typer.Option(min=11, help="How many pairs to draw.")] = 440,
    seed: Annotated[int, typer.Option(help="Which pairs. The teaching looks at 1; the figures are of 2.")] = 2,
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
) -> None:
    """Measure how often a model tells a clip from the same clip backwards by words, and two sentences by a clip, in
    percent; 50 is chance."""
    console = Console(stderr=True)
    drawn = draw_pairs(pairs, seed, held_out=True)
    try:
        glyphs = Glyphs(font)
        models = {}
        for name in bundle:
            encoder = load_bundle(bundle_folder(name))
            models[encoder.space] = judge(drawn, clip_vectors(encoder, drawn, glyphs, console), encoder.encode_texts)
    except (BundleError, FontMissingError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    Console().print(choices_table(models))


def _right(own: float, other: float) -> float:
    """1 where the right one is ahead, half for a tie."""
    return 0.5 if abs(own - other) < TIE else float(own > other)


if __name__ == "__main__":
    typer.run(main)
