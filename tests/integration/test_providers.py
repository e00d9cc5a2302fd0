"""Searches over a provider: the whole engine with an encoder of colours, over a server that behaves like GIPHY."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import torch
from aiohttp import web
from PIL import Image

from deepgif.engine.api.app import ServerOptions, create_app
from deepgif.engine.api.client import EngineClient
from deepgif.engine.api.middleware import AccessRules
from deepgif.engine.api.server import create_runner
from deepgif.engine.engine import SHIPPED_CATALOGUE, Engine, open_engine
from deepgif.engine.errors import NotFoundError, NotReadyError
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions
from deepgif.engine.search.collection import LOOKUP_S
from deepgif.engine.search.fallback import INDEX_ONLY, SLOW_PROVIDER, UNRANKED
from deepgif.engine.search.ranking_model import UNFITTED, QueryBank, save_ranking
from deepgif.engine.search.reranker import CLIPS, WORKERS
from deepgif.engine.search.retrieval import RetrievalQuery
from deepgif.engine.search.single_flight import MAX_UNATTENDED, TIMED_OUT
from deepgif.engine.types import MAX_DEADLINE_S, Coverage, GifKey, Origin, Rating, SearchRequest, Source
from deepgif.models.bundles.load import bundle_folder
from deepgif.models.bundles.reactions import save_reactions
from tests.fakes.encoder import ColourEncoder
from tests.fakes.giphy_server import FakeGif, GiphyServer, by_words, fake
from tests.fakes.reactions import ReactingEncoder, keyword_head
from tests.fakes.waiting import WITHIN_S, skip, until

COLOURS = ("red", "lime", "blue")
Open = Callable[..., AbstractAsyncContextManager[Engine]]
AGREEING = replace(UNFITTED, weights=replace(UNFITTED.weights, reaction=20.0))
patient = partial(SearchRequest, deadline_s=WITHIN_S)
DEADLINE_S = WITHIN_S / 4  # long before anything else gives up


GIFS = [fake(number, COLOURS[number % 3]) for number in range(0, 240, 2)]


@pytest.fixture
async def server() -> AsyncIterator[GiphyServer]:
    async with GiphyServer(GIFS, order=lambda words, gifs: list(gifs)) as started:
        yield started


@pytest.fixture
def open_one(server: GiphyServer, tmp_path: Path) -> Open:
    """Opens engines over the server and one data folder."""

    @asynccontextmanager
    async def make(encoder: ColourEncoder | None = None, **changes: Any) -> AsyncIterator[Engine]:
        min_confidence = changes.pop("min_confidence", 2.0)
        timeout_s = changes.pop("timeout_s", WITHIN_S)
        names = changes.pop("names", ("giphy",))
        keep_days = changes.pop("keep_days", 30.0)
        chosen = {"key": server.key, "url": server.origin, "calls_per_hour": 0, **changes}
        rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, timeout_s=timeout_s)
        options = EngineOptions(
            bundle=tmp_path,
            data_dir=tmp_path,
            providers=ProvidersOptions(tuple(ProviderOptions(name, **chosen) for name in names), keep_days, rules),
            min_confidence=min_confidence,
        )
        used = encoder or ColourEncoder()
        async with open_engine(options, Metrics(), lambda options: used) as engine:
            yield engine

    return make


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def ids(answer: Any) -> list[str]:
    return [result.gif.key.id for result in answer.results]


# Equal colours are near-duplicates of each other, so that only a few of them are shown.
async def test_pixels_decide(open_one: Open, server: GiphyServer) -> None:
    """Two pages of fifty are fetched, all are looked at, and what shows the words comes first, in absolute addresses
    with their parameters, with attribution."""
    async with open_one() as engine:
        answer = await engine.search.search(patient("red", 2))
    assert [path for path, _ in server.calls] == ["/v1/gifs/search"] * 2
    assert sorted(query["offset"] for _, query in server.calls) == ["0", "50"]
    assert all(int(one[3:]) % 3 == 0 for one in ids(answer))
    assert answer.coverage == Coverage(100, 100)
    assert (answer.origin, answer.attribution) == (Origin.RERANKED, ("Powered by GIPHY",))
    assert {result.source for result in answer.results} == {Source.FETCHED}
    assert answer.results[0].gif.url.endswith(".gif?cid=abc123&ep=v1")
    assert sum(one.endswith("still") for one in server.media) == 100
    assert sum(one.endswith("downsampled") for one in server.media) == 20


async def test_nothing_is_embedded_twice(open_one: Open, server: GiphyServer) -> None:
    """Another query over the same GIFs downloads nothing but frames of others; so does the next process."""
    encoder = ColourEncoder()
    async with open_one(encoder) as engine:
        await engine.search.search(patient("red", 20))
        assert encoder.clips == 120
        await engine.search.search(patient("red things", 20))
        assert encoder.clips == 120
    async with open_one(encoder) as engine:
        assert len(engine.search.collection.pictures) == 100
        answer = await engine.search.search(patient("blue", 2))
        assert all(int(one[3:]) % 3 == 2 for one in ids(answer))
        assert encoder.clips <= 140


async def test_good_enough_is_answered_at_once(open_one: Open, server: GiphyServer) -> None:
    """What is known and likely right needs no search; its addresses are taken fresh in one call, once."""
    async with open_one() as engine:
        await engine.search.search(patient("red", 5))
    server.calls.clear()
    async with open_one(min_confidence=0.0) as engine:
        answer = await engine.search.search(patient("red", 5))
        assert [path for path, _ in server.calls] == ["/v1/gifs"]
        assert answer.origin is Origin.INDEXED
        assert len(answer.results) == 5
        assert answer.results[0].gif.url.startswith(server.origin)
        await engine.search.search(patient("red", 5))
        assert len(server.calls) == 1


@pytest.mark.parametrize("keep_urls", [False, True])
async def test_addresses_are_kept_only_where_that_is_allowed(
    open_one: Open, server: GiphyServer, tmp_path: Path, keep_urls: bool
) -> None:
    """By default no address and no media are on the disk after a search."""
    async with open_one(keep_urls=keep_urls) as engine:
        await engine.search.search(patient("red", 5))
    server.calls.clear()
    written = files_in(tmp_path)
    assert (b"/media/gif" in written) is keep_urls
    assert server.key.encode() not in written
    async with open_one(keep_urls=keep_urls, min_confidence=0.0) as engine:
        assert len((await engine.search.search(patient("red", 5))).results) == 5
    assert len(server.calls) == (0 if keep_urls else 1)


async def test_what_has_been_kept_long_enough_goes(open_one: Open, server: GiphyServer) -> None:
    """After its days a GIF is neither on the disk nor found, in the process that knows it and in the next."""
    async with open_one(keep_days=1e-9) as engine:
        await engine.search.search(patient("red", 1))
        assert len(engine.search.collection.pictures) == 100
        await engine.ingestion.forget_expired()
        assert len(engine.search.collection.pictures) == len(engine.search.collection.texts) == 0
    async with open_one() as engine:
        assert len(engine.search.collection.pictures) == 0


async def test_next_and_more_like_this_need_no_call(open_one: Open, server: GiphyServer) -> None:
    """Later pages go on where the one before ended; similar GIFs come from what was looked at."""
    async with open_one() as engine:
        first = await engine.search.search(patient("red", 10))
        calls = len(server.calls)
        second = await engine.search.search(patient("RED", 10, offset=10))
        assert not set(ids(first)) & set(ids(second))
        whole = await engine.search.search(patient("red", 20))
        assert ids(whole) == ids(first) + ids(second)
        blue = GifKey("giphy", "gif002")
        alike = await engine.search.similar(blue, 5, Rating.R)
        assert blue not in {result.gif.key for result in alike.results}
        assert alike.attribution == ("Powered by GIPHY",)
        with pytest.raises(NotFoundError):
            await engine.search.similar(GifKey("giphy", "nobody"), 5, Rating.R)
        assert len(server.calls) == calls


async def test_the_deadline_holds_and_the_rest_goes_on(open_one: Open, server: GiphyServer) -> None:
    """At the deadline the best so far is answered and says how much was seen; a later query finds all looked at."""
    server.gate.hold(after=40)
    async with open_one() as engine:
        task = asyncio.create_task(engine.search.search(patient("red", 12, deadline_s=DEADLINE_S)))
        await until(lambda: len(server.media) == 40 + WORKERS)
        assert not task.done()
        skip(DEADLINE_S)
        await until(task.done)
        answer = task.result()
        assert len(answer.results) == 12
        assert answer.coverage == Coverage(40, 100)
        server.gate.release()
        later = await engine.search.search(patient("red", 2))
        assert later.coverage.embedded == 100
        assert len(server.calls) == 2
        assert all(int(one[3:]) % 3 == 0 for one in ids(later))


async def test_addresses_are_waited_for_only_a_moment(open_one: Open, server: GiphyServer) -> None:
    """Where a provider hangs, neither its search nor the addresses of what is known keep people waiting: one sentence
    says so, and where addresses may be kept, what is known is shown."""
    async with open_one(keep_urls=True) as engine:
        await engine.search.search(patient("red", 5))
    for keep_urls in (False, True):
        server.faults.extend(["slow"] * 30)
        server.calls.clear()
        async with open_one(keep_urls=keep_urls) as engine:
            task = asyncio.create_task(engine.search.search(patient("red", 5, deadline_s=DEADLINE_S)))
            await until(lambda: len(server.calls) == 2)
            skip(DEADLINE_S)
            if keep_urls:
                await until(task.done)
                assert len(task.result().results) == 5
                assert SLOW_PROVIDER in task.result().notices
                continue
            await until(lambda: "/v1/gifs" in server.stalled)
            assert not task.done()
            skip(LOOKUP_S)
            await until(task.done)
            assert str(task.exception()) == TIMED_OUT
            assert [path for path, _ in server.calls].count("/v1/gifs") == 1


async def test_equal_queries_run_once_and_one_who_leaves_ends_nothing(open_one: Open, server: GiphyServer) -> None:
    """Twenty at once are two calls; who cancels does not cancel the others."""
    server.gate.hold()
    async with open_one() as engine:
        tasks = [asyncio.create_task(engine.search.search(patient("red", 3))) for _ in range(20)]
        await until(lambda: server.downloading == WORKERS)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        server.gate.release()
        answers = await asyncio.gather(*tasks[1:])
        assert len({tuple(ids(answer)) for answer in answers}) == 1
        assert {answer.coverage for answer in answers} == {Coverage(100, 100)}
        assert len(server.calls) == 2


async def test_nothing_follows_a_caller_who_left(open_one: Open, server: GiphyServer) -> None:
    """When nobody waits for an answer any more, its downloads end."""
    server.gate.hold()
    async with open_one() as engine:
        task = asyncio.create_task(engine.search.search(patient("red", 3)))
        await until(lambda: server.downloading == WORKERS)
        task.cancel()
        await asyncio.wait({task})
        await until(lambda: server.downloading == 0)
        await until(lambda: len(engine.search.flights) == 0)  # nothing is left that could begin more
        assert len(server.media) == WORKERS


@pytest.mark.parametrize("fault", ["404", "redirect-in", "broken", "bomb", "huge", "cut", "slow"])
async def test_what_cannot_be_looked_at_costs_nobody_else(open_one: Open, server: GiphyServer, fault: str) -> None:
    """GIFs that are gone, damaged, hostile or endless keep their place by text; all others are looked at."""
    bad = [gif.id for gif in GIFS[:5]]
    server.media_faults = dict.fromkeys(bad, fault)
    encoder = ColourEncoder()
    async with open_one(encoder, timeout_s=WITHIN_S / 4) as engine:
        task = asyncio.create_task(engine.search.search(patient("red", 12)))
        if fault == "slow":  # once all others are looked at: first stills, then frames
            for rendition, count in (("still", 100), ("downsampled", 100 - len(bad) + CLIPS)):
                await until(
                    lambda rendition=rendition, count=count: (  # type: ignore[misc]
                        encoder.clips + sum(one.endswith(rendition) for one in server.stalled) == count
                    )
                )
                skip(WITHIN_S / 4)
        answer = await task
    assert answer.coverage == Coverage(95, 100)
    assert ids(answer)[0] not in bad


@pytest.mark.parametrize("stated", ["", "0", "-5", "1", "many", "99999999999999999999", "1e400", "²"])
async def test_sizes_that_are_wrong_cost_nothing(open_one: Open, server: GiphyServer, stated: str) -> None:
    """What a provider says of sizes is not believed: the files are looked at as they are."""
    server.stated = {gif.id: stated for gif in GIFS[:100:2]}
    async with open_one() as engine:
        answer = await engine.search.search(patient("red", 2))
    assert answer.coverage == Coverage(100, 100)
    assert all(int(one[3:]) % 3 == 0 for one in ids(answer))
    assert all(0 <= result.gif.width < 2**31 for result in answer.results)


@pytest.mark.parametrize(
    ("faults", "calls"), [(["500"], 3), (["cut"], 3), (["not-json"], 3), (["synthetic"], 3), (["429", "500"], 3)]
)
async def test_passing_faults(open_one: Open, server: GiphyServer, faults: list[str], calls: int) -> None:
    """What may pass is tried again; one page is enough for an answer."""
    server.faults.extend(faults)
    async with open_one() as engine:
        answer = await engine.search.search(patient("red", 5))
    assert len(answer.results) == 5
    assert len(server.calls) == calls


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("429", "does not allow more calls"),
        ("429-envelope", "does not allow more calls"),
        ("401", "rejected the API key"),
        ("403", "rejected the API key"),
        ("414", "too long"),
        ("500", "has a problem"),
        ("synthetic", "has a problem"),
        ("not-json", "has a problem"),
        ("garbage", "does not understand"),
        ("cut", "cannot be reached"),
    ],
)
async def test_the_provider_is_down(open_one: Open, server: GiphyServer, fault: str, says: str) -> None:
    """What is known is the answer, and the answer says so, without the key or an address."""
    async with open_one() as engine:
        await engine.search.search(patient("red", 5))
        server.faults.extend([fault] * 12)
        answer = await engine.search.search(patient("blue", 2))
    assert answer.origin is Origin.INDEXED
    assert INDEX_ONLY in answer.notices
    assert any(says in notice for notice in answer.notices)
    assert all(server.key not in notice and "127.0.0.1" not in notice for notice in answer.notices)
    assert all(int(one[3:]) % 3 == 2 for one in ids(answer))


async def test_a_provider_that_stays_down_is_left_alone(open_one: Open, server: GiphyServer) -> None:
    """After many failures in a row no further call is made for a while, and the answer says so."""
    async with open_one() as engine:
        await engine.search.search(patient("red", 2))
        server.faults.extend(["500"] * 100)
        for number in range(4):
            await engine.search.search(patient(f"blue {number}", 2))
        calls = len(server.calls)
        answer = await engine.search.search(patient("lime", 2))
    assert len(server.calls) == calls
    assert calls <= 2 + 12 + 2
    assert answer.origin is Origin.INDEXED
    assert any("try it again in a moment" in notice for notice in answer.notices)


async def test_without_the_encoder_it_is_the_providers_order(open_one: Open, server: GiphyServer) -> None:
    """A model that fails leaves the provider's own order, and the answer says that."""

    class Broken(ColourEncoder):
        def encode_texts(self, texts: Any) -> Any:
            raise RuntimeError("out of order")

    async with open_one(Broken()) as engine:
        answer = await engine.search.search(patient("red", 3))
        assert ids(answer) == ["gif000", "gif002", "gif004"]
        assert (answer.origin, answer.notices) == (Origin.PROVIDER, (UNRANKED,))
        server.faults.extend(["429"] * 2)
        with pytest.raises(RuntimeError):
            await engine.search.search(patient("blue", 3))


