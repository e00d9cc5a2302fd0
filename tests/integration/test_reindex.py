"""Moving what is remembered of providers to another model, over a server that behaves like GIPHY and Klipy."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deepgif.engine.admin.reindex import IN_FLIGHT, ProviderReport, ReindexReport, move
from deepgif.engine.engine import Engine, open_engine
from deepgif.engine.errors import StoreError
from deepgif.engine.ingest.candidates import STORE_EVERY
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.store.database import FILE
from deepgif.engine.types import Coverage, Rating, SearchRequest
from tests.fakes.encoder import ColourEncoder, WideEncoder
from tests.fakes.giphy_server import FakeGif, GiphyServer, fake
from tests.fakes.process import environment
from tests.fakes.waiting import WITHIN_S

OLD = f"{ColourEncoder.space}/{ColourEncoder.sampling}"
NEW = f"{WideEncoder.space}/{WideEncoder.sampling}"
CHILD = Path(__file__).with_name("reindexing_child.py")


def gifs(start: int, count: int) -> list[FakeGif]:
    return [fake(number, ("red", "lime", "blue")[number % 3]) for number in range(start, start + count)]


class Place:
    """A data folder and a provider: engines and moves over both, and what lies in the database."""

    def __init__(self, server: GiphyServer, data_dir: Path) -> None:
        self.server = server
        self.data_dir = data_dir
        self.progress: list[tuple[str, int, int]] = []

    def options(self, name: str = "giphy", **changes: Any) -> EngineOptions:
        chosen = {"key": self.server.key, "url": self.server.origin, "calls_per_hour": 0, **changes}
        rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, timeout_s=WITHIN_S)
        remote = ProvidersOptions((ProviderOptions(name, **chosen),), downloads=rules)
        return EngineOptions(self.data_dir, self.data_dir, providers=remote, min_confidence=2.0)

    def engine(self, encoder: ColourEncoder | None = None, **changes: Any) -> AbstractAsyncContextManager[Engine]:
        used = encoder or ColourEncoder()
        return open_engine(self.options(**changes), Metrics(), lambda _: used)

    async def move(self, encoder: ColourEncoder | None = None, **changes: Any) -> ReindexReport:
        used = encoder or WideEncoder()
        return await move(self.options(**changes), OLD, self._show, lambda _: used)

    @contextmanager
    def _show(self, name: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: self.progress.append((name, done, total))

    def sql(self, query: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.data_dir / FILE)) as connection:
            rows = connection.execute(query, values).fetchall()
            connection.commit()
            return rows

    def ids(self, space: str) -> set[str]:
        return {gif_id for (gif_id,) in self.sql("SELECT id FROM embeddings WHERE space=?", space)}

    def seen(self, space: str) -> set[str]:
        return self.ids(space) | self.ids(f"{space}:still")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with GiphyServer(gifs(0, 100), order=lambda words, some: list(some)) as server:
        yield Place(server, tmp_path)


async def ask(engine: Engine, words: str = "red") -> Coverage:
    answer = await engine.search.search(SearchRequest(words, 3, Rating.R, deadline_s=WITHIN_S))
    assert answer.results[0].gif.title
    return answer.coverage


def only(report: ReindexReport) -> ProviderReport:
    (one,) = report.remote
    return one


async def test_everything_moves_while_the_old_model_answers(place: Place) -> None:
    """Clips where the old model saw clips, stills for the rest, all texts; the old engine answers all the time, and
    one with the new model is complete at once, and so is one that goes back."""
    async with place.engine() as engine:
        assert await ask(engine) == Coverage(100, 100)
        stills, clips = place.ids(f"{OLD}:still"), place.ids(OLD)
        assert (len(stills), len(clips)) == (100, 20)
        gate = threading.Event()
        moving = asyncio.create_task(place.move(WideEncoder(lambda count: gate.wait(WITHIN_S))))
        for number in range(3):
            assert await ask(engine, f"lime {number}") == Coverage(100, 100)
        gate.set()
        while not moving.done():
            assert await ask(engine, f"blue {number}") == Coverage(100, 100)
            number += 1
        report = await moving
        assert engine.search.model == "colours@1"
        assert place.ids(OLD) >= clips
        assert place.ids(f"{OLD}:still") == stills
    assert (report.model, report.complete) == ("wide@2", True)
    assert only(report) == ProviderReport("GIPHY", 0, 100, 0, ())
    assert place.ids(NEW) >= clips
    assert place.seen(NEW) == place.ids(f"{NEW}:text") == stills
    assert place.progress[-1] == ("GIFs of GIPHY", 100, 100)
    assert [done for _, done, _ in place.progress] == sorted(done for _, done, _ in place.progress)

    place.server.media.clear()
    for encoder in (WideEncoder(), ColourEncoder()):
        async with place.engine(encoder) as engine:
            coverage = await engine.search.collection.coverage()
            assert (coverage, len(engine.search.collection.texts)) == (Coverage(100, 100), 100)
        assert (encoder.clips, encoder.texts, place.server.media) == (0, 0, [])


async def test_the_same_views_as_before(place: Place) -> None:
    """Of a GIF of which the old model saw the frames, frames are fetched, and only those; of others the still."""
    async with place.engine() as engine:
        await ask(engine)
    clips = place.ids(OLD)
    place.server.media.clear()
    place.server.calls.clear()
    await place.move()
    fetched = dict(one.split("/") for one in place.server.media)
    assert len(place.server.media) == len(fetched) == 100
    assert {gif_id for gif_id, rendition in fetched.items() if rendition.endswith("downsampled")} == clips
    assert place.ids(NEW) == clips
    assert place.ids(f"{NEW}:still") == place.ids(f"{OLD}:still") - clips
    assert [path for path, _ in place.server.calls] == ["/v1/gifs"]


async def test_what_the_old_model_sees_later(place: Place) -> None:
    """Frames that it looked at after a first run are looked at in the second, and nothing else."""
    async with place.engine() as engine:
        await ask(engine)
        await place.move()
        await ask(engine, "blue")
    later = place.ids(OLD) - place.ids(NEW)
    assert later
    one = only(await place.move())
    assert (one.known, one.embedded) == (100 - len(later), len(later))
    assert place.ids(NEW) == place.ids(OLD)


async def test_nothing_twice_and_nothing_left(place: Place) -> None:
    """A second run finds everything done, and asks nobody."""
    async with place.engine() as engine:
        await ask(engine)
    await place.move()
    place.server.calls.clear()
    place.server.media.clear()
    encoder = WideEncoder()
    report = await place.move(encoder)
    assert (only(report), report.complete) == (ProviderReport("GIPHY", 100, 0, 0, ()), True)
    assert (encoder.clips, encoder.texts, place.server.calls, place.server.media) == (0, 0, [], [])


async def test_the_budget_ends_midway(place: Place) -> None:
    """Half of the hour's calls are left to searches; a sentence says when to go on, and then only the rest is done."""
    async with place.engine() as engine:
        for start in (0, 80, 160):
            place.server.gifs = gifs(start, 80)
            await ask(engine, f"red {start}")
    place.server.gifs = gifs(0, 240)
    place.server.media.clear()
    assert len(place.server.calls) == 6
    encoder = WideEncoder()
    report = await place.move(encoder, calls_per_hour=16)
    one = only(report)
    assert not report.complete
    assert (one.known, one.embedded, one.waiting) == (0, 200, 40)
    assert one.stopped == (
        "40 GIFs of GIPHY are left. Half of the hourly quota is reserved for searches. Run the same command "
        "again in 60 minutes."
    )
    assert len(place.server.calls) == 8
    async with place.engine(calls_per_hour=16) as engine:
        assert len(await engine.ingestion.providers[0].search(ProviderQuery("blue", Rating.R))) == 100
    place.sql("UPDATE calls SET at=at-3600")
    place.server.media.clear()
    report = await place.move(encoder, calls_per_hour=16)
    one = only(report)
    assert report.complete
    assert (one.known, one.embedded, one.waiting, one.stopped) == (200, 40, 0, "")
    assert len(place.server.media) == 40
    assert (encoder.clips, encoder.texts) == (240, 240)


