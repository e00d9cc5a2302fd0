"""Opens and closes engines: one that only indexes, or one that also answers searches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from deepgif.engine.errors import ModelError, OverloadedError
from deepgif.engine.index.factory import open_indexes
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.ingest.catalogue import Indexer, IndexReport, Progress
from deepgif.engine.ingest.pipeline import EmbeddingPipeline
from deepgif.engine.ingest.recognition import TextRecognition
from deepgif.engine.media.decode import decode_whole
from deepgif.engine.media.decoder_pool import AsyncDecoder
from deepgif.engine.media.ocr_models import is_installed, load_text_reader, reader_version
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.protocols import Clip, EmbeddingStore, Encoder, SentenceEncoder, Vector
from deepgif.engine.providers.factory import open_providers
from deepgif.engine.providers.folder import Changes, FolderCatalogue
from deepgif.engine.providers.remote import RemoteProvider
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.fallback import ProviderFallback
from deepgif.engine.search.ranking import RankingModel
from deepgif.engine.search.ranking_model import load_ranking
from deepgif.engine.search.reactions import ReactionReader
from deepgif.engine.search.retrieval import Retriever, Similarity
from deepgif.engine.search.service import SearchService
from deepgif.engine.search.single_flight import SingleFlight
from deepgif.engine.search.suggestions import Suggestions
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore, embedding_space
from deepgif.engine.store.recognised_text import SqliteRecognisedTextStore
from deepgif.models.bundles.load import load_bundle
from deepgif.models.bundles.manifest import BundleError, BundleInfo, read_info
from deepgif.models.bundles.reactions import load_reactions
from deepgif.models.runtime.frame_runner import DeviceError, choose_devices, torch_device

if TYPE_CHECKING:
    from deepgif.engine.cluster.cluster import Cluster

SHIPPED_CATALOGUE = Path(__file__).parent / "catalogue"
CLIPS_WAITING = 256
FRAMES_FOR_WORDS = 8  # decoded; of them, those are read between which the picture changes
LoadEncoder = Callable[[EngineOptions], Encoder]


@dataclass(frozen=True, slots=True)
class Ingestion:
    """The part of an engine that embeds and indexes GIFs. ``catalogue`` is None if only providers are searched;
    ``recognition`` is None if words in GIFs are not read; ``cluster`` is what replicas share."""

    encoder: Encoder
    catalogue: FolderCatalogue | None
    providers: tuple[RemoteProvider, ...]
    collection: Collection
    pipeline: EmbeddingPipeline
    indexer: Indexer
    embedder: CandidateEmbedder
    recognition: TextRecognition | None
    cluster: Cluster | None
    model: RankingModel
    similarity: Similarity

    async def index(self, on_progress: Progress = lambda done, total: None) -> IndexReport:
        """Scans the catalogue's folder and embeds what is new."""
        if self.catalogue is None:
            return IndexReport(Changes(), 0, 0, (), 0.0)
        report = await self.indexer.run(self.catalogue, on_progress)
        if self.recognition is not None:
            await self.recognition.load_catalogue(self.catalogue)  # for files that were gone for a while
        return report

    async def read_words(self, on_progress: Progress = lambda done, total: None) -> None:
        """Reads the words in those of the catalogue's GIFs that were not read before."""
        if self.recognition is not None and self.catalogue is not None:
            await self.recognition.read_catalogue(self.catalogue, on_progress)

    async def forget_expired(self) -> None:
        """Removes provider GIFs whose storage time is over."""
        for provider in self.providers:
            await self.pipeline.remove(await provider.forget_expired())


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is loaded and warm."""

    search: SearchService
    ingestion: Ingestion


@asynccontextmanager
async def open_engine(
    options: EngineOptions, metrics: Metrics, load: LoadEncoder | None = None
) -> AsyncIterator[Engine]:
    """An engine over the GIFs that are embedded already. ``load`` replaces the bundle's encoder. Raises
    ``DeepGifError``."""
    async with AsyncExitStack() as stack:
        ingestion = await stack.enter_async_context(open_ingestion(options, metrics, load))
        encoder, collection, cluster = ingestion.encoder, ingestion.collection, ingestion.cluster
        model, similarity = ingestion.model, ingestion.similarity
        reactions = await asyncio.to_thread(load_reaction_reader, options.bundle, encoder, model)
        retriever = Retriever(encoder, collection, model, similarity, metrics.on_batch("text"), reactions)
        await stack.enter_async_context(retriever)
        flights = SingleFlight(cluster.result_cache() if cluster is not None else None)
        stack.push_async_callback(flights.close)
        fallback = None
        if ingestion.providers:
            fallback = ProviderFallback(
                retriever, collection, ingestion.embedder, model, similarity, options.min_confidence, reactions
            )
        texts_in_gifs = ingestion.recognition.texts_of if ingestion.recognition is not None else None
        search = SearchService(encoder.space, retriever, collection, model.thresholds, fallback, flights, texts_in_gifs)
        metrics.watch("text", retriever.batcher)
        metrics.gauge("deepgif_provider_searches_in_flight", "Searches at providers in flight.", lambda: len(flights))
        yield Engine(search, ingestion)


@asynccontextmanager
async def open_ingestion(
    options: EngineOptions, metrics: Metrics, load: LoadEncoder | None = None
) -> AsyncIterator[Ingestion]:
    """An engine without its search. ``load`` replaces the bundle's encoder. Raises ``DeepGifError``."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(options.data_dir / FILE))
        catalogue = await _open_catalogue(options, database)
        encoder = await asyncio.to_thread(load or _load_encoder, options)
        devices = [torch_device(one) for one in devices_of(options.device)]
        space = embedding_space(encoder)
        model, bank = await asyncio.to_thread(load_ranking, options.bundle, encoder.space)
        similarity = Similarity(bank, model.hubness)
        indexes = open_indexes(
            options.index,
            encoder.dimension,
            str(devices[0]),
            space,
            options.qdrant,
            similarity.correction if model.hubness else None,
        )
        pictures, texts, captions = await asyncio.to_thread(stack.enter_context, indexes)
        lexical = stack.enter_context(closing(LexicalIndex()))
        images = await stack.enter_async_context(
            MicroBatcher[Clip, Vector](
                partial(_encode_clips, encoder),
                name="image",
                max_cost=encoder.frames_at_once,
                max_waiting=CLIPS_WAITING,
                cost=len,
                on_batch=metrics.on_batch("image"),
            )
        )
        on_gpu = any(device.type != "cpu" for device in devices)
        decoder = AsyncDecoder(encoder.sampling, options.limits, processes=on_gpu)
        stack.callback(decoder.close)
        local_store = SqliteEmbeddingStore(database, encoder.dimension)
        cluster = await _open_cluster(options, local_store, space, encoder.dimension, metrics, stack)
        store, leases = (cluster.store, cluster.leases) if cluster is not None else (local_store, None)
        suggestions = Suggestions()
        pipeline = EmbeddingPipeline(
            encoder,
            space,
            store,
            pictures,
            texts,
            captions,
            lexical,
            decoder,
            images,
            leases,
            on_texts=suggestions.add,
        )
        recognition = _open_recognition(options, database, pipeline, cluster)
        if recognition is not None:
            stack.push_async_callback(recognition.close)
        indexer = Indexer(pipeline)
        if catalogue is not None:
            await indexer.load(catalogue)
            if recognition is not None:
                await recognition.load_catalogue(catalogue)
        remote = await stack.enter_async_context(open_providers(options.providers, database, cluster))
        embedder = CandidateEmbedder(pipeline, remote.downloader, recognition)
        stack.push_async_callback(embedder.close)
        for provider in remote.providers:
            await _load_stored(provider, embedder)
        if cluster is not None:
            stack.push_async_callback(cluster.close)  # before what it uses
            await cluster.follow(embedder, pipeline)
        local = (catalogue,) if catalogue is not None else ()
        collection = Collection(pictures, texts, lexical, local, remote.providers, suggestions)
        metrics.gauge("deepgif_gifs", "GIFs that are embedded and can be found.", lambda: len(pictures))
        metrics.watch("image", images)
        for provider in remote.providers:
            metrics.calls.labels(provider.name).set_function(provider.quota.used)
        yield Ingestion(
            encoder,
            catalogue,
            remote.providers,
            collection,
            pipeline,
            indexer,
            embedder,
            recognition,
            cluster,
            model,
            similarity,
        )


