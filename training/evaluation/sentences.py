"""``python -m deepgif.training.evaluation.sentences``: how well a bundle ranks pairs of sentences by similarity.

Spearman's rank correlation between the cosines of a bundle's sentence vectors and given scores from 0 to 5, as the
literature reports it (Cer et al. 2017). ``sentence_pairs.tsv`` beside this file has captions, headlines, chat, phrases
and definitions. Many are near misses ("rise" for "fall"), so figures on it are lower than on the usual sets.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from deepgif.models.bundles.load import bundle_folder, load_two_towers
from deepgif.models.bundles.manifest import BundleError
from deepgif.training.data.datasets import DatasetError
from deepgif.training.evaluation.figures import spearman
from deepgif.training.progress import program

PAIRS = Path(__file__).with_name("sentence_pairs.tsv")
COLUMNS = ("score", "first", "second")
Pairs = list[tuple[float, str, str]]


def read_pairs(path: Path) -> Pairs:
    """Scores and sentences of a TSV with the columns ``score``, ``first`` and ``second``. Raises ``DatasetError``."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return [(float(row["score"]), row["first"], row["second"]) for row in rows]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a table of sentence pairs with the columns {', '.join(COLUMNS)}.") from error


def main(
    pairs: Annotated[Path, typer.Argument(help="A TSV with the columns score, first and second.")] = PAIRS,
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
) -> None:
    """Measure how well a bundle's sentence vectors rank pairs of sentences: Spearman's correlation in percent."""
    with program(Console(stderr=True), BundleError, DatasetError):
        rows = read_pairs(pairs)
        encoder = load_two_towers(bundle_folder(bundle))
    scores, first, second = zip(*rows, strict=True)
    correlation = agreement(encoder.text_features(first), encoder.text_features(second), np.array(scores, np.float32))
    Console().print(f"{encoder.space}: {correlation:.1f} on {len(rows)} pairs")


def agreement(first: NDArray[np.float32], second: NDArray[np.float32], scores: NDArray[np.float32]) -> float:
    """Spearman's correlation, in percent, of the cosines of unit vectors (N, B) and scores (N,)."""
    return 100 * spearman((first * second).sum(axis=1), scores)


if __name__ == "__main__":
    typer.run(main)
