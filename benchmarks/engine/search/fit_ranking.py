"""``python -m benchmarks.engine.search.fit_ranking DATA [--out BUNDLE]``: fits how pixels, texts and the provider's
order are weighed, and how likely the best GIF is right; prints what each part gives on queries that the fit did not
see, and the calibration curve. ``DATA`` holds ``flickr8k``; see ``labelled`` for what is simulated."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import nn

from benchmarks.engine.search.labelled import LabelledSet, Vectors, ndcg, photographs, shipped
from benchmarks.measure import CATALOGUE, machine
from deepgif.engine.search.ranking import (
    Calibration,
    FusionWeights,
    RankingModel,
    ScoredCandidate,
    ScoreStatistics,
    Signals,
    confidence,
    features,
    fuse,
    score_statistics,
)
from deepgif.engine.search.ranking_model import UNFITTED, QueryBank, save_ranking
from deepgif.engine.types import Gif, GifKey, Rating, describe
from deepgif.models.bundles.encoder import Encoder
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.training.data.clips import read_clip
from deepgif.training.data.datasets import read_captions

BANK = 512
HUBNESS = (0.0, 0.15, 0.3, 0.45, 0.6)
FITS = 0.5  # a GIF of at least this relevance shows what was asked for
SIZES = (30, 100, 300, 1000)  # GIFs known, in the simulated libraries
BINS = np.linspace(0.0, 1.0, 11)
AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Embedded:
    """A labelled set with its vectors."""

    labelled: LabelledSet
    pixels: Vectors  # (items, D)
    texts: Vectors  # (items, D)
    queries: Vectors  # (queries, D)
    keys: tuple[GifKey, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A ranking with the relevance of each GIF in it."""

    scored: list[ScoredCandidate]
    relevance: NDArray[np.float32]  # of the scored, in their order
    possible: NDArray[np.float32]  # of all that could be shown
    count: int


def embed(encoder: Encoder, labelled: LabelledSet) -> Embedded:
    """All vectors of a labelled set."""
    parts = [labelled.items[start : start + AT_ONCE] for start in range(0, len(labelled.items), AT_ONCE)]
    pixels = [encoder.encode_clips([read_clip(item.path, encoder.sampling) for item in part]) for part in parts]
    keys = tuple(GifKey("p", f"{place:05}") for place in range(len(labelled.items)))
    texts = [
        describe(Gif(key, item.title, item.alt_text, Rating.G, "", 0, 0, tags=item.tags).texts)
        for key, item in zip(keys, labelled.items, strict=True)
    ]
    words = [query.words for query in labelled.queries]
    return Embedded(labelled, np.concatenate(pixels), encoder.encode_texts(texts), encoder.encode_texts(words), keys)


