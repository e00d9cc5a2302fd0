"""``python -m benchmarks.relevance [--gifs FOLDER ...] [--bundle BUNDLE]``: how often the right GIF is first, among
five and among ten, by each kind of evidence alone and by all together.

Chat queries and descriptions over the bundled GIFs; and for each FOLDER of real GIFs with ``phrases.csv`` (columns
``file`` and ``phrase``), the phrase of each GIF as a query: with the phrases as titles, as people type them roughly,
and without titles. "pixels only" is plain CLIP-style search.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

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
from benchmarks.measure import machine
from deepgif.engine.search.ranking import FusionWeights, RankingModel, confidence, fuse
from deepgif.engine.search.ranking_model import load_ranking
from deepgif.models.bundles.load import bundle_folder
from deepgif.models.bundles.manifest import read_info


def ways(weights: FusionWeights) -> dict[str, FusionWeights]:
    """Each kind of evidence alone, without each, and all together."""
    none = FusionWeights(0.0, 0.0, 0.0, weights.visual_of_text, weights.visual_of_rank)
    lexical = {"words": weights.words, "trigrams": weights.trigrams, "exact": weights.exact}
    return {
        "pixels only": replace(none, visual=1.0),
        "text vectors": replace(none, text=1.0),
        "words and letters": replace(none, **lexical),
        "reactions": replace(none, reaction=1.0),
        "vectors, no words": replace(weights, words=0.0, trigrams=0.0, exact=0.0),
        "all but pixels": replace(weights, visual=0.0, visual_of_text=0.0),
        "all": weights,
    }


def ranks(found: Sequence[Retrieved], weights: FusionWeights) -> list[int]:
    """The rank, from 0, of the best right GIF for each query; a large number if there is none."""
    result = []
    for one in found:
        scored = fuse(one.hits.signals, weights, one.hits.visual, one.hits.text)
        result.append(next((rank for rank, each in enumerate(scored) if each.signals.key in one.right), 10**6))
    return result


def print_table(name: str, found: Sequence[Retrieved], weights: FusionWeights) -> None:
    """One line for each way to rank."""
    print(f"\n{name}: {len(found)} queries\n  {'ranked by':>20}  first  in 5  in 10")
    for way, tried in ways(weights).items():
        places = np.array(ranks(found, tried))
        first, five, ten = (100 * float((places < limit).mean()) for limit in (1, 5, 10))
        print(f"  {way:>20}  {first:5.1f} {five:5.1f} {ten:6.1f}")


def print_trust(name: str, found: Sequence[Retrieved], model: RankingModel) -> None:
    """How often the best GIF is right where it is called a strong fit, and the calibration error."""
    said, right = [], []
    for one in found:
        scored = fuse(one.hits.signals, model.weights, one.hits.visual, one.hits.text)
        if scored:
            said.append(confidence(scored, model.weights, model.indexed, one.hits.count))
            right.append(scored[0].signals.key in one.right)
    likely, true = np.array(said), np.array(right)
    strong = likely >= model.thresholds.strong
    bins = np.clip((likely * 10).astype(int), 0, 9)
    error = sum(
        abs(likely[bins == one].mean() - true[bins == one].mean()) * (bins == one).mean() for one in np.unique(bins)
    )
    share = 100 * float(true[strong].mean()) if strong.any() else float("nan")
    counts = f"strong: {strong.sum()} of {len(likely)}, right {share:.1f} %"
    print(f"  {counts}; calibration error {100 * error:.1f} points")


def print_hubs(found: Sequence[Retrieved], weights: FusionWeights) -> None:
    """The largest share of unrelated queries for which one GIF is first."""
    firsts = Counter(
        fuse(one.hits.signals, weights, one.hits.visual, one.hits.text)[0].signals.key
        for one in found
        if one.hits.signals
    )
    ((_, count),) = firsts.most_common(1)
    print(f"  one GIF is first for at most {100 * count / len(found):.1f} % of {len(found)} unrelated queries")


async def measure(gifs: Sequence[Path], bundle: str, cache: Path) -> None:
    """Prints all tables."""
    folder = bundle_folder(bundle)
    model, _ = load_ranking(folder, read_info(folder).space)
    for name, queries in (
        ("Chat queries, dev", chat_queries("dev")),
        ("Chat queries, test", chat_queries("test")),
        ("Descriptions", descriptions()),
    ):
        found = await retrieve(None, queries, bundle, cache / "bundled")
        print_table(f"{name}, bundled GIFs", found, model.weights)
        print_trust(name, found, model)
    unrelated = [Query(text, frozenset()) for text in UNRELATED]
    for source in gifs:
        named = phrases(source)
        queries = phrase_queries(named)
        for titled in (True, False):
            copy = titled_copy(source, named, cache / f"{source.name}-{titled}", titled=titled)
            data = cache / f"{source.name}-{titled}-data"
            kinds = (
                {"phrases": queries, "phrases as people type them": roughly(queries)}
                if titled
                else {"phrases": queries}
            )
            for kind, some in kinds.items():
                found = await retrieve(copy, some, bundle, data)
                name = f"{source.name}, {'titled' if titled else 'untitled'}, {kind}"
                print_table(name, found, model.weights)
                print_trust(name, found, model)
            print_hubs(await retrieve(copy, unrelated, bundle, data), model.weights)


def main(
    gifs: Annotated[list[Path] | None, typer.Option(help="Folder of real GIFs with phrases.csv.", exists=True)] = None,
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the embeddings.")] = None,
) -> None:
    """Measure how often the right GIF is found."""
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(measure(gifs or (), bundle, cache or Path(temporary)))


if __name__ == "__main__":
    typer.run(main)
