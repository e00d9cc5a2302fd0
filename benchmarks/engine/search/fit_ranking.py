"""``python -m benchmarks.engine.search.fit_ranking DATA [--gifs FOLDER] [--out BUNDLE]``: fits the weight of each
kind of evidence, and the probability that the best GIF is right; prints what each gives on held-out queries, and the
calibration.

All sets count the same: photographs with simulated texts (``DATA`` contains ``flickr8k``; ``labelled`` says
what is simulated), the bundled GIFs with their chat queries (dev) and every other description, and half of the real
GIFs in FOLDER (``phrases.csv``), with and without titles. The other halves are held out.
"""

from __future__ import annotations

import asyncio
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

from benchmarks.engine.search.folders import (
    UNRELATED,
    Query,
    Retrieved,
    chat_queries,
    descriptions,
    phrase_queries,
    phrases,
    retrieve,
    roughly,
    titled_copy,
)
from benchmarks.engine.search.labelled import LabelledSet, Vectors, ndcg, photographs
from benchmarks.measure import machine
from deepgif.engine.engine import load_reaction_reader
from deepgif.engine.index.lexical import Frequencies
from deepgif.engine.index.words import stems_of
from deepgif.engine.protocols import SentenceEncoder
from deepgif.engine.search.lexical import lexical_evidence
from deepgif.engine.search.ranking import (
    RANK_CONSTANT,
    Calibration,
    FusionWeights,
    RankingModel,
    ScoredCandidate,
    Signals,
    confidence,
    features,
    fuse,
    score_statistics,
)
from deepgif.engine.search.ranking_model import UNFITTED, QueryBank, save_ranking
from deepgif.engine.search.reactions import ReactionReader
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
    words: tuple[tuple[str, ...], ...]  # the texts of each item
    frequencies: Frequencies
    reactions: NDArray[np.float32]  # (queries, items): how well both agree on a reaction

    def shares(self, number: int, places: NDArray[np.int64]) -> list[list[float]]:
        """The lexical shares of the items at ``places`` for a query."""
        documents = [self.words[place] for place in places]
        return lexical_evidence(self.labelled.queries[number].words, documents, self.frequencies).tolist()


@dataclass(frozen=True, slots=True)
class Judged:
    """A ranking with the relevance of each GIF in it."""

    scored: list[ScoredCandidate]
    relevance: NDArray[np.float32]  # of the scored, in their order
    possible: NDArray[np.float32]  # of all that could be shown
    count: int


def embed(encoder: Encoder, labelled: LabelledSet, reader: ReactionReader | None) -> Embedded:
    """All vectors of a labelled set; without a ``reader``, no reactions."""
    parts = [labelled.items[start : start + AT_ONCE] for start in range(0, len(labelled.items), AT_ONCE)]
    pixels = [encoder.encode_clips([read_clip(item.path, encoder.sampling) for item in part]) for part in parts]
    keys = tuple(GifKey("p", f"{place:05}") for place in range(len(labelled.items)))
    words = tuple(
        Gif(key, item.title, item.alt_text, Rating.G, "", 0, 0, tags=item.tags).texts
        for key, item in zip(keys, labelled.items, strict=True)
    )
    frequencies = Frequencies()
    for some in words:
        frequencies.add(stems_of(some))
    texts = encoder.encode_texts([describe(some) for some in words])
    queries = encoder.encode_texts([query.words for query in labelled.queries])
    reactions = np.zeros((len(queries), len(words)), np.float32)
    if reader is not None and isinstance(encoder, SentenceEncoder):
        asked_for = [query.words for query in labelled.queries]
        asked = reader.queries(asked_for, encoder.text_features(asked_for))
        reactions = np.stack([reader.evidence(one, words) for one in asked])
    return Embedded(labelled, np.concatenate(pixels), texts, queries, keys, words, frequencies, reactions)


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
        Signals(
            data.keys[place], float(seen), float(said), rank, *shares, reaction=float(data.reactions[number, place])
        )
        for rank, (place, seen, said, shares) in enumerate(
            zip(places, visual, text, data.shares(number, places), strict=True)
        )
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
    visual, text = data.pixels[chosen] @ vector - model.hubness * hubness[chosen], data.texts[chosen] @ vector
    signals = [
        Signals(
            data.keys[place], float(seen), float(said), None, *shares, reaction=float(data.reactions[number, place])
        )
        for place, seen, said, shares in zip(chosen, visual, text, data.shares(number, chosen), strict=True)
    ]
    statistics = score_statistics(visual.tolist()), score_statistics(text.tolist())
    return _judged(fuse(signals, model.weights, *statistics), query.relevance, chosen, len(chosen))