def devices_of(setting: str) -> tuple[str, ...]:
    """The devices that the setting ``device`` names. Raises ``ModelError``."""
    try:
        return choose_devices(setting)
    except DeviceError as error:
        raise ModelError(str(error)) from error


def bundle_info(folder: Path) -> BundleInfo:
    """A bundle's description. Raises ``ModelError``."""
    try:
        return read_info(folder)
    except BundleError as error:
        raise ModelError(str(error)) from error


def load_reaction_reader(bundle: Path, encoder: Encoder, model: RankingModel) -> ReactionReader | None:
    """The reader with the bundle's reaction head; None if it has none for this version of the encoder. GIFs are read
    only if that counts in ``model``. Raises ``ModelError``."""
    try:
        head = load_reactions(bundle, encoder.space)
    except BundleError as error:
        raise ModelError(str(error)) from error
    if head is None or not isinstance(encoder, SentenceEncoder):
        return None
    return ReactionReader(head, encoder.text_features, compare=model.weights.reaction > 0)


async def _open_catalogue(options: EngineOptions, database: Database) -> FolderCatalogue | None:
    """The chosen folder; without one, the bundled GIFs, unless there are providers."""
    if options.folder is None and options.providers.providers:
        return None
    name = "catalogue" if options.folder is None else "folder"
    catalogue = FolderCatalogue(name, options.folder or SHIPPED_CATALOGUE, database, options.limits)
    await catalogue.open()
    return catalogue