async def test_the_budget_ends_before_the_key_does(open_one: Open, server: GiphyServer) -> None:
    """Near its end the engine answers from what it knows and says so; a restart does not forget what was used."""
    async with open_one(calls_per_hour=5) as engine:
        for words in ("red", "blue"):
            assert (await engine.search.search(patient(words, 3))).origin is Origin.RERANKED
    async with open_one(calls_per_hour=5) as engine:
        await engine.search.search(patient("lime", 3))
        answer = await engine.search.search(patient("red and blue", 3))
    assert len([path for path, _ in server.calls if path == "/v1/gifs/search"]) == 5
    assert answer.origin is Origin.INDEXED
    assert any("hourly quota for GIPHY" in notice for notice in answer.notices)


async def test_ratings_long_words_and_places(open_one: Open, server: GiphyServer) -> None:
    """Each GIF's own rating counts; a long query is cut at a word for the provider only; language and country go
    through."""
    server.gifs = [fake(3, "red", rating="r"), fake(6, "red", rating=""), fake(9, "red", rating="pg")]
    words = "something red that is told with a great many more words than fit"
    async with open_one() as engine:
        request = patient(words, 5, Rating.PG, language="de", country="AT")
        answer = await engine.search.search(request)
    assert ids(answer) == ["gif009"]
    assert answer.query == words
    assert server.calls[0][1]["q"] == "something red that is told with a great many more"
    assert (server.calls[0][1]["lang"], server.calls[0][1]["country_code"]) == ("de", "AT")


