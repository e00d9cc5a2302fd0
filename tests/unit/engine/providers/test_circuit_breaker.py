"""When a provider is left alone by one engine."""

import asyncio

import pytest

from deepgif.engine.errors import CircuitOpenError, ProviderError, QuotaError
from deepgif.engine.providers.circuit_breaker import LocalCircuitBreaker


async def call(breaker, error=None):
    async with breaker.guard():
        if error is not None:
            raise error


async def fail(breaker, times):
    for _ in range(times):
        with pytest.raises(ProviderError, match="down"):
            await call(breaker, ProviderError("down"))


async def test_it_opens_and_closes(clock):
    """So many failures in a row, and not one less, open it for so long; then one that goes well closes it, and one that
    does not opens it again."""
    breaker = LocalCircuitBreaker("GIPHY", max_failures=3, reset_s=30)
    await fail(breaker, 2)
    await call(breaker)
    await fail(breaker, 3)
    with pytest.raises(CircuitOpenError, match="GIPHY failed several times in a row"):
        await call(breaker)
    clock.ahead_s += 31
    await fail(breaker, 1)
    with pytest.raises(CircuitOpenError):
        await call(breaker)
    clock.ahead_s += 31
    await call(breaker)
    await fail(breaker, 2)
    await call(breaker)


@pytest.mark.parametrize("error", [QuotaError("GIPHY", 3), asyncio.CancelledError(), CircuitOpenError("GIPHY")])
async def test_what_says_nothing_of_the_provider(error):
    """Who leaves, and who may not call, are no failures of it."""
    breaker = LocalCircuitBreaker("GIPHY", max_failures=3)
    for _ in range(5):
        with pytest.raises(type(error)):
            await call(breaker, error)
    await call(breaker)
