"""What several integration tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from deepgif.bot.discord import commands
from deepgif.bot.jobs import handler, worker
from deepgif.engine.api.client import EngineClient
from deepgif.engine.media import decoder_pool
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.search import service
from tests.fakes.engine_server import EngineServer
from tests.fakes.waiting import WITHIN_S

LIMITS = (
    (service, "MAX_DEADLINE_S"),
    (decoder_pool, "START_S"),
    (decoder_pool, "GRACE_S"),
    (handler, "JOB_S"),
    (worker, "STOP_S"),
    (commands, "COMPLETE_S"),
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a slow machine must not look like something that is away."""
    for module, name in LIMITS:
        monkeypatch.setattr(module, name, WITHIN_S)
    monkeypatch.setattr(
        "deepgif.bot.app.EngineClient", lambda url, token, timeout_s: EngineClient(url, token, WITHIN_S)
    )
    monkeypatch.setattr("deepgif.engine.providers.factory.JsonApi", partial(JsonApi, timeout_s=WITHIN_S))


@pytest.fixture
async def engine() -> AsyncIterator[EngineServer]:
    """An engine on loopback."""
    async with EngineServer() as started:
        yield started
