"""Whom the finder asks again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deepgif.bot.chat import search
from deepgif.bot.chat.search import PATIENCE_S, PAUSES_S, GifSearch
from deepgif.bot.store.preferences import ChatContext, Preferences
from deepgif.bot.store.sessions import SearchSession
from deepgif.engine.errors import (
    DeepGifError,
    EngineUnavailableError,
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
)
from deepgif.engine.types import Coverage, GifKey, Rating, SearchAnswer, SearchRequest
from tests.fakes.waiting import skip

SHOWING = SearchSession("name", ChatContext("slack", "T1", "C1", "U1"), "a cat")
NOTHING = SearchAnswer("a cat", (), "fake@1", Coverage(0, 0), 0.01, ranked=0)


class Client:
    """Fails with each of ``errors`` in turn, after ``takes_s`` each, before it answers."""

    def __init__(self, errors: Sequence[DeepGifError], takes_s: float = 0.0) -> None:
        self.errors = list(errors)
        self.takes_s = takes_s
        self.asked = 0

    async def search(self, request: SearchRequest) -> SearchAnswer:
        self.asked += 1
        skip(self.takes_s)
        if self.errors:
            raise self.errors.pop(0)
        return NOTHING

    async def similar(self, key: GifKey, limit: int, max_rating: Rating) -> SearchAnswer:
        raise NotImplementedError

    async def sent(self, key: GifKey) -> None:
        raise NotImplementedError


async def ask(client: Client) -> None:
    await GifSearch(client, lambda gif: True, 1.0).next(SHOWING, Preferences(), ())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAUSES_S", (0.0,) * len(PAUSES_S))


@pytest.mark.parametrize("error", [EngineUnavailableError("away"), NotReadyError("closing down")])
async def test_another_engine_may_answer(error: DeepGifError) -> None:
    """One that died or closes down is not the end: whoever stands in front of the engines takes another one."""
    client = Client([error] * len(PAUSES_S))
    await ask(client)
    assert client.asked == len(PAUSES_S) + 1
    client = Client([error] * 100)
    with pytest.raises(type(error)):
        await ask(client)
    assert client.asked == len(PAUSES_S) + 1


@pytest.mark.parametrize("error", [InvalidRequestError("no"), OverloadedError("full")])
async def test_what_another_try_makes_no_better(error: DeepGifError) -> None:
    """What is wrong stays wrong, and who has too much to do is not asked again."""
    client = Client([error])
    with pytest.raises(type(error)):
        await ask(client)
    assert client.asked == 1


async def test_engines_that_hang_are_not_waited_for_without_end() -> None:
    """There is always a second try, but no third one where the first two took long."""
    client = Client([EngineUnavailableError("away")] * 100, takes_s=PATIENCE_S)
    with pytest.raises(EngineUnavailableError):
        await ask(client)
    assert client.asked == 2