async def _open_cluster(
    options: EngineOptions,
    local_store: EmbeddingStore,
    space: str,
    dimension: int,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Cluster | None:
    if options.redis is None:
        return None
    from deepgif.engine.cluster.cluster import open_cluster  # loads the Redis client only if it is used

    names = [one.name for one in options.providers.providers]
    days = options.providers.keep_days
    opening = open_cluster(options.redis, local_store, space, dimension, days, names, metrics)
    return await stack.enter_async_context(opening)


def _open_recognition(
    options: EngineOptions, database: Database, pipeline: EmbeddingPipeline, cluster: Cluster | None
) -> TextRecognition | None:
    """None if words are not to be read, or the packages for it are not installed. Raises ``ModelError``."""
    if options.ocr == "off" or (options.ocr == "auto" and not is_installed()):
        return None
    version = reader_version()
    local = SqliteRecognisedTextStore(database, version)
    texts = cluster.recognised_texts(local, version) if cluster is not None else local

    def load() -> Callable[[bytes], str]:
        reader = load_text_reader()
        side = reader.limits.side
        return lambda data: reader.read(decode_whole(data, FRAMES_FOR_WORDS, side, options.limits)).text

    return TextRecognition(load, texts, pipeline)


async def _load_stored(provider: RemoteProvider, embedder: CandidateEmbedder) -> None:
    """Indexes a provider's stored GIFs, without the expired ones."""
    await provider.forget_expired()
    async for candidates in provider.scan():
        await embedder.load(candidates)


def _load_encoder(options: EngineOptions) -> Encoder:
    """Loads the bundle's encoder and runs it once, so that the first search is not slower than the others."""
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
        raise OverloadedError("The GPU is out of memory. Try again in a few seconds.") from error
