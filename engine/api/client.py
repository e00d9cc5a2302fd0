"""The engine's HTTP client, for bots and the command line."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from deepgif.engine.api.schemas import GifReference, Problem, SearchResponse, Suggestions
from deepgif.engine.api.schemas import SearchRequest as SearchBody
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
    """A client of one engine; an async context manager that reuses its connections."""

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
        """Searches. Raises the ``DeepGifError`` that the engine answered with, or ``EngineUnavailableError``."""
        body = SearchBody.of(request).model_dump(mode="json")
        return await self._call("POST", "/v1/search", _answer, json=body)

    async def similar(self, key: GifKey, limit: int, max_rating: Rating) -> SearchAnswer:
        """GIFs that look like an indexed one. Raises the errors of ``search``."""
        asked = {"provider": key.provider, "id": key.id, "limit": str(limit), "max_rating": max_rating.value}
        return await self._call("GET", "/v1/similar", _answer, params=asked)

    async def share(self, key: GifKey) -> None:
        """Reports that a GIF was posted. Raises the errors of ``search``."""
        body = GifReference(provider=key.provider, id=key.id).model_dump()
        await self._call("POST", "/v1/share", lambda content: None, json=body)

    async def suggest(self, prefix: str, limit: int) -> tuple[str, ...]:
        """The most frequent words of indexed GIFs that begin with ``prefix``. Raises the errors of ``search``."""

        def words(content: bytes) -> tuple[str, ...]:
            return Suggestions.model_validate_json(content).suggestions

        return await self._call("GET", "/v1/suggest", words, params={"prefix": prefix, "limit": str(limit)})

    async def _call(self, method: str, path: str, read: Callable[[bytes], Answer], **asked: Any) -> Answer:
        if self._session is None:
            raise RuntimeError("the client is not open")
        try:
            async with self._session.request(method, self._url + path, allow_redirects=False, **asked) as response:
                content = await response.content.read(MAX_ANSWER_BYTES)
                while len(content) < MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    content += more
                if response.status not in (200, 204):
                    raise _error(response.status, content)
                return read(content)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise EngineUnavailableError("Can't reach the search engine. Try again later.") from error


def _answer(content: bytes) -> SearchAnswer:
    return SearchResponse.model_validate_json(content).to_answer()


def _error(status: int, content: bytes) -> DeepGifError:
    return _ERRORS.get(status, EngineUnavailableError)(Problem.model_validate_json(content).detail)
