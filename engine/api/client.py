"""The engine as its clients see it: bots and the command line ask over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from deepgif.engine.api.schemas import answer_from_json, request_to_json
from deepgif.engine.errors import (
    DeepGifError,
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    UnauthorizedError,
)
from deepgif.engine.types import GifKey, Rating, SearchAnswer, SearchRequest

MAX_ANSWER_BYTES = 1024 * 1024
Answer = TypeVar("Answer")
_ERRORS: dict[int, type[DeepGifError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    404: NotFoundError,
    413: InvalidRequestError,
    429: OverloadedError,
    503: NotReadyError,
}


class EngineClient:
    """Asks one engine. An async context manager: it keeps its connections while it is open."""

    def __init__(self, url: str, token: str = "", timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """The engine's answer. Raises the ``DeepGifError`` that the engine had, or ``EngineUnavailableError``."""
        return await self._call("POST", "/v1/search", answer_from_json, json=request_to_json(request))

    async def similar(self, key: GifKey, limit: int, max_rating: Rating) -> SearchAnswer:
        """GIFs that look like one that is known; errors are those of ``search``."""
        asked = {"provider": key.provider, "id": key.id, "limit": str(limit), "max_rating": max_rating.value}
        return await self._call("GET", "/v1/similar", answer_from_json, params=asked)

    async def sent(self, key: GifKey) -> None:
        """Says that a GIF was sent; errors are those of ``search``."""
        await self._call("POST", "/v1/sent", lambda body: None, json=key._asdict())

    async def words(self, start: str, limit: int) -> tuple[str, ...]:
        """The most frequent words of known GIFs that begin with ``start``; errors are those of ``search``."""
        asked = {"start": start, "limit": str(limit)}
        return await self._call("GET", "/v1/words", lambda body: tuple(map(str, body["words"])), params=asked)

    async def _call(self, method: str, path: str, read: Callable[[Any], Answer], **asked: Any) -> Answer:
        if self._session is None:
            raise RuntimeError("the client is not open")
        try:
            async with self._session.request(method, self._url + path, allow_redirects=False, **asked) as response:
                content = await response.content.read(MAX_ANSWER_BYTES)
                while len(content) < MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    content += more
                body = None if response.status == 204 else json.loads(content)
                if response.status not in (200, 204):
                    raise _error(response.status, body)
                return read(body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise EngineUnavailableError(
                "The search engine does not answer at the moment; please try again later."
            ) from error


def _error(status: int, body: Any) -> DeepGifError:
    detail = body.get("detail") if isinstance(body, dict) else None
    kind = _ERRORS.get(status, EngineUnavailableError)
    return kind(detail if isinstance(detail, str) and detail else f"The engine answered with status {status}.")