async def test_sparse_answers_and_near_duplicates(open_one: Open, server: GiphyServer) -> None:
    """A GIF with two renditions is looked at as it is; the same picture twice is shown once."""
    server.gifs = [fake(0, "red"), fake(3, "red", clip=GIFS[0].clip, still=GIFS[0].still), fake(6, "lime")]
    server.sparse = frozenset({"gif000"})
    async with open_one() as engine:
        answer = await engine.search.search(patient("red", 5))
    assert len(answer.results) == 2
    assert answer.coverage == Coverage(3, 3)


async def test_two_providers_are_merged_and_one_may_fail(open_one: Open, server: GiphyServer) -> None:
    """GIFs of both are compared, equal pictures fold into one, and either goes on without the other."""
    async with open_one(names=("klipy",)) as engine:
        answer = await engine.search.search(patient("lime", 3))
        assert (answer.coverage, answer.attribution) == (Coverage(100, 100), ("Powered by KLIPY",))
    async with open_one(names=("giphy", "klipy")) as engine:
        answer = await engine.search.search(patient("red", 40))
        assert answer.coverage.total == 200
        assert len({one[-3:] for one in ids(answer)}) == len(answer.results)
        server.faults.extend(["429"] * 2)
        answer = await engine.search.search(patient("blue", 5))
        assert answer.origin is Origin.RERANKED
        assert any("GIPHY does not allow more calls" in notice for notice in answer.notices)


