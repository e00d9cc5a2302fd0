"""Leaves a provider alone for a while where its calls fail again and again, so that nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from deepgif.engine.errors import CircuitOpenError, QuotaError

FAILURES, REST_S = 12, 30.0  # after so many failed calls in a row the provider is left alone for so long
NO_FAILURES = (asyncio.CancelledError, QuotaError, CircuitOpenError)  # they say nothing of the provider


class CircuitBreaker(Protocol):
    """Whether a provider is asked at present."""

    def calling(self) -> AbstractAsyncContextManager[None]:
        """What a call is made within, whose errors count as the provider's, but for ``NO_FAILURES``. Raises
        ``CircuitOpenError`` where the provider is left alone."""


class LocalCircuitBreaker:
    """The breaker of one engine: after ``failures`` failed calls in a row it opens for ``rest_s`` seconds."""

    def __init__(self, provider: str, failures: int = FAILURES, rest_s: float = REST_S) -> None:
        self.provider = provider
        self.failures = failures
        self.rest_s = rest_s
        self._breakers = AsyncCircuitBreakerFactory(failures, rest_s, exclude=list(NO_FAILURES))

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """What a call is made within. Raises ``CircuitOpenError`` where the provider is left alone."""
        try:
            async with await self._breakers.get_breaker(self.provider):
                yield
        except OpenedState as error:
            raise CircuitOpenError(self.provider) from error
