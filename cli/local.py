"""Runs an engine in the command's own process, for one search or to index a folder."""

from __future__ import annotations

from dataclasses import replace

from deepgif.cli.console import progress_bar
from deepgif.engine.engine import open_engine, open_ingestion
from deepgif.engine.ingest.catalogue import IndexReport
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions, ProvidersOptions
from deepgif.engine.types import SearchAnswer, SearchRequest, normalize_query


async def search_locally(options: EngineOptions, request: SearchRequest) -> SearchAnswer:
    """Embeds new GIFs, then searches. URLs of local GIFs are those of their files. Raises ``DeepGifError``."""
    normalize_query(request.query)  # before the model is loaded for nothing
    async with open_engine(options, Metrics()) as engine:
        with progress_bar("Embedding new GIFs") as report:
            await engine.ingestion.index(report)
        answer = await engine.search.search(request)
        results = []
        for result in answer.results:
            provider = engine.search.collection.provider(result.gif.key.provider)
            path = await provider.media(result.gif.key.id) if provider is not None else None
            url = path.as_uri() if path is not None else result.gif.url
            results.append(replace(result, gif=replace(result.gif, url=url)))
        return replace(answer, results=tuple(results))


async def index_folder(options: EngineOptions) -> IndexReport:
    """Embeds new GIFs of the folder or the bundled catalogue. Raises ``DeepGifError``."""
    async with open_ingestion(replace(options, providers=ProvidersOptions()), Metrics()) as ingestion:
        with progress_bar("Embedding") as report:
            done = await ingestion.index(report)
        if ingestion.recognition is not None:
            with progress_bar("Reading words") as report:
                await ingestion.read_words(report)
        return done
