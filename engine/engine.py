"""Builds a whole engine from what was chosen, and takes it down in the right order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.errors import ModelError, OverloadedError
from deepgif.engine.index.factory import Kind, QdrantOptions, open_indexes
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.ingest.catalogue import Indexer, IndexReport, Progress
from deepgif.engine.ingest.deduplication import Vector
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.media.decoder_pool import DecoderPool
from deepgif.engine.media.probe import MediaLimits
from deepgif.engine.metrics import Metrics
from deepgif.engine.protocols import Clip, EmbeddingStore, Encoder, Vectors
from deepgif.engine.providers.factory import Providers, ProvidersOptions, open_providers
from deepgif.engine.providers.folder import Changes, LocalCatalogue
from deepgif.engine.providers.remote import RemoteProvider
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.ranking_model import load_ranking
from deepgif.engine.search.retrieval import Hits, RetrievalQuery, Similarity, finder
from deepgif.engine.search.service import ProviderFallback, SearchService
from deepgif.engine.search.single_flight import SingleFlight
from deepgif.engine.search.suggestions import Suggestions
from deepgif.engine.store.database import FILE, Database, SqliteEmbeddingStore, embedding_space
from deepgif.engine.types import FrameSampling
from deepgif.models.bundles.load import load_bundle
from deepgif.models.bundles.manifest import BundleError, BundleInfo, read_info
from deepgif.models.runtime.frame_runner import DeviceError, choose_devices, torch_device

if TYPE_CHECKING:
    from deepgif.engine.cluster.cluster import Cluster

SHIPPED_CATALOGUE = Path(__file__).parent / "catalogue"
QUERIES_AT_ONCE = 64
QUERIES_WAITING = 512
CLIPS_WAITING = 256
MOST_DECODERS = 32  # at once: enough for one GPU


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine is made of. ``folder`` None is the shipped catalogue; ``device`` is auto, cpu, cuda, or several
    GPUs (cuda:0,cuda:1); ``weights`` is the folder of weights that others publish; ``redis`` is what several engines
    share."""

    bundle: Path
    data_dir: Path
    folder: Path | None = None
    device: str = "auto"
    threads: int = 0
    limits: MediaLimits = field(default_factory=MediaLimits)
    remote: ProvidersOptions = field(default_factory=ProvidersOptions)
    good_enough: float = 0.8
    weights: Path | None = None
    index: Kind = "auto"
    qdrant: QdrantOptions | None = None
    redis: RedisOptions | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is loaded and warm. ``catalogue`` is None where only providers on the network are searched."""

    search: SearchService
    catalogue: LocalCatalogue | None
    indexer: Indexer
    embedder: CandidateEmbedder
    remote: tuple[RemoteProvider, ...] = ()

    async def index(self, on_progress: Progress = lambda done, total: None) -> IndexReport:
        """Looks through the catalogue's folder and embeds what is new."""
        if self.catalogue is None:
            return IndexReport(Changes(), 0, 0, (), 0.0)
        return await self.indexer.run(self.catalogue, on_progress)

    async def forget_expired(self) -> None:
        """Drops the GIFs of providers that have been remembered long enough."""
        for provider in self.remote:
            gone = await provider.forget_expired()
            for index in (self.search.library.pictures, self.search.library.texts):
                await asyncio.to_thread(index.remove, gone)