async def test_gifs_that_are_gone(place: Place) -> None:
    """They are counted, and no longer known to anybody, so that the new model is complete; what the rest has stays."""
    async with place.engine() as engine:
        await ask(engine)
    place.server.gifs = gifs(7, 93)
    report = await place.move()
    assert (only(report), report.complete) == (ProviderReport("GIPHY", 0, 93, 7, ()), True)
    gone = {gif.id for gif in gifs(0, 7)}
    for space in (OLD, NEW, f"{OLD}:still", f"{NEW}:text"):
        assert not gone & place.ids(space)
    assert len(place.seen(OLD)) == 93
    async with place.engine(WideEncoder()) as engine:
        assert await engine.search.collection.coverage() == Coverage(93, 93)


async def test_an_answer_with_none_of_them_forgets_nothing(place: Place) -> None:
    """A provider that suddenly knows nothing may be at fault: what the old model has stays."""
    async with place.engine() as engine:
        await ask(engine)
    everything = place.server.gifs
    place.server.gifs = []
    report = await place.move()
    assert (only(report), report.complete) == (ProviderReport("GIPHY", 0, 0, 100, ()), True)
    assert len(place.seen(OLD)) == 100
    place.server.gifs = everything
    assert only(await place.move()).embedded == 100


@pytest.mark.parametrize(
    ("fault", "says"), [("500", "has a problem"), ("cut", "cannot be reached"), ("403", "rejected the API key")]
)
async def test_the_provider_is_down(place: Place, fault: str, says: str) -> None:
    """It says so, with how many wait, and nothing is lost; later the same command does them."""
    async with place.engine() as engine:
        await ask(engine)
    place.server.faults.extend([fault] * 3)
    report = await place.move()
    one = only(report)
    assert not report.complete
    assert (one.embedded, one.waiting, one.gone) == (0, 100, 0)
    assert says in one.stopped
    assert "100 GIFs of GIPHY are left. Run the same command again later." in one.stopped
    assert place.server.key not in one.stopped
    assert len(place.seen(OLD)) == 100
    place.server.faults.clear()
    assert only(await place.move()) == ProviderReport("GIPHY", 0, 100, 0, ())


