"""Which searches are retried."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deepgif.bot.chat import search
from deepgif.bot.chat.search import MAX_RETRY_S, RETRY_PAUSES_S, GifSearch
from deepgif.bot.request import ChatContext, Preferences
from deepgif.bot.store.sessions import SearchSession
from deepgif.engine.api.client import EngineClient
from deepgif.engine.errors import (
    DeepGifError,
    EngineUnavailableError,
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
)
from deepgif.engine.types import Coverage, SearchAnswer, SearchRequest
from tests.fakes.waiting import skip

SESSION = SearchSession("name", ChatContext("slack", "T1", "C1", "U1"), "a cat")
NOTHING = SearchAnswer("a cat", (), "fake@1", Coverage(0, 0), 0.01, ranked=0)


class Client(EngineClient):
    """Raises each of ``errors`` in turn, after ``takes_s`` seconds each, then answers."""

    def __init__(self, errors: Sequence[DeepGifError], takes_s: float = 0.0) -> None:
        super().__init__("")
        self.errors = list(errors)
        self.takes_s = takes_s
        self.asked = 0

    async def search(self, request: SearchRequest) -> SearchAnswer:
        self.asked += 1
        skip(self.takes_s)
        if self.errors:
            raise self.errors.pop(0)
        return NOTHING


async def ask(client: Client) -> None:
    await GifSearch(client, lambda gif: True, 1.0).next(SESSION, Preferences(), ())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "RETRY_PAUSES_S", (0.0,) * len(RETRY_PAUSES_S))


@pytest.mark.parametrize("error", [EngineUnavailableError("away"), NotReadyError("closing down")])
async def test_another_engine_may_answer(error: DeepGifError) -> None:
    """If an engine died or is shutting down, the load balancer may choose another one."""
    client = Client([error] * len(RETRY_PAUSES_S))
    await ask(client)
    assert client.asked == len(RETRY_PAUSES_S) + 1
    client = Client([error] * 100)
    with pytest.raises(type(error)):
        await ask(client)
    assert client.asked == len(RETRY_PAUSES_S) + 1


@pytest.mark.parametrize("error", [InvalidRequestError("no"), OverloadedError("full")])
async def test_errors_that_are_not_retried(error: DeepGifError) -> None:
    """A bad request stays bad, and retries would only add to an overload."""
    client = Client([error])
    with pytest.raises(type(error)):
        await ask(client)
    assert client.asked == 1


async def test_retries_are_bounded_in_time() -> None:
    """There is always one retry, but no second one if the first two attempts took long."""
    client = Client([EngineUnavailableError("away")] * 100, takes_s=MAX_RETRY_S)
    with pytest.raises(EngineUnavailableError):
        await ask(client)
    assert client.asked == 2
