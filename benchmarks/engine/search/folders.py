"""Queries over folders of GIFs, retrieved as the engine does: for fitting, and for ``benchmarks.relevance``."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deepgif.engine.engine import SHIPPED_CATALOGUE, load_reaction_reader, open_ingestion
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.search.fallback import POOL
from deepgif.engine.search.query import parse_query
from deepgif.engine.search.retrieval import Hits, RetrievalQuery, Retriever
from deepgif.engine.types import GifKey, Rating
from deepgif.models.bundles.load import bundle_folder

PHRASES = "phrases.csv"
AT_ONCE = 32
# Queries that no reaction GIF answers.
UNRELATED = (
    "quarterly earnings exceeded expectations", "a nurse takes a blood sample", "the committee postponed its decision",
    "an old castle in the fog", "a welder at work", "a parking ticket", "tax return deadline", "chapter seven summary",
    "blue whale migration", "how to fix a leaking tap", "roman aqueducts", "a glass of orange juice", "solar panels",
    "violin lessons for beginners", "map of the metro", "sourdough starter", "used car prices", "garden fence paint",
    "a lighthouse at dusk", "periodic table", "photosynthesis", "train timetable", "chess opening", "marble statue",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and the files (below the folder) that a person would accept."""

    text: str
    accepted: frozenset[str]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A query's hits, and which GIFs are right."""

    query: Query
    hits: Hits
    right: frozenset[GifKey]


def chat_queries(split: str) -> list[Query]:
    """The chat queries over the bundled GIFs, ``dev`` or ``test``."""
    with (SHIPPED_CATALOGUE / "queries.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return [Query(row["query"], frozenset(row["accepted"].split())) for row in rows]


def descriptions() -> list[Query]:
    """The descriptions of the bundled GIFs."""
    with (SHIPPED_CATALOGUE / "descriptions.csv").open(encoding="utf-8", newline="") as file:
        return [Query(row["sentence"], frozenset({row["file"]})) for row in csv.DictReader(file)]


def phrases(folder: Path) -> dict[str, str]:
    """The phrase that a person named each GIF with, by file, from ``phrases.csv`` in ``folder``."""
    with (folder / PHRASES).open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["phrase"] for row in csv.DictReader(file)}


def phrase_queries(named: Mapping[str, str]) -> list[Query]:
    """Each phrase as a query; GIFs with the same phrase are all right."""
    same: dict[str, set[str]] = {}
    for name, phrase in named.items():
        same.setdefault(phrase.casefold(), set()).add(name)
    return [Query(phrase, frozenset(files)) for phrase, files in same.items()]


def roughly(queries: Sequence[Query], seed: int = 0) -> list[Query]:
    """The same queries as people type them: a word left out, two letters swapped, an ending added."""
    rng, rough = random.Random(seed), []
    for query in queries:
        words = query.text.split()
        place = rng.randrange(len(words)) if words else 0
        kind = rng.randrange(3)
        if kind == 0 and len(words) > 2:
            del words[place]
        elif kind == 1 and words and len(words[place]) > 4:
            word, at = words[place], rng.randrange(1, len(words[place]) - 2)
            words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        elif words:
            words[-1] += rng.choice(("s", "!", "!!", " gif"))
        rough.append(Query(" ".join(words), query.accepted))
    return rough


def titled_copy(folder: Path, named: Mapping[str, str], target: Path, *, titled: bool) -> Path:
    """``folder``'s GIFs under neutral names, with the phrases as titles or with none."""
    target.mkdir(parents=True, exist_ok=True)
    gifs = []
    for number, (name, phrase) in enumerate(sorted(named.items())):
        if not (target / name).exists():
            shutil.copyfile(folder / name, target / name)
        title = phrase if titled else f"g{number:04}"
        gifs.append({"file": name, "title": title, "alt_text": title})
    (target / "catalogue.json").write_text(json.dumps({"version": 1, "gifs": gifs}), encoding="utf-8")
    return target


async def retrieve(folder: Path | None, queries: Sequence[Query], bundle: str, data_dir: Path) -> list[Retrieved]:
    """Indexes a folder (the bundled GIFs without one), and retrieves the hits of each query. ``data_dir`` keeps the
    embeddings."""
    options = EngineOptions(bundle_folder(bundle), data_dir, folder=folder)
    async with open_ingestion(options, Metrics()) as ingestion:
        await ingestion.index()
        assert ingestion.catalogue is not None
        names = {ingestion.catalogue.path_of(gif_id): gif_id for gif_id in ingestion.catalogue.ids()}
        weights = replace(ingestion.model.weights, reaction=1.0)  # reads GIFs' reactions, whatever was fitted
        model = replace(ingestion.model, weights=weights)
        reactions = load_reaction_reader(options.bundle, ingestion.encoder, model)
        retriever = Retriever(ingestion.encoder, ingestion.collection, model, ingestion.similarity, reactions=reactions)
        retrieved = []
        for start in range(0, len(queries), AT_ONCE):
            part = queries[start : start + AT_ONCE]
            parsed = [parse_query(query.text) for query in part]
            hits = retriever.search_batch([RetrievalQuery(one.text, POOL, Rating.R, one) for one in parsed])
            for query, found in zip(part, hits, strict=True):
                right = {GifKey(ingestion.catalogue.name, names[one]) for one in query.accepted if one in names}
                retrieved.append(Retrieved(query, found, frozenset(right)))
    return retrieved
