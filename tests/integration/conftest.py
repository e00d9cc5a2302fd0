"""What several integration tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.engine_server import EngineServer


@pytest.fixture
async def engine() -> AsyncIterator[EngineServer]:
    """An engine on loopback."""
    async with EngineServer() as started:
        yield started