async def test_the_media_are_down(place: Place) -> None:
    """Where not one can be had, it is not the GIFs' fault: it stops, and does them another time."""
    async with place.engine() as engine:
        await ask(engine)
    place.server.media_faults = {gif.id: "404" for gif in place.server.gifs}
    report = await place.move()
    one = only(report)
    assert not report.complete
    assert (one.embedded, one.waiting, one.unreadable) == (0, 100, ())
    assert "None of 100 GIFs of GIPHY could be embedded: The download failed with status 404." in one.stopped
    place.server.media_faults = {}
    assert only(await place.move()) == ProviderReport("GIPHY", 0, 100, 0, ())


async def test_gifs_that_cannot_be_looked_at(place: Place) -> None:
    """They are listed and cost nobody else anything; the next run tries them, and only them, again."""
    async with place.engine() as engine:
        await ask(engine)
    place.server.media_faults = {"gif001": "broken", "gif002": "bomb", "gif003": "404"}
    report = await place.move()
    one = only(report)
    assert report.complete
    assert (one.embedded, one.waiting) == (97, 0)
    assert {gif_id for gif_id, _ in one.unreadable} == set(place.server.media_faults)
    assert len(place.seen(OLD)) == 100
    place.server.media.clear()
    place.server.media_faults = {"gif001": "broken"}
    one = only(await place.move())
    assert (one.known, one.embedded, [gif_id for gif_id, _ in one.unreadable]) == (97, 2, ["gif001"])
    assert len(place.server.media) == 3


async def test_addresses_that_may_be_kept_need_no_call(place: Place) -> None:
    """They are used as they are."""
    async with place.engine(keep_urls=True) as engine:
        await ask(engine)
    place.server.calls.clear()
    report = await place.move(keep_urls=True)
    assert (only(report), place.server.calls) == (ProviderReport("GIPHY", 0, 100, 0, ()), [])
    assert len(place.ids(NEW)) == 100


async def test_klipy(place: Place) -> None:
    """Asked by slugs, a page at a time; its GIFs have frames only."""
    async with place.engine(name="klipy") as engine:
        await ask(engine)
    place.server.calls.clear()
    report = await place.move(name="klipy")
    assert only(report) == ProviderReport("Klipy", 0, 100, 0, ())
    assert [path for path, _ in place.server.calls] == [f"/api/v1/{place.server.key}/gifs/items"] * 5
    assert place.ids(NEW) == place.ids(OLD)
    async with place.engine(WideEncoder(), name="klipy") as engine:
        assert await engine.search.collection.coverage() == Coverage(100, 100)


