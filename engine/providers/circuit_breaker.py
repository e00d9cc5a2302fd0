"""A circuit breaker per provider, so that nobody waits for a provider that keeps failing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from deepgif.engine.errors import CircuitOpenError, QuotaError

MAX_FAILURES, RESET_S = 12, 30.0  # consecutive failures that open the circuit, and for how long
NO_FAILURES = (asyncio.CancelledError, QuotaError, CircuitOpenError)  # they say nothing about the provider


class CircuitBreaker(Protocol):
    """Decides whether a provider may be called."""

    def guard(self) -> AbstractAsyncContextManager[None]:
        """Guards a call. Errors inside count as failures of the provider, except for ``NO_FAILURES``. Raises
        ``CircuitOpenError`` if the circuit is open."""


class LocalCircuitBreaker:
    """The circuit breaker of one engine: ``max_failures`` consecutive failures open it for ``reset_s`` seconds."""

    def __init__(self, provider: str, max_failures: int = MAX_FAILURES, reset_s: float = RESET_S) -> None:
        self.provider = provider
        self.max_failures = max_failures
        self.reset_s = reset_s
        self._breakers = AsyncCircuitBreakerFactory(max_failures, reset_s, exclude=list(NO_FAILURES))

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Guards a call. Raises ``CircuitOpenError`` if the circuit is open."""
        try:
            async with await self._breakers.get_breaker(self.provider):
                yield
        except OpenedState as error:
            raise CircuitOpenError(self.provider) from error
