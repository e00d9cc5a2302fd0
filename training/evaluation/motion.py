"""How well a model tells apart clips that differ only in the order of their frames.

    python -m deepgif.training.evaluation.motion --bundle small_motion

Each pair gives four choices: a clip for each of its two sentences, and a sentence for each of its two clips. Subjects,
settings and wordings are those that ``deepgif.training.motion.train`` holds out. Chance is 50 %; a mean over frames
reaches no more, since a tie counts half.
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
from rich.table import Table

from deepgif.models.bundles.encoder import Encoder
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.manifest import BundleError
from deepgif.training.progress import program, progress
from deepgif.training.scenes.pairs import Pair, draw_pairs, render_pair, sentences
from deepgif.training.scenes.stage import DEFAULT_FONT, FontMissingError, Glyphs

TIE = 1e-5  # of cosines: the mean of the same frames in another order differs in its last bits
WORDINGS = 3  # of each pair
BATCH = 8
ALL = "all"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Percentages of right choices of a clip for a sentence, and of a sentence for a clip."""

    clip: float
    sentence: float


def evaluate(
    pairs: Sequence[Pair],
    clips: NDArray[np.float32],
    encode_texts: Callable[[Sequence[str]], NDArray[np.float32]],
    seed: int = 0,
) -> dict[str, Accuracy]:
    """The accuracy of each kind by its name, and of ``ALL``. ``clips`` (N, 2, D) are the unit vectors of the clips and
    their reverses; ``encode_texts`` returns those of sentences."""
    rng = random.Random(seed)  # noqa: S311 - variety, not secrets
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(WORDINGS):
        drawn = [sentences(pair, rng, held_out=True) for pair in pairs]
        vectors = encode_texts([text for both in drawn for text in both]).reshape(len(pairs), 2, -1)
        scores = np.einsum("nxd,nyd->nxy", vectors, clips)  # (N, sentences, clips)
        for pair, score in zip(pairs, scores, strict=True):
            clip_right = (_right(score[0, 0], score[0, 1]) + _right(score[1, 1], score[1, 0])) / 2
            sentence_right = (_right(score[0, 0], score[1, 0]) + _right(score[1, 1], score[0, 1])) / 2
            for name in (pair.kind.name, ALL):
                found.setdefault(name, []).append((clip_right, sentence_right))
    means = {name: 100 * np.mean(found[name], axis=0) for name in [*(n for n in found if n != ALL), ALL]}
    return {name: Accuracy(float(clip), float(sentence)) for name, (clip, sentence) in means.items()}


def clip_vectors(encoder: Encoder, pairs: Sequence[Pair], glyphs: Glyphs, console: Console) -> NDArray[np.float32]:
    """(N, 2, D) of the clips of pairs and of their reverses, rendered with the number of frames the encoder uses."""
    rows = []
    with progress(console, "Clips") as report:
        for start in range(0, len(pairs), BATCH):
            part = pairs[start : start + BATCH]
            clips = [render_pair(pair, encoder.sampling.size, encoder.sampling.count, glyphs) for pair in part]
            both = [clip[::way] for clip in clips for way in (1, -1)]
            rows.append(encoder.encode_clips(both).reshape(len(part), 2, -1))
            report(start + len(part), len(pairs))
    return np.concatenate(rows)


def accuracy_table(models: Mapping[str, Mapping[str, Accuracy]]) -> Table:
    """Models side by side."""
    table = Table("differs in", *(f"{name}: {what}" for name in models for what in ("clip", "sentence")))
    for kind in next(iter(models.values())):
        cells = (f"{value:.1f}" for model in models.values() for value in (model[kind].clip, model[kind].sentence))
        table.add_row(kind, *cells)
    return table


def main(
    bundle: Annotated[list[str], typer.Option(help="A shipped bundle's name, or a bundle's folder; may be repeated.")],
    pairs: Annotated[int, typer.Option(min=11, help="How many pairs to draw.")] = 440,
    seed: Annotated[int, typer.Option(help="Which pairs to draw: 1 in development, 2 for results.")] = 2,
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
) -> None:
    """Measure how often a model picks the right one of a clip and its reverse for a sentence, and the right one of two
    sentences for a clip, in percent. Chance is 50."""
    console = Console(stderr=True)
    drawn = draw_pairs(pairs, seed, held_out=True)
    with program(console, BundleError, FontMissingError):
        glyphs = Glyphs(font)
        models = {}
        for name in bundle:
            encoder = load_bundle(bundle_folder(name))
            models[encoder.space] = evaluate(drawn, clip_vectors(encoder, drawn, glyphs, console), encoder.encode_texts)
    Console().print(accuracy_table(models))


def _right(own: float, other: float) -> float:
    """1 if the right one scores higher, 0.5 for a tie."""
    return 0.5 if abs(own - other) < TIE else float(own > other)


if __name__ == "__main__":
    typer.run(main)