@asynccontextmanager
async def open_engine(
    options: EngineOptions, metrics: Metrics, load: Callable[[EngineOptions], Encoder] | None = None
) -> AsyncIterator[Engine]:
    """An engine that answers searches over what was embedded before. ``load`` gives another encoder than the bundle's
    own. Raises ``DeepGifError``."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(options.data_dir / FILE))
        catalogue = await _catalogue(options, database)
        encoder = await asyncio.to_thread(load or _load, options)
        devices = devices_of(options.device)
        space = embedding_space(encoder)
        indexes = open_indexes(options.index, encoder.dimension, str(torch_device(devices[0])), space, options.qdrant)
        pictures, texts = await asyncio.to_thread(stack.enter_context, indexes)
        ranking, bank = await asyncio.to_thread(load_ranking, options.bundle, encoder.space)
        likeness = Similarity(bank, ranking.hubness)
        queries = await stack.enter_async_context(
            MicroBatcher[RetrievalQuery, Hits](
                finder(encoder, pictures, texts, likeness),
                name="queries",
                max_cost=QUERIES_AT_ONCE,
                max_waiting=QUERIES_WAITING,
                on_batch=metrics.on_batch("queries"),
            )
        )
        clips = await stack.enter_async_context(
            MicroBatcher[Clip, Vector](
                partial(_encode_clips, encoder),
                name="clips",
                max_cost=encoder.frames_at_once,
                max_waiting=CLIPS_WAITING,
                cost=len,
                on_batch=metrics.on_batch("clips"),
            )
        )
        on_cpu = {torch_device(one).type for one in devices} == {"cpu"}
        decode = _decoders(encoder.sampling, options.limits, stack, on_cpu=on_cpu)

        words = Suggestions()

        async def embed_texts(some: Sequence[str]) -> Vectors:
            await asyncio.to_thread(words.add, some)
            return await asyncio.to_thread(encoder.encode_texts, some)

        near = SqliteEmbeddingStore(database, encoder.dimension)
        shared = await _shared(options, near, space, encoder.dimension, metrics, stack)
        store, once = (shared.store, shared.once) if shared is not None else (near, None)
        indexer = Indexer(space, store, pictures, decode, clips.submit, texts, embed_texts, once)
        if catalogue is not None:
            await indexer.load(catalogue)
        remote = await stack.enter_async_context(open_providers(options.remote, database, shared))
        embedder = CandidateEmbedder(
            space, store, pictures, texts, remote.downloader, decode, clips.submit, embed_texts, once
        )
        stack.push_async_callback(embedder.close)
        await _load_remembered(remote, embedder)
        if shared is not None:
            stack.push_async_callback(shared.close)  # first of all: what follows uses what is closed after it
            await shared.follow(embedder, pictures, texts)
        live = SingleFlight(shared.answers() if shared is not None else None)
        stack.push_async_callback(live.close)
        library = Collection(pictures, texts, (catalogue,) if catalogue is not None else (), remote.providers, words)
        outside = ProviderFallback(embedder, live, options.good_enough) if remote.providers else None
        search = SearchService(encoder.space, queries.submit, library, ranking, likeness, outside)
        metrics.gauge("deepgif_gifs", "GIFs that are embedded and can be found.", lambda: len(pictures))
        metrics.watch("queries", queries)
        metrics.watch("clips", clips)
        metrics.gauge("deepgif_searches_under_way", "Searches at providers, leftovers too.", lambda: len(live))
        for provider in remote.providers:
            metrics.calls.labels(provider.name).set_function(provider.budget.used)
        yield Engine(search, catalogue, indexer, embedder, remote.providers)


async def _shared(
    options: EngineOptions, near: EmbeddingStore, space: str, dimension: int, metrics: Metrics, stack: AsyncExitStack
) -> Cluster | None:
    """What other engines know too, where there is a Redis for it."""
    if options.redis is None:
        return None
    from deepgif.engine.cluster.cluster import open_cluster

    names = [one.name for one in options.remote.providers]
    days = options.remote.keep_days
    opening = open_cluster(options.redis, near, space, dimension, days, names, metrics)
    return await stack.enter_async_context(opening)


async def _catalogue(options: EngineOptions, database: Database) -> LocalCatalogue | None:
    """The chosen folder; without one the shipped GIFs, unless a provider has better ones."""
    if options.folder is None and options.remote.providers:
        return None
    name = "catalogue" if options.folder is None else "folder"
    catalogue = LocalCatalogue(name, options.folder or SHIPPED_CATALOGUE, database, options.limits)
    await catalogue.open()
    return catalogue


async def _load_remembered(remote: Providers, embedder: CandidateEmbedder) -> None:
    """Lets what was embedded before be found, without what has been kept long enough."""
    for provider in remote.providers:
        await provider.forget_expired()
        async for some in provider.scan():
            await embedder.load(some)


def devices_of(setting: str) -> tuple[str, ...]:
    """The devices that a setting names. Raises ``ModelError``."""
    try:
        return choose_devices(setting)
    except DeviceError as error:
        raise ModelError(str(error)) from error


def bundle_info(folder: Path) -> BundleInfo:
    """What a bundle says of itself. Raises ``ModelError``."""
    try:
        return read_info(folder)
    except BundleError as error:
        raise ModelError(str(error)) from error


def _load(options: EngineOptions) -> Encoder:
    """Loads the encoder and runs it once, so that the first search is not the slowest."""
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        encoder = load_bundle(options.bundle, devices_of(options.device), options.weights)
    except BundleError as error:
        raise ModelError(str(error)) from error
    size = encoder.sampling.size
    encoder.encode_texts(["warm up"])
    encoder.encode_clips([np.zeros((1, size, size, 3), np.uint8)])
    return encoder


def _encode_clips(encoder: Encoder, clips: Sequence[Clip]) -> list[Vector]:
    try:
        return list(encoder.encode_clips(clips))
    except torch.OutOfMemoryError as error:
        raise OverloadedError("The GPU has no memory left; please try again in a few seconds.") from error


def _decoders(
    sampling: FrameSampling, limits: MediaLimits, stack: AsyncExitStack, *, on_cpu: bool
) -> Callable[[bytes], Awaitable[Clip]]:
    """What decodes GIFs. A CPU has more to do with a frame than to decode it: threads are enough. A GPU waits for the
    decoders, and resizes faster than they do."""
    count = min(os.cpu_count() or 1, MOST_DECODERS)
    threads = ThreadPoolExecutor(count, thread_name_prefix="deepgif-decode")
    function: Callable[[bytes], Clip] = partial(decode_clip, sampling=sampling, limits=limits)
    if not on_cpu:
        decoders = DecoderPool(sampling, limits, resize=False, most=count)
        stack.callback(decoders.close)
        function = decoders.decode
    stack.callback(threads.shutdown, wait=True, cancel_futures=True)

    def call(data: bytes) -> Awaitable[Clip]:
        return asyncio.get_running_loop().run_in_executor(threads, function, data)

    return call
