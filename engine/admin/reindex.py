"""Embeds all indexed GIFs with another model, while an engine may keep running with the current one.

Vectors are stored by space, so one data folder can hold those of both models. Nothing is embedded twice: after an
interruption, the same command continues.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deepgif.engine.engine import bundle_info, open_ingestion
from deepgif.engine.errors import InvalidRequestError, MediaError, ProviderError, QuotaError, StoreError
from deepgif.engine.ingest.candidates import CandidateEmbedder, WriteBuffer
from deepgif.engine.ingest.catalogue import IndexReport, Progress
from deepgif.engine.ingest.concurrency import map_unordered
from deepgif.engine.ingest.pipeline import View
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.protocols import Encoder, Vector
from deepgif.engine.providers.remote import RemoteProvider
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import embedding_space, stored_ids
from deepgif.engine.types import Candidate

LOCK = "reindex.lock"
IN_FLIGHT = 16  # GIFs of a provider downloaded, decoded and embedded concurrently
MANY = 20  # if all of so many GIFs fail, the provider is at fault
ShowProgress = Callable[[str], AbstractContextManager[Progress]]  # of what, in a few words


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What was done for one provider's GIFs: those ``known`` to the new model before, newly ``embedded``, ``gone`` from
    the provider and deleted, and ``unreadable`` with the reason. If some are still ``waiting``, ``stopped`` says why
    and when to continue."""

    provider: str
    known: int
    embedded: int
    gone: int
    unreadable: tuple[tuple[str, str], ...]
    waiting: int = 0
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What was done for the new ``model``. ``complete`` if nothing is left to do."""

    model: str
    local: IndexReport
    remote: tuple[ProviderReport, ...]
    complete: bool
    elapsed_s: float


async def reindex(options: EngineOptions, in_use: Path, show: ShowProgress) -> ReindexReport:
    """Embeds, with the model of ``options``, everything that the model in the bundle ``in_use`` embedded. Raises
    ``DeepGifError``."""
    old, new = bundle_info(in_use), bundle_info(options.bundle)
    if embedding_space(old) == embedding_space(new):
        raise InvalidRequestError(f"{new.space} is already in use. Choose another model.")
    return await move(options, embedding_space(old), show)


async def move(
    options: EngineOptions, old: str, show: ShowProgress, load: Callable[[EngineOptions], Encoder] | None = None
) -> ReindexReport:
    """Does ``reindex`` from the space ``old``. ``load`` can return another encoder than the bundle's."""
    started = time.monotonic()
    async with Database(options.data_dir / FILE) as database:
        clips = {
            one.name: await stored_ids(database, View.CLIP.of(old), one.name) for one in options.providers.providers
        }
    with _exclusive(options.data_dir):
        async with open_ingestion(options, Metrics(), load) as ingestion:
            with show("Local GIFs") as report:
                local = await ingestion.index(report)
            remote = []
            for provider in ingestion.providers:
                with show(f"GIFs of {provider.title}") as report:
                    remote.append(
                        await _ProviderReindexer(provider, ingestion.embedder, clips[provider.name], report).run()
                    )
            complete = not any(one.stopped for one in remote)
            return ReindexReport(ingestion.encoder.space, local, tuple(remote), complete, time.monotonic() - started)


class _ProviderReindexer:
    """Embeds the stored GIFs of one provider: clips of those in ``clips``, stills of the others, and texts."""

    def __init__(
        self, provider: RemoteProvider, embedder: CandidateEmbedder, clips: set[str], on_progress: Progress
    ) -> None:
        self._provider = provider
        self._embedder = embedder
        self._clips = clips
        self._on_progress = on_progress
        self._buffer = WriteBuffer(embedder)
        self._tried: set[str] = set()
        self._done = self._total = self._embedded = self._gone = 0
        self._unreadable: list[tuple[str, str]] = []

    async def run(self) -> ProviderReport:
        """Runs until nothing is left, including GIFs that searches add meanwhile, or the provider fails."""
        missing = await self._missing()
        known = self._done = await self._provider.count() - len(missing)
        stopped = ""
        try:
            while missing:
                self._total = self._done + len(missing)
                ids = list(missing)
                for start in range(0, len(ids), self._provider.ids_at_once):
                    await self._embed({one: missing[one] for one in ids[start : start + self._provider.ids_at_once]})
                missing = await self._missing()
        except ProviderError as error:
            missing = await self._missing()
            stopped = _advice(error, len(missing), self._provider.title)
        unreadable = tuple(self._unreadable)
        return ProviderReport(
            self._provider.title, known, self._embedded, self._gone, unreadable, len(missing), stopped
        )

    async def _missing(self) -> dict[str, View]:
        """The views that the new model has not embedded yet and that were not tried, by id."""
        missing = {}
        async for chunk in self._provider.scan():
            keys = [one.gif.key for one in chunk]
            clips, stills = [await self._embedder.stored(view, keys) for view in (View.CLIP, View.STILL)]
            for key in keys:
                moves = key.id in self._clips
                if key.id not in self._tried and key not in clips and (moves or key not in stills):
                    missing[key.id] = View.CLIP if moves else View.STILL
        return missing

    async def _embed(self, wanted: dict[str, View]) -> None:
        """Embeds the GIFs of one call. Raises ``ProviderError``; then none of them counts as tried."""
        stored = await self._provider.stored(wanted)
        found = await self._provider.with_renditions(stored)
        unreadable = []
        embed_one = partial(self._embed_one, wanted)
        try:
            async with aclosing(map_unordered(found.values(), embed_one, IN_FLIGHT)) as results:
                async for one, result in results:
                    if isinstance(result, MediaError):
                        unreadable.append((one.gif.key.id, str(result)))
                    else:
                        await self._buffer.add(result[0], stored[one.gif.key.id].gif, result[1])
                        self._embedded += 1
                    self._advance(1)
        finally:
            await self._buffer.flush()
        if len(unreadable) == len(found) >= MANY:
            title, reason = self._provider.title, unreadable[-1][1]
            raise ProviderError(f"None of {len(found)} GIFs of {title} could be embedded: {reason}")
        await self._embedder.load([stored[gif_id] for gif_id in found])  # embeds their texts
        self._tried.update(wanted)
        self._unreadable += unreadable
        gone = stored.keys() - found.keys()
        self._gone += len(gone)
        self._advance(len(wanted) - len(found))
        if found:  # an empty response may be an error
            await self._provider.forget(gone)
        await self._provider.forget(stored.keys() - await self._provider.stored(stored))  # expired meanwhile

    def _advance(self, count: int) -> None:
        self._done += count
        self._on_progress(self._done, self._total)

    async def _embed_one(self, wanted: dict[str, View], one: Candidate) -> tuple[View, Vector]:
        moves = one.still is None or (wanted[one.gif.key.id] is View.CLIP and one.clip is not None)
        view = View.CLIP if moves else View.STILL
        return view, (await self._embedder.embed(one, view)).vector


def _advice(error: ProviderError, waiting: int, title: str) -> str:
    left = f"1 GIF of {title} is left." if waiting == 1 else f"{waiting:,} GIFs of {title} are left."
    if isinstance(error, QuotaError):
        minutes = f"{error.minutes} minute{'s' if error.minutes > 1 else ''}"
        return f"{left} Half of the hourly quota is reserved for searches. Run the same command again in {minutes}."
    return f"{error} {left} Run the same command again later."


@contextmanager
def _exclusive(data_dir: Path) -> Iterator[None]:
    """Holds a lock, so that only one process reindexes a data folder. It is released when the process ends."""
    with (data_dir / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"Another deepgif reindex is already running on {data_dir}.") from error
        yield