async def test_known_gifs_of_klipy_get_fresh_addresses(open_one: Open, server: GiphyServer) -> None:
    """In one call, rated as they were when they were found."""
    async with open_one(names=("klipy",)) as engine:
        await engine.search.search(patient("red", 5, Rating.PG))
    server.calls.clear()
    async with open_one(names=("klipy",), min_confidence=0.0) as engine:
        answer = await engine.search.search(patient("red", 5, Rating.PG))
    assert [path for path, _ in server.calls] == [f"/api/v1/{server.key}/gifs/items"]
    assert (answer.origin, len(answer.results)) == (Origin.INDEXED, 5)
    assert {result.gif.rating for result in answer.results} == {Rating.PG}
    assert all(result.gif.url.startswith(server.origin) for result in answer.results)


async def test_a_reaction_is_searched_for_by_its_name_too(open_one: Open, server: GiphyServer, tmp_path: Path) -> None:
    """A sentence that asks for a reaction costs two calls as any query does: its first page, and that of the reaction,
    unless half of the quota is gone. A GIF that shows the reaction is first; other queries are searched for as they
    are."""
    save_reactions(tmp_path, ColourEncoder.space, keyword_head())
    save_ranking(tmp_path, ColourEncoder.space, AGREEING, QueryBank(np.eye(4, dtype=np.float32)[:1], 0.0))
    server.gifs = [fake(0, "red", title="Build"), fake(2, "blue", title="You win"), fake(4, "lime", title="Build it")]
    server.order = by_words

    def asked() -> list[tuple[str, str]]:
        calls = sorted((query["q"], query["offset"]) for path, query in server.calls if path == "/v1/gifs/search")
        server.calls.clear()
        return calls

    async with open_one(ReactingEncoder(), calls_per_hour=10) as engine:
        answer = await engine.search.search(patient("winning the build", 3))
        assert asked() == [("win", "0"), ("winning the build", "0")]
        assert ids(answer)[0] == "gif002"
        assert sorted(ids(answer)) == ["gif000", "gif002", "gif004"]
        await engine.search.search(patient("a red build", 3))
        assert asked() == [("a red build", "0"), ("a red build", "50")]
        await engine.search.search(patient("win", 3))
        assert asked() == [("win", "0"), ("win", "50")]
        answer = await engine.search.search(patient("sorry about the build", 3))
        assert asked() == [("sorry about the build", "0")]
        assert not any("quota" in notice for notice in answer.notices)


