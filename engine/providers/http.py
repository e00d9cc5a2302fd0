"""Calls to a provider's JSON API, with quota, retries and circuit breaker. Every error is a sentence for people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from deepgif.engine.errors import ProviderError
from deepgif.engine.providers.circuit_breaker import CircuitBreaker
from deepgif.engine.providers.quota import RESERVED_FOR_LOOKUPS, Quota

MAX_BYTES = 4 * 1024 * 1024  # per response; 50 GIFs with all renditions are about 500 KB
TIMEOUT_S = 5.0  # per call
ATTEMPTS = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0


class _TransientError(ProviderError):
    """A failure that may not happen again."""


class JsonApi:
    """GET calls to one provider, whose ``name`` people see. Every call counts against ``quota`` and is guarded by
    ``breaker``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,
        quota: Quota,
        breaker: CircuitBreaker,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.quota = quota
        self._session = session
        self._name = name
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._breaker = breaker

    async def get(
        self, url: str, parameters: Mapping[str, str], *, reserve: float = RESERVED_FOR_LOOKUPS
    ) -> dict[str, Any]:
        """The JSON object at ``url``, if at least the share ``reserve`` of the quota is left. Raises ``QuotaError``,
        ``CircuitOpenError``, and ``ProviderError`` for all other failures. No error contains the URL, which has the
        key in it."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TransientError),
            wait=wait_random_exponential(FIRST_WAIT_S, LONGEST_WAIT_S),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with self._breaker.guard():
                    await self.quota.acquire(reserve=reserve)
                    return await self._call(url, parameters)
        raise AssertionError("tenacity ends with a value or an error")

    async def get_pages(
        self, url: str, pages: Sequence[Mapping[str, str]], *, reserve: float = RESERVED_FOR_LOOKUPS
    ) -> list[dict[str, Any]]:
        """The JSON objects for several sets of parameters, without those that failed. Raises ``ProviderError`` if all
        failed."""
        found = await asyncio.gather(
            *(self.get(url, parameters, reserve=reserve) for parameters in pages), return_exceptions=True
        )
        bodies = [page for page in found if not isinstance(page, BaseException)]
        if not bodies:
            raise next(page for page in found if isinstance(page, BaseException))
        return bodies

    async def _call(self, url: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        try:
            async with self._session.get(
                url, params=parameters, timeout=self._timeout, allow_redirects=False
            ) as response:
                body = _parsed(await _read(response))
                status = _status(response.status, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _TransientError(f"{self._name} cannot be reached right now.") from _without_url(error)
        if status == 429:
            raise ProviderError(f"{self._name} does not allow more calls right now.")
        if status in (401, 403):
            raise ProviderError(f"{self._name} rejected the API key. Check the setting.")
        if status == 414:
            raise ProviderError(f"{self._name} says that the search is too long.")
        if status >= 500 or body is None:
            raise _TransientError(f"{self._name} has a problem right now.")
        if status != 200:
            raise ProviderError(f"{self._name} answered with status {status}.")
        return body


async def _read(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > MAX_BYTES:
            raise aiohttp.ClientPayloadError("the response is too large")
    return bytes(data)


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _status(status: int, body: dict[str, Any] | None) -> int:
    """The actual status: some responses have status 200 and another one in the body."""
    meta = body.get("meta") if body is not None else None
    if status == 200 and isinstance(meta, dict):
        if meta.get("response_id") == "":  # not made by the provider itself
            return 502
        inner = meta.get("status", 200)
        return inner if isinstance(inner, int) else 502
    return status


def _without_url(error: BaseException) -> Exception:
    """A cause for the log that cannot contain the URL, and so the key."""
    return ConnectionError(type(error).__name__)
