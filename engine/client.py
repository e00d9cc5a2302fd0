"""The engine as its clients see it: bots and the command line ask over HTTP."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

import aiohttp

from engine.errors import (
    DeepGifError,
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    UnauthorizedError,
)
from engine.types import SearchAnswer, SearchRequest
from engine.wire import answer_from_json, request_to_json

MAX_ANSWER_BYTES = 1024 * 1024
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
        if self._session is None:
            raise RuntimeError("the client is not open")
        try:
            async with self._session.post(
                f"{self._url}/v1/search", json=request_to_json(request), allow_redirects=False
            ) as response:
                content = await response.content.read(MAX_ANSWER_BYTES)
                while len(content) < MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    content += more
                body = json.loads(content)
                if response.status != 200:
                    raise _error(response.status, body)
                return answer_from_json(body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise EngineUnavailableError(
                "The search engine does not answer at the moment; please try again later."
            ) from error


def _error(status: int, body: Any) -> DeepGifError:
    detail = body.get("detail") if isinstance(body, dict) else None
    kind = _ERRORS.get(status, EngineUnavailableError)
    return kind(detail if isinstance(detail, str) and detail else f"The engine answered with status {status}.")