async def test_what_searches_bring_meanwhile_moves_too(place: Place) -> None:
    """The last look finds nothing that is left."""
    async with place.engine() as engine:
        await ask(engine)
    place.server.gifs = gifs(0, 101)

    def remember(count: int) -> None:
        place.sql(
            "INSERT OR REPLACE INTO gifs SELECT provider, 'gif100', title, alt_text, tags, rating, width, height, url, "
            "expires_at FROM gifs WHERE id='gif000'"
        )

    report = await place.move(WideEncoder(remember))
    assert only(report) == ProviderReport("GIPHY", 0, 101, 0, ())
    assert place.progress[-1][1:] == (101, 101)


async def test_what_is_forgotten_meanwhile_leaves_no_vector(place: Place) -> None:
    """A GIF that has been kept long enough while it was embedded is not kept by the new model."""
    async with place.engine() as engine:
        await ask(engine)

    def expire(count: int) -> None:
        place.sql("UPDATE gifs SET expires_at=1 WHERE id='gif000'")

    await place.move(WideEncoder(expire))
    assert len(place.seen(NEW)) == 99
    assert not {"gif000"} & (place.seen(NEW) | place.ids(f"{NEW}:text"))


async def test_stopped_in_the_middle(place: Place) -> None:
    """What was embedded is kept, and the next run does only the rest."""
    async with place.engine() as engine:
        await ask(engine)
    half = asyncio.Event()
    loop = asyncio.get_running_loop()
    encoder = WideEncoder(lambda count: encoder.clips > 50 and loop.call_soon_threadsafe(half.set))
    moving = asyncio.create_task(place.move(encoder))
    await asyncio.wait_for(half.wait(), WITHIN_S)
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    held = len(place.seen(NEW))
    assert 50 - IN_FLIGHT <= held < 100
    begun = encoder.clips
    again = WideEncoder()
    one = only(await place.move(again))
    assert (one.known, one.embedded, again.clips) == (held, 100 - held, 100 - held)
    assert begun - held <= 2 * IN_FLIGHT
    assert len(place.ids(f"{NEW}:text")) == 100


async def test_one_at_a_time(place: Place) -> None:
    """A second one is told, and does nothing; the first goes on."""
    async with place.engine() as engine:
        await ask(engine)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    moving = asyncio.create_task(place.move(WideEncoder(lambda count: loop.call_soon_threadsafe(begun.set))))
    await asyncio.wait_for(begun.wait(), WITHIN_S)
    with pytest.raises(StoreError, match="Another deepgif reindex is already running"):
        await place.move()
    assert only(await moving).embedded == 100
    assert only(await place.move()).known == 100


class Child:
    """One run of ``reindexing_child.py``: clips begun, and the report where it came to its end."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.begun = 0
        self.report: dict[str, Any] = {}

    async def run(self, *, kill_at: Callable[[], bool] = lambda: False) -> None:
        """Runs to the end, or kills it at the first line after which ``kill_at``."""
        place, killed = self._place, False
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(str(CHILD), str(place.data_dir), place.server.origin, place.server.key),
            cwd=place.data_dir,
            env=environment(place.data_dir),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WITHIN_S):
                while line := await process.stdout.readline():
                    if not line.endswith(b"\n"):  # the kill may cut the last one
                        break
                    said = json.loads(line)
                    self.begun += said.get("embedding", 0)
                    self.report = said if "complete" in said else {}
                    if not killed and kill_at():
                        process.kill()
                        killed = True
            _, err = await process.communicate()
        except BaseException:
            process.kill()
            raise
        assert killed or process.returncode == 0, err.decode()


async def test_killed_again_and_again(place: Place) -> None:
    """At its first batch, after the first group is stored, and in the next run after another: what is stored stays, a
    kill costs a group and what is under way, and the last run does only the rest."""
    async with place.engine() as engine:
        await ask(engine)
    held = 0
    for most in (0, 1, 2):
        child = Child(place)
        await child.run(kill_at=lambda before=held, most=most: len(place.seen(NEW)) >= before + most)  # type: ignore[misc]
        ((sound,),) = place.sql("PRAGMA integrity_check")
        assert sound == "ok"
        now = len(place.seen(NEW))
        assert now >= held
        assert child.begun - (now - held) <= STORE_EVERY + 2 * IN_FLIGHT
        held = now
    assert 0 < held < 100, "the kills came too late to show anything"
    child = Child(place)
    await child.run()
    assert child.report == {"complete": True, "known": held, "embedded": 100 - held, "waiting": 0}
    assert child.begun == 100 - held
    async with place.engine(WideEncoder()) as engine:
        assert await engine.search.collection.coverage() == Coverage(100, 100)
        assert len(engine.search.collection.texts) == 100