async def test_pingbacks_are_off_unless_wanted(open_one: Open, server: GiphyServer) -> None:
    """A provider hears of what is sent only where the operator wants it."""
    for wanted in (False, True):
        async with open_one(pingbacks=wanted) as engine:
            answer = await engine.search.search(patient("red", 1))
            await engine.search.report_share(answer.results[0].gif.key)
        assert len(server.told) == wanted


async def test_many_cold_queries_at_once(open_one: Open, server: GiphyServer) -> None:
    """All of them are answered at their deadline, and what is left over is bounded."""
    server.gate.hold()
    async with open_one() as engine:
        flights = engine.search.flights
        requests = [patient(f"red number {number}", 3, deadline_s=DEADLINE_S) for number in range(40)]
        tasks = [asyncio.create_task(engine.search.search(request)) for request in requests]
        await until(lambda: len(flights) == 40 and all(one.search._rerank for one in flights._flights.values()))
        skip(DEADLINE_S)
        answers = await asyncio.gather(*tasks)
        assert all(len(answer.results) == 3 for answer in answers)
        await until(lambda: len(flights) <= MAX_UNATTENDED)
        assert len(flights) == MAX_UNATTENDED
        server.gate.release()
        await until(lambda: len(flights) == 0)
        assert len(server.media) == len(set(server.media)) == 100 + CLIPS  # what several look for is fetched once


