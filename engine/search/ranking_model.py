"""The fitted numbers of ranking that belong to one model: ``ranking.json`` and ``bank.safetensors`` in its bundle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from deepgif.engine.errors import ModelError
from deepgif.engine.protocols import Vectors
from deepgif.engine.search.ranking import Calibration, FusionWeights, RankingModel

RANKING, BANK = "ranking.json", "bank.safetensors"
HOTTEST = 10  # queries of the bank whose mean says how hot a GIF is

# What a model is ranked with that nothing was fitted for: pixels and texts alike, the order as a tie-break.
UNFITTED = RankingModel(
    weights=FusionWeights(visual=1.0, text=1.0, place=0.2, visual_of_text=0.3, visual_of_place=0.0),
    known=Calibration(bias=-4.0, top=0.9, gap=0.3, agreement=0.3, known=0.0),
    reranked=Calibration(bias=-3.0, top=0.9, gap=0.3, agreement=0.3, known=0.0),
    hubness=0.0,
)


@dataclass(frozen=True, slots=True)
class QueryBank:
    """Typical queries as unit vectors (B, D), to tell which GIFs are near to any query at all (query-bank
    normalisation; Bogolin et al. 2022 use the same bank in another form). ``usual`` is the mean hotness of GIFs."""

    vectors: Vectors
    usual: float

    def hubness(self, gifs: Vectors) -> NDArray[np.float32]:
        """(N,) how much nearer than usual the GIFs (N, D) lie to the ``HOTTEST`` queries that are nearest to each."""
        if not len(self.vectors) or not len(gifs):
            return np.zeros(len(gifs), np.float32)
        count = min(HOTTEST, len(self.vectors))
        nearest = np.partition(gifs @ self.vectors.T, -count, axis=1)[:, -count:]
        return np.asarray(nearest.mean(axis=1) - self.usual, np.float32)


def load_ranking(bundle: Path, space: str) -> tuple[RankingModel, QueryBank]:
    """What was fitted for the model ``space``, and its bank; ``UNFITTED`` and an empty bank where nothing was, or for
    another version. Raises ``ModelError`` where the files are damaged."""
    nothing = UNFITTED, QueryBank(np.zeros((0, 1), np.float32), 0.0)
    try:
        fitted = json.loads((bundle / RANKING).read_text(encoding="utf-8"))
        if fitted["model"] != space:
            return nothing
        model = RankingModel(
            weights=FusionWeights(**fitted["weights"]),
            known=Calibration(**fitted["known"]),
            reranked=Calibration(**fitted["reranked"]),
            hubness=float(fitted["hubness"]),
        )
        vectors = load_file(bundle / BANK)["queries"].astype(np.float32)
        return model, QueryBank(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), float(fitted["usual"]))
    except FileNotFoundError:
        return nothing
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{bundle / RANKING} or {BANK} beside it is damaged: install the model again.") from error


def save_ranking(bundle: Path, space: str, model: RankingModel, bank: QueryBank) -> None:
    """Writes what was fitted for the model ``space`` into its bundle."""
    fitted: dict[str, Any] = {name: asdict(getattr(model, name)) for name in ("weights", "known", "reranked")}
    fitted |= {"model": space, "hubness": model.hubness, "usual": bank.usual}
    (bundle / RANKING).write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")
    save_file({"queries": bank.vectors.astype(np.float16)}, bundle / BANK)