def make_bank(encoder: Encoder, data: Path, pixels: Vectors) -> QueryBank:
    """Centres of the sentences of the training photographs (spherical k-means), and how hot ``pixels`` usually are."""
    sentences = [clip.captions[0] for clip in read_captions(data / "flickr8k" / "train.txt", files=False).clips]
    vectors = torch.from_numpy(encoder.encode_texts(sentences))
    generator = torch.Generator().manual_seed(0)
    centres = vectors[torch.randperm(len(vectors), generator=generator)[:BANK]]
    for _ in range(20):
        nearest = (vectors @ centres.T).argmax(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        centres = nn.functional.normalize(torch.where(sums.norm(dim=1, keepdim=True) > 0, sums, centres), dim=1)
    bank = QueryBank(centres.numpy().astype(np.float16).astype(np.float32), 0.0)
    return replace(bank, mean_hubness=float(bank.hubness(pixels).mean()))


def reranked(data: Embedded, number: int, hubness: NDArray[np.float32], model: RankingModel) -> Judged:
    """A provider's first hundred, reranked."""
    query, vector = data.labelled.queries[number], data.queries[number]
    places = np.array(query.order)
    visual = data.pixels[places] @ vector - model.hubness * hubness[places]
    text = data.texts[places] @ vector
    signals = [
        Signals(data.keys[place], float(seen), float(said), rank)
        for rank, (place, seen, said) in enumerate(zip(places, visual, text, strict=True))
    ]
    return _judged(fuse(signals, model.weights), query.relevance, places, len(places))


def indexed(data: Embedded, number: int, hubness: NDArray[np.float32], model: RankingModel, size: int) -> Judged:
    """A search among ``size`` GIFs that are known; the described one is there in half of the queries."""
    query, vector = data.labelled.queries[number], data.queries[number]
    rng = random.Random(f"{number} {size}")
    own = int(query.relevance.argmax())
    places = rng.sample([place for place in range(len(data.keys)) if place != own], min(size, len(data.keys)) - 1)
    places.append(own if rng.random() < 0.5 else places[0])
    chosen = np.unique(places)
    raw, text = data.pixels[chosen] @ vector, data.texts[chosen] @ vector
    visual = raw - model.hubness * hubness[chosen]
    signals = [
        Signals(data.keys[place], float(seen), float(said))
        for place, seen, said in zip(chosen, visual, text, strict=True)
    ]
    spreads = ScoreStatistics(float(raw.mean()), float(raw.std())), score_statistics(text.tolist())
    return _judged(fuse(signals, model.weights, *spreads), query.relevance, chosen, len(chosen))


def _judged(
    scored: list[ScoredCandidate], relevance: NDArray[np.float32], places: NDArray[np.int64], count: int
) -> Judged:
    order = [int(one.signals.key.id) for one in scored]
    return Judged(scored, relevance[order], relevance[places], count)


def fit_weights(data: Embedded, numbers: Sequence[int], hubness: NDArray[np.float32], weight: float) -> FusionWeights:
    """The weights that make the softmax over each query's candidates nearest to their relevance."""
    unit = RankingModel(
        replace(UNFITTED.weights, visual=0.0, text=0.0, rank=1.0), UNFITTED.indexed, UNFITTED.reranked, weight
    )
    rows, targets = [], []
    for number in numbers:
        judged = reranked(data, number, hubness, unit)
        if judged.relevance.sum() > 0:
            rows.append([[one.visual, one.text, one.score] for one in judged.scored])
            targets.append(judged.relevance / judged.relevance.sum())
    x, y = torch.tensor(np.array(rows), dtype=torch.float64), torch.tensor(np.array(targets), dtype=torch.float64)
    weights = nn.Parameter(torch.ones(3, dtype=torch.float64))
    _minimise([weights], lambda: -(y * torch.log_softmax(x @ weights, dim=1)).sum(dim=1).mean())
    flat = x.reshape(-1, 3).numpy()
    slopes = np.linalg.lstsq(flat[:, 1:], flat[:, 0], rcond=None)[0]
    visual, text, rank = (float(weight) for weight in weights)
    return FusionWeights(visual, text, rank, float(slopes[0]), float(slopes[1]))


def fit_calibration(judged: Sequence[Judged], weights: FusionWeights) -> Calibration:
    """The logistic model of whether the best GIF fits."""
    x = torch.tensor([features(one.scored, weights, one.count) for one in judged], dtype=torch.float64)
    y = torch.tensor([float(one.relevance[0] >= FITS) for one in judged], dtype=torch.float64)
    slopes, bias = nn.Parameter(torch.zeros(4, dtype=torch.float64)), nn.Parameter(torch.zeros((), dtype=torch.float64))

    def loss() -> torch.Tensor:
        odds = x @ slopes + bias
        return nn.functional.binary_cross_entropy_with_logits(odds, y) + 1e-4 * slopes.square().sum()

    _minimise([slopes, bias], loss)
    return Calibration(float(bias), *(float(slope) for slope in slopes))


def _minimise(parameters: list[nn.Parameter], loss: object) -> None:
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value: torch.Tensor = loss()  # type: ignore[operator]
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]


def quality(judged: Sequence[Judged]) -> tuple[float, float]:
    """Mean nDCG@10, and how often the described GIF is first, both in percent."""
    gains = [ndcg(one.relevance, range(len(one.scored)), one.possible) for one in judged]
    return 100 * float(np.mean(gains)), 100 * float(np.mean([one.relevance[0] == 1.0 for one in judged]))


