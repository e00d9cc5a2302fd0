"""A model's fitted ranking parameters: ``ranking.json`` and ``bank.safetensors`` in its bundle."""

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
NEAREST = 10  # queries of the bank that a GIF's hubness is computed from

# For models without fitted parameters: frames and text weigh the same, the provider's rank breaks ties.
UNFITTED = RankingModel(
    weights=FusionWeights(
        visual=1.0, text=1.0, rank=0.2, visual_of_text=0.3, visual_of_rank=0.0, words=4.0, trigrams=6.0
    ),
    indexed=Calibration(bias=-4.0, top=0.9, gap=0.3, agreement=0.3, count=0.0),
    reranked=Calibration(bias=-3.0, top=0.9, gap=0.3, agreement=0.3, count=0.0),
    hubness=0.0,
)


@dataclass(frozen=True, slots=True)
class QueryBank:
    """Typical queries as unit vectors (B, D), to find GIFs that are near to every query (query-bank normalisation;
    Bogolin et al. 2022 use such a bank in another form). ``mean_hubness`` is the mean over the GIFs it was fitted
    on."""

    vectors: Vectors
    mean_hubness: float

    def hubness(self, gifs: Vectors) -> NDArray[np.float32]:
        """(N,) the mean similarity of GIFs (N, D) to their ``NEAREST`` queries, less that of the average GIF."""
        if not len(self.vectors) or not len(gifs):
            return np.zeros(len(gifs), np.float32)
        count = min(NEAREST, len(self.vectors))
        nearest = np.partition(gifs @ self.vectors.T, -count, axis=1)[:, -count:]
        return np.asarray(nearest.mean(axis=1) - self.mean_hubness, np.float32)


def load_ranking(bundle: Path, space: str) -> tuple[RankingModel, QueryBank]:
    """The parameters and the bank fitted for the model ``space``; ``UNFITTED`` and an empty bank if there are none for
    this version. Raises ``ModelError`` if the files are damaged."""
    nothing = UNFITTED, QueryBank(np.zeros((0, 1), np.float32), 0.0)
    try:
        fitted = json.loads((bundle / RANKING).read_text(encoding="utf-8"))
        if fitted["model"] != space:
            return nothing
        model = RankingModel(
            weights=FusionWeights(**fitted["weights"]),
            indexed=Calibration(**fitted["indexed"]),
            reranked=Calibration(**fitted["reranked"]),
            hubness=float(fitted["hubness"]),
        )
        vectors = load_file(bundle / BANK)["queries"].astype(np.float32)
        return model, QueryBank(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), float(fitted["mean_hubness"]))
    except FileNotFoundError:
        return nothing
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{bundle / RANKING} or {BANK} beside it is damaged. Install the model again.") from error


def save_ranking(bundle: Path, space: str, model: RankingModel, bank: QueryBank) -> None:
    """Writes the parameters fitted for the model ``space`` into its bundle."""
    fitted: dict[str, Any] = {name: asdict(getattr(model, name)) for name in ("weights", "indexed", "reranked")}
    fitted |= {"model": space, "hubness": model.hubness, "mean_hubness": bank.mean_hubness}
    (bundle / RANKING).write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")
    save_file({"queries": bank.vectors.astype(np.float16)}, bundle / BANK)