async def test_any_chance_is_good_enough(open_one: Open, server: GiphyServer) -> None:
    """Where nothing is known there is nothing to be good enough, and the provider is asked."""
    async with open_one(min_confidence=0.0) as engine:
        answer = await engine.search.search(patient("red", 2))
    assert (answer.origin, len(answer.results)) == (Origin.RERANKED, 2)


async def test_over_http(open_one: Open, server: GiphyServer) -> None:
    """Deadline, pages, similar GIFs, what was sent, and the metrics, as a bot and a person who runs it see them."""
    async with open_one() as engine, aiohttp.ClientSession() as http:
        metrics = Metrics()
        runner = create_runner(create_app(lambda: engine.search, metrics, ServerOptions(AccessRules())))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with EngineClient(origin, timeout_s=WITHIN_S) as client:
                answer = await client.search(patient("red", 1, deadline_s=MAX_DEADLINE_S))
                assert (answer.origin, answer.attribution) == (Origin.RERANKED, ("Powered by GIPHY",))
                more = await client.search(patient("red", 1, offset=1, deadline_s=MAX_DEADLINE_S))
                assert more.ranked == answer.ranked > 1
                assert ids(more) != ids(answer)
            key = answer.results[0].gif.key
            async with http.get(f"{origin}/v1/similar", params={**key._asdict(), "limit": "2"}) as response:
                alike = await response.json()
                assert (response.status, len(alike["results"]), alike["attribution"]) == (200, 2, ["Powered by GIPHY"])
            for wrong in ({}, {"limit": "many"}, {"limit": "0"}):
                async with http.get(f"{origin}/v1/similar", params={"provider": "giphy", **wrong}) as response:
                    assert response.status == 400
            async with http.get(f"{origin}/v1/similar", params={"provider": "giphy", "id": "nobody"}) as response:
                assert response.status == 404
            async with http.post(f"{origin}/v1/share", json=key._asdict()) as response:
                assert response.status == 204
            async with http.post(f"{origin}/v1/share", json={"provider": 3}) as response:
                assert response.status == 400
            async with http.get(f"{origin}/metrics") as response:
                text = await response.text()
            assert 'deepgif_answers_total{origin="reranked"} 2.0' in text
            assert "deepgif_coverage_count 2.0" in text
        finally:
            await runner.cleanup()


