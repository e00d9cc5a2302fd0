"""What the command line does in its own process: an engine for one search, or for one look through a folder."""

from __future__ import annotations

from dataclasses import replace

from deepgif.cli.console import progress_bar
from deepgif.engine.engine import EngineOptions, open_engine
from deepgif.engine.ingest.catalogue import IndexReport
from deepgif.engine.metrics import Metrics
from deepgif.engine.providers.factory import ProvidersOptions
from deepgif.engine.text import normalize_query
from deepgif.engine.types import SearchAnswer, SearchRequest


async def search_locally(options: EngineOptions, request: SearchRequest) -> SearchAnswer:
    """Searches after embedding what is new; addresses of local GIFs are those of their files. Raises
    ``DeepGifError``."""
    normalize_query(request.words)  # before the model is loaded for nothing
    async with open_engine(options, Metrics()) as engine:
        with progress_bar("Looking at new GIFs") as report:
            await engine.index(report)
        answer = await engine.search.search(request)
        results = []
        for result in answer.results:
            provider = engine.search.library.provider(result.gif.key.provider)
            path = await provider.media(result.gif.key.id) if provider is not None else None
            url = path.as_uri() if path is not None else result.gif.url
            results.append(replace(result, gif=replace(result.gif, url=url)))
        return replace(answer, results=tuple(results))


async def index_folder(options: EngineOptions) -> IndexReport:
    """Embeds what is new in the folder, or among the shipped GIFs. Raises ``DeepGifError``."""
    async with open_engine(replace(options, remote=ProvidersOptions()), Metrics()) as engine:
        with progress_bar("Embedding") as report:
            return await engine.index(report)
