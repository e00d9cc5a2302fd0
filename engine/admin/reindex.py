"""Moves over to another model: embeds for it all that is known, beside an engine that goes on with the one in use.

Vectors are keyed by what they mean, so that those of both models lie side by side in one data folder. Nothing is
embedded twice: stopped at any moment, the same work goes on where it was.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deepgif.engine.engine import EngineOptions, bundle_info, open_engine
from deepgif.engine.errors import InvalidRequestError, MediaError, ProviderError, QuotaError, StoreError
from deepgif.engine.ingest.candidates import CandidateEmbedder, View, WriteBuffer
from deepgif.engine.ingest.catalogue import IndexReport, Progress
from deepgif.engine.ingest.concurrency import map_unordered
from deepgif.engine.ingest.deduplication import Vector
from deepgif.engine.metrics import Metrics
from deepgif.engine.protocols import Encoder
from deepgif.engine.providers.remote import RemoteProvider
from deepgif.engine.store.database import FILE, Database, embedding_space, stored_ids
from deepgif.engine.types import Candidate

LOCK = "reindex.lock"
IN_FLIGHT = 16  # GIFs of a provider being downloaded, decoded or embedded at a time
MANY = 20  # GIFs of which none can be looked at: that is no fault of theirs
ShowProgress = Callable[[str], AbstractContextManager[Progress]]  # what is being done, in a few words


@dataclass(frozen=True, slots=True)
class Moved:
    """What was done for the GIFs that are remembered of one provider: ``known`` to the new model from before, newly
    ``embedded``, ``gone`` from the provider and forgotten, ``unreadable`` with the reason. ``stopped`` says, where
    not all could be done, why ``waiting`` ones are left and when to go on."""

    provider: str
    known: int
    embedded: int
    gone: int
    unreadable: tuple[tuple[str, str], ...]
    waiting: int = 0
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What was done for the new ``model``. ``complete`` where nothing is left to do."""

    model: str
    local: IndexReport
    remote: tuple[Moved, ...]
    complete: bool
    elapsed_s: float


async def reindex(options: EngineOptions, in_use: Path, show: ShowProgress) -> ReindexReport:
    """Embeds all that is known for the model of ``options``, as the one in the bundle ``in_use`` has it. Raises
    ``DeepGifError``."""
    old, new = bundle_info(in_use), bundle_info(options.bundle)
    if embedding_space(old) == embedding_space(new):
        raise InvalidRequestError(f"{new.space} is the model in use already; name the one to move to.")
    return await move(options, embedding_space(old), show)


async def move(
    options: EngineOptions, old: str, show: ShowProgress, load: Callable[[EngineOptions], Encoder] | None = None
) -> ReindexReport:
    """As ``reindex``, from the space ``old``. ``load`` gives another encoder than the bundle's own."""
    started = time.monotonic()
    async with Database(options.data_dir / FILE) as database:
        moving = {one.name: await stored_ids(database, View.CLIP.of(old), one.name) for one in options.remote.providers}
    with _alone(options.data_dir):
        async with open_engine(options, Metrics(), load) as engine:
            with show("Local GIFs") as report:
                local = await engine.index(report)
            remote = []
            for provider in engine.remote:
                with show(f"GIFs of {provider.title}") as report:
                    remote.append(await _Mover(provider, engine.embedder, moving[provider.name], report).run())
            complete = not any(one.stopped for one in remote)
            return ReindexReport(engine.search.model, local, tuple(remote), complete, time.monotonic() - started)


class _Mover:
    """Embeds what is remembered of one provider: clips of the GIFs in ``moving``, stills of the others, and texts."""

    def __init__(
        self, provider: RemoteProvider, embedder: CandidateEmbedder, moving: set[str], on_progress: Progress
    ) -> None:
        self._provider = provider
        self._embedder = embedder
        self._moving = moving
        self._on_progress = on_progress
        self._fresh = WriteBuffer(embedder)
        self._tried: set[str] = set()
        self._done = self._total = self._embedded = self._gone = 0
        self._unreadable: list[tuple[str, str]] = []

    async def run(self) -> Moved:
        """Goes on until nothing is left, also of what searches bring meanwhile, or the provider answers no more."""
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
            stopped = _what_to_do(error, len(missing), self._provider.title)
        unreadable = tuple(self._unreadable)
        return Moved(self._provider.title, known, self._embedded, self._gone, unreadable, len(missing), stopped)

    async def _missing(self) -> dict[str, View]:
        """By id what the new model has to look at, without what was tried."""
        missing = {}
        async for some in self._provider.scan():
            keys = [one.gif.key for one in some]
            clips, stills = [await self._embedder.known(view, keys) for view in (View.CLIP, View.STILL)]
            for key in keys:
                moves = key.id in self._moving
                if key.id not in self._tried and key not in clips and (moves or key not in stills):
                    missing[key.id] = View.CLIP if moves else View.STILL
        return missing

    async def _embed(self, wanted: dict[str, View]) -> None:
        """Embeds as many GIFs as one call can ask for. Raises ``ProviderError``, and then none of them counts as
        tried."""
        kept = await self._provider.remembered(wanted)
        found = await self._provider.with_files(kept)
        unreadable = []
        look = partial(self._look, wanted)
        try:
            async with aclosing(map_unordered(found.values(), look, IN_FLIGHT)) as looked:
                async for one, result in looked:
                    if isinstance(result, MediaError):
                        unreadable.append((one.gif.key.id, str(result)))
                    else:
                        await self._fresh.add(result[0], kept[one.gif.key.id].gif, result[1])
                        self._embedded += 1
                    self._advance(1)
        finally:
            await self._fresh.store()
        if len(unreadable) == len(found) >= MANY:
            title, reason = self._provider.title, unreadable[-1][1]
            raise ProviderError(f"None of {len(found)} GIFs of {title} can be looked at: {reason}")
        await self._embedder.load([kept[gif_id] for gif_id in found])  # their texts
        self._tried.update(wanted)
        self._unreadable += unreadable
        gone = kept.keys() - found.keys()
        self._gone += len(gone)
        self._advance(len(wanted) - len(found))
        if found:  # an answer without any of them may as well be a fault
            await self._provider.forget(gone)
        await self._provider.forget(kept.keys() - await self._provider.remembered(kept))  # too old meanwhile

    def _advance(self, count: int) -> None:
        self._done += count
        self._on_progress(self._done, self._total)

    async def _look(self, wanted: dict[str, View], one: Candidate) -> tuple[View, Vector]:
        moves = one.still is None or (wanted[one.gif.key.id] is View.CLIP and one.clip is not None)
        view = View.CLIP if moves else View.STILL
        return view, (await self._embedder.look(one, view)).vector


def _what_to_do(error: ProviderError, waiting: int, title: str) -> str:
    left = f"1 GIF of {title} waits" if waiting == 1 else f"{waiting:,} GIFs of {title} wait"
    if isinstance(error, QuotaError):
        minutes = f"{error.minutes} minute{'s' if error.minutes > 1 else ''}"
        return (
            f"{left} until it allows more calls, of which half are left to searches: run the same command again in "
            f"{minutes}."
        )
    return f"{error} {left}: run the same command again later."


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Keeps a second one from doing the same work beside this one; ends with the process, however that ends."""
    with (data_dir / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"Another deepgif reindex is at work on {data_dir} already.") from error
        yield
