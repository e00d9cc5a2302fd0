"""Calls to a provider's JSON API: counted, retried, cut off while it is down, and every failure one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from deepgif.engine.errors import ProviderError
from deepgif.engine.providers.circuit_breaker import CircuitBreaker
from deepgif.engine.providers.quota import FOR_ADDRESSES, Quota

MAX_BYTES = 4 * 1024 * 1024  # of one answer; 50 GIFs with all renditions are about 500 KB
TIMEOUT_S = 5.0  # of one call
ATTEMPTS = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0


class _PassingError(ProviderError):
    """A failure that another attempt may not meet."""


class JsonApi:
    """GET calls to one provider. ``name`` is what people know it by; every call is taken from ``budget`` and made
    within ``breaker``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,
        budget: Quota,
        breaker: CircuitBreaker,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.budget = budget
        self._session = session
        self._name = name
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._breaker = breaker

    async def get(self, url: str, parameters: Mapping[str, str], *, leave: float = FOR_ADDRESSES) -> dict[str, Any]:
        """The JSON object that ``url`` answers; at least the share ``leave`` of the calls is left. Raises
        ``QuotaError``, ``CircuitOpenError``, and ``ProviderError`` for everything else that goes wrong; no text holds
        the address, which has the key in it."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_PassingError),
            wait=wait_random_exponential(FIRST_WAIT_S, LONGEST_WAIT_S),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with self._breaker.calling():
                    await self.budget.take(leave=leave)
                    return await self._call(url, parameters)
        raise AssertionError("tenacity ends with a value or an error")

    async def _call(self, url: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        try:
            async with self._session.get(
                url, params=parameters, timeout=self._timeout, allow_redirects=False
            ) as response:
                body = _parsed(await _read(response))
                status = _status(response.status, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _PassingError(f"{self._name} cannot be reached at the moment.") from _without_address(error)
        if status == 429:
            raise ProviderError(f"{self._name} allows no more calls at the moment.")
        if status in (401, 403):
            raise ProviderError(f"{self._name} refuses the key; please check the setting.")
        if status == 414:
            raise ProviderError(f"{self._name} finds the search too long.")
        if status >= 500 or body is None:
            raise _PassingError(f"{self._name} has a problem at the moment.")
        if status != 200:
            raise ProviderError(f"{self._name} answered with status {status}.")
        return body


async def _read(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > MAX_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too large")
    return bytes(data)


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _status(status: int, body: dict[str, Any] | None) -> int:
    """The status that the answer means: some say 200 and another one inside."""
    meta = body.get("meta") if body is not None else None
    if status == 200 and isinstance(meta, dict):
        if meta.get("response_id") == "":  # made up by something in between
            return 502
        inner = meta.get("status", 200)
        return inner if isinstance(inner, int) else 502
    return status


def _without_address(error: BaseException) -> Exception:
    """A cause for the log that cannot hold the address, and so the key."""
    return ConnectionError(type(error).__name__)