async def test_nothing_known_and_nobody_to_ask(open_one: Open, server: GiphyServer) -> None:
    """An empty answer that says why, not an error."""
    server.faults.extend(["403"] * 2)
    async with open_one() as engine:
        answer = await engine.search.search(patient("red", 3))
    assert answer.results == ()
    assert any("rejected the API key" in notice for notice in answer.notices)
    with pytest.raises(NotReadyError):
        await engine.search._retriever.search(RetrievalQuery("red", 1, Rating.R))  # closed with the engine


def shipped(count: int) -> tuple[list[FakeGif], list[tuple[str, str]]]:
    """GIFs of the shipped catalogue under titles that say nothing, and what they are asked for with."""
    gifs, asked = [], []
    with (SHIPPED_CATALOGUE / "descriptions.csv").open(encoding="utf-8", newline="") as file:
        for row in list(csv.DictReader(file))[::8][:count]:
            clip = (SHIPPED_CATALOGUE / row["file"]).read_bytes()
            still = io.BytesIO()
            with Image.open(io.BytesIO(clip)) as picture:
                picture.convert("RGB").save(still, "GIF")
            gifs.append(FakeGif(Path(row["file"]).stem, "Funny GIF", clip, still.getvalue()))
            asked.append((row["sentence"], gifs[-1].id))
    return gifs, asked


async def test_the_shipped_model_finds_what_the_provider_cannot(tmp_path: Path) -> None:
    """Real animations that the provider knows nothing of: most are found by their pixels alone."""
    gifs, asked = shipped(50)
    async with GiphyServer(gifs, order=lambda words, some: list(some)) as server:
        rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, timeout_s=WITHIN_S)
        chosen = ProviderOptions("giphy", server.key, 0, url=server.origin)
        remote = ProvidersOptions((chosen,), downloads=rules)
        options = EngineOptions(bundle_folder("small"), tmp_path, providers=remote, min_confidence=1.0)
        found = 0
        async with open_engine(options, Metrics()) as engine:
            for words, gif_id in asked:
                answer = await engine.search.search(patient(words, 5, Rating.R))
                assert answer.coverage == Coverage(50, 50)
                found += gif_id in ids(answer)
    assert found / len(asked) > 0.5


async def test_a_gpu_without_memory_costs_nobody_an_answer(open_one: Open, server: GiphyServer) -> None:
    """Where not even one frame fits, texts and the provider's order decide; with memory again, pixels do."""

    def full(count: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    encoder = ColourEncoder(before=full)
    async with open_one(encoder) as engine:
        answer = await engine.search.search(patient("thing", 12))
        assert (len(answer.results), answer.coverage.embedded) == (12, 0)
        encoder.before = lambda count: None
        answer = await engine.search.search(patient("red", 2))
        assert answer.coverage.embedded == 100