def _judged(
    scored: list[ScoredCandidate], relevance: NDArray[np.float32], places: NDArray[np.int64], count: int
) -> Judged:
    order = [int(one.signals.key.id) for one in scored]
    return Judged(scored, relevance[order], relevance[places], count)


Example = tuple[NDArray[np.float64], NDArray[np.float64]]  # features (N, 7) of N candidates, relevance (N,)


def features_of(scored: Sequence[ScoredCandidate], hits: bool) -> NDArray[np.float64]:
    """(N, 7): standardised frames, text and rank, the cubes of the lexical shares, and the reaction."""
    ranks = [0.0 if hits or one.signals.rank is None else 1 / (RANK_CONSTANT + 1 + one.signals.rank) for one in scored]
    statistics = score_statistics(ranks)
    return np.array(
        [
            (
                one.visual or 0.0,
                one.text or 0.0,
                statistics.standardise(rank),
                one.signals.words**3,
                one.signals.trigrams**3,
                one.signals.exact**3,
                one.signals.reaction,
            )
            for one, rank in zip(scored, ranks, strict=True)
        ]
    )


def photo_examples(
    data: Embedded, numbers: Sequence[int], hubness: NDArray[np.float32], weight: float
) -> list[Example]:
    """The examples of a provider's first hundred."""
    unit = replace(UNFITTED, hubness=weight)
    judged = [reranked(data, number, hubness, unit) for number in numbers]
    return [(features_of(one.scored, hits=False), one.relevance.astype(np.float64)) for one in judged]


def hit_examples(found: Sequence[Retrieved]) -> list[Example]:
    """The examples of queries over a folder."""
    examples = []
    for one in found:
        scored = fuse(one.hits.signals, UNFITTED.weights, one.hits.visual, one.hits.text)
        relevance = np.array([float(each.signals.key in one.right) for each in scored])
        examples.append((features_of(scored, hits=True), relevance))
    return examples


def fit_weights(sets: Sequence[Sequence[Example]], slopes: Sequence[Example]) -> FusionWeights:
    """The weights, none below zero, that make the softmax over each query's candidates nearest to their relevance
    (ListNet); every set counts the same. ``slopes`` are the examples that frames are predicted from text and rank
    on."""
    prepared = [[(torch.from_numpy(x), torch.from_numpy(y / y.sum())) for x, y in one if y.sum() > 0] for one in sets]
    prepared = [one for one in prepared if one]
    raw = nn.Parameter(torch.zeros(7, dtype=torch.float64))

    def loss() -> torch.Tensor:
        weights = nn.functional.softplus(raw)
        means = [
            torch.stack([-(y * torch.log_softmax(x @ weights, dim=0)).sum() for x, y in one]).mean() for one in prepared
        ]
        return torch.stack(means).mean() + 1e-3 * weights.square().sum()

    _minimise([raw], loss)
    visual, text, rank, words, trigrams, exact, reaction = nn.functional.softplus(raw).tolist()
    flat = np.concatenate([x for x, _ in slopes])
    of_text, of_rank = np.linalg.lstsq(flat[:, 1:3], flat[:, 0], rcond=None)[0]
    return FusionWeights(visual, text, rank, float(of_text), float(of_rank), words, trigrams, exact, reaction)


def judged_hits(found: Sequence[Retrieved], weights: FusionWeights) -> list[Judged]:
    """Rankings of queries over a folder."""
    result = []
    for one in found:
        scored = fuse(one.hits.signals, weights, one.hits.visual, one.hits.text)
        relevance = np.array([float(each.signals.key in one.right) for each in scored], np.float32)
        if scored:
            result.append(Judged(scored, relevance, relevance, one.hits.count))
    return result