def print_calibration(name: str, judged: Sequence[Judged], model: RankingModel, calibration: Calibration) -> None:
    """How often the best GIF fits, by how likely it was said to."""
    probabilities = np.array([confidence(one.scored, model.weights, calibration, one.count) for one in judged])
    fits = np.array([one.relevance[0] >= FITS for one in judged])
    print(f"\n{name}: {len(judged)} held-out queries, the best GIF fits in {100 * fits.mean():.1f} %")
    error = 0.0
    for low, high in itertools.pairwise(BINS):
        inside = (probabilities >= low) & (probabilities < high if high < 1 else probabilities <= high)
        if inside.any():
            said, true = probabilities[inside].mean(), fits[inside].mean()
            error += abs(said - true) * inside.mean()
            print(f"  said {100 * said:5.1f} %: fits in {100 * true:5.1f} % of {inside.sum()}")
    order = np.argsort(probabilities)
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    positive = int(fits.sum())
    area = (ranks[fits].sum() - positive * (positive + 1) / 2) / max(1, positive * (len(fits) - positive))
    print(f"  expected calibration error {100 * error:.1f} points, area under the ROC curve {area:.3f}")


def main(
    data: Annotated[Path, typer.Argument(help="Folder with flickr8k.", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option(help="Bundle to write ranking.json and bank.safetensors into.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the judging sentence vectors.")] = None,
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
) -> None:
    """Fit the ranking of a model, and print what it gives."""
    print(machine())
    encoder = load_bundle(bundle_folder(bundle))
    with tempfile.TemporaryDirectory() as temporary:
        kept = cache or Path(temporary)
        photos = embed(encoder, photographs(data, "dev", kept))
        scenes = embed(encoder, shipped(CATALOGUE, kept))
    bank = make_bank(encoder, data, photos.pixels)
    hot, hot_scenes = bank.hubness(photos.pixels), bank.hubness(scenes.pixels)
    numbers = range(len(photos.queries))
    fitting, held_out = numbers[::2], numbers[1::2]

    best: tuple[float, RankingModel] | None = None
    for hubness in HUBNESS:
        weights = fit_weights(photos, fitting, hot, hubness)
        model = replace(UNFITTED, weights=weights, hubness=hubness)
        gain, _ = quality([reranked(photos, number, hot, model) for number in fitting])
        print(f"hubness {hubness:.2f}: nDCG@10 {gain:.1f} on the queries of the fit")
        if best is None or gain > best[0] + 0.05:
            best = gain, model
    assert best is not None
    model = best[1]

    def libraries(which: Sequence[int]) -> list[Judged]:
        found = [indexed(photos, number, hot, model, SIZES[number // 2 % len(SIZES)]) for number in which]
        scene_numbers = range(which[0], len(scenes.queries), 2)
        return found + [
            indexed(scenes, number, hot_scenes, model, SIZES[number // 2 % len(SIZES)]) for number in scene_numbers
        ]

    model = replace(
        model,
        reranked=fit_calibration([reranked(photos, number, hot, model) for number in fitting], model.weights),
        indexed=fit_calibration(libraries(fitting), model.weights),
    )
    print(f"{model}\n\nnDCG@10 and best first, of the provider's first hundred, {len(held_out)} held-out queries")
    weights = model.weights
    only = replace(weights, visual=0.0, text=0.0, rank=0.0)
    for name, tried in {
        "provider's order": replace(model, weights=replace(only, rank=1.0)),
        "pixels": replace(model, hubness=0.0, weights=replace(only, visual=1.0)),
        "pixels, query bank": replace(model, weights=replace(only, visual=1.0)),
        "texts": replace(model, weights=replace(only, text=1.0)),
        "pixels and texts": replace(model, hubness=0.0, weights=replace(weights, rank=0.0)),
        "pixels, texts and order": replace(model, hubness=0.0),
        "all, with query bank": model,
    }.items():
        gain, first = quality([reranked(photos, number, hot, tried) for number in held_out])
        print(f"{name:>24}: {gain:5.1f} {first:5.1f}")
    print_calibration("indexed", libraries(held_out), model, model.indexed)
    print_calibration("reranked", [reranked(photos, number, hot, model) for number in held_out], model, model.reranked)
    if out is not None:
        save_ranking(out, encoder.space, model, bank)
        print(f"\nwritten to {out}")


if __name__ == "__main__":
    typer.run(main)