def fit_calibration(sets: Sequence[Sequence[Judged]], weights: FusionWeights) -> Calibration:
    """The logistic model of whether the best GIF is right; every set counts the same."""
    judged = [one for some in sets for one in some]
    shares = torch.tensor([1 / len(some) for some in sets for _ in some], dtype=torch.float64)
    x = torch.tensor([features(one.scored, weights, one.count) for one in judged], dtype=torch.float64)
    y = torch.tensor([float(one.relevance[0] >= FITS) for one in judged], dtype=torch.float64)
    slopes, bias = nn.Parameter(torch.zeros(5, dtype=torch.float64)), nn.Parameter(torch.zeros((), dtype=torch.float64))

    def loss() -> torch.Tensor:
        log_odds = x @ slopes + bias
        each = nn.functional.binary_cross_entropy_with_logits(log_odds, y, weight=shares, reduction="sum")
        return each / len(sets) + 1e-4 * slopes.square().sum()

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
    gifs: Annotated[Path | None, typer.Option(help="Folder of real GIFs with phrases.csv.", exists=True)] = None,
    out: Annotated[Path | None, typer.Option(help="Bundle to write ranking.json and bank.safetensors into.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps embeddings.")] = None,
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
) -> None:
    """Fit the ranking of a model, and print what it gives."""
    print(machine())
    encoder = load_bundle(bundle_folder(bundle))
    with tempfile.TemporaryDirectory() as temporary:
        kept = cache or Path(temporary)
        reading = replace(UNFITTED, weights=replace(UNFITTED.weights, reaction=1.0))
        reader = load_reaction_reader(bundle_folder(bundle), encoder, reading)
        photos = embed(encoder, photographs(data, "dev", kept), reader)
        bank = make_bank(encoder, data, photos.pixels)
        fitting, held_out = asyncio.run(folder_sets(gifs, bundle, kept))
    hot = bank.hubness(photos.pixels)
    numbers = range(len(photos.queries))
    photo_fit, photo_rest = numbers[::2], numbers[1::2]

    best: tuple[float, RankingModel] | None = None
    for hubness in HUBNESS:
        examples = photo_examples(photos, photo_fit, hot, hubness)
        weights = fit_weights([examples, *(hit_examples(found) for found in fitting.values())], examples)
        model = replace(UNFITTED, weights=weights, hubness=hubness)
        gain, _ = quality([reranked(photos, number, hot, model) for number in photo_fit])
        print(f"hubness {hubness:.2f}: nDCG@10 {gain:.1f} on the photographs of the fit")
        if best is None or gain > best[0] + 0.05:
            best = gain, model
    assert best is not None
    model = best[1]

    def libraries(which: Sequence[int]) -> list[Judged]:
        return [indexed(photos, number, hot, model, SIZES[number // 2 % len(SIZES)]) for number in which]

    over_folders = [judged_hits(found, model.weights) for found in fitting.values()]
    model = replace(
        model,
        reranked=fit_calibration([[reranked(photos, one, hot, model) for one in photo_fit]], model.weights),
        indexed=fit_calibration([libraries(photo_fit), *over_folders], model.weights),
    )
    print(f"{model}\n\nnDCG@10 and best first, of the provider's first hundred, {len(photo_rest)} held-out queries")
    weights = model.weights
    none = FusionWeights(0.0, 0.0, 0.0, weights.visual_of_text, weights.visual_of_rank)
    for name, tried in {
        "provider's order": replace(model, weights=replace(none, rank=1.0)),
        "pixels": replace(model, hubness=0.0, weights=replace(none, visual=1.0)),
        "pixels, query bank": replace(model, weights=replace(none, visual=1.0)),
        "texts": replace(model, weights=replace(none, text=1.0)),
        "all but words": replace(model, weights=replace(weights, words=0.0, trigrams=0.0, exact=0.0)),
        "all but reactions": replace(model, weights=replace(weights, reaction=0.0)),
        "all": model,
    }.items():
        gain, first = quality([reranked(photos, number, hot, tried) for number in photo_rest])
        print(f"{name:>24}: {gain:5.1f} {first:5.1f}")
    for name, found in held_out.items():
        judged = judged_hits(found, weights)
        print(f"{name:>24}: best first {100 * np.mean([one.relevance[0] for one in judged]):5.1f} of {len(judged)}")
        print_calibration(name, judged, model, model.indexed)
    print_calibration("photographs, indexed", libraries(photo_rest), model, model.indexed)
    print_calibration(
        "photographs, reranked", [reranked(photos, one, hot, model) for one in photo_rest], model, model.reranked
    )
    if out is not None:
        save_ranking(out, encoder.space, model, bank)
        print(f"\nwritten to {out}")


async def folder_sets(
    gifs: Path | None, bundle: str, cache: Path
) -> tuple[dict[str, list[Retrieved]], dict[str, list[Retrieved]]]:
    """The sets to fit on and the sets to measure on, by name."""
    described = descriptions()
    unrelated = [Query(text, frozenset()) for text in UNRELATED]
    fitting = {"chat": chat_queries("dev"), "descriptions": described[::2], "unrelated": unrelated[::2]}
    held_out = {"chat": chat_queries("test"), "descriptions": described[1::2], "unrelated": unrelated[1::2]}
    found = [
        {name: await retrieve(None, queries, bundle, cache / "bundled") for name, queries in sets.items()}
        for sets in (fitting, held_out)
    ]
    if gifs is not None:
        named = phrases(gifs)
        queries = phrase_queries(named)
        for titled in (True, False):
            folder = titled_copy(gifs, named, cache / f"{gifs.name}-{titled}", titled=titled)
            asked = [*queries, *roughly(queries)] if titled else queries
            hits = await retrieve(folder, asked, bundle, cache / f"{gifs.name}-{titled}-data")
            for half in range(2):
                found[half]["titled" if titled else "untitled"] = hits[half::2]
    return found[0], found[1]


if __name__ == "__main__":
    typer.run(main)
