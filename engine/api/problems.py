"""Errors as RFC 9457 problem details: mapped once, here, at the edge."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from aiohttp import web

from deepgif.engine.errors import (
    DeepGifError,
    IndexUnavailableError,
    InvalidRequestError,
    MediaError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    UnauthorizedError,
)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_STATUS: dict[type[DeepGifError], tuple[HTTPStatus, str]] = {
    IndexUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "The index is away"),
    InvalidRequestError: (HTTPStatus.BAD_REQUEST, "That cannot be searched for"),
    MediaError: (HTTPStatus.UNPROCESSABLE_ENTITY, "That GIF cannot be read"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "There is nothing here"),
    NotReadyError: (HTTPStatus.SERVICE_UNAVAILABLE, "The engine is not ready"),
    OverloadedError: (HTTPStatus.TOO_MANY_REQUESTS, "The engine is busy"),
    UnauthorizedError: (HTTPStatus.UNAUTHORIZED, "A token is needed"),
}
# What aiohttp itself refuses, in words for people.
_REFUSED: dict[int, tuple[str, str]] = {
    404: ("There is nothing here", "This engine has no such address; /openapi.json lists those it has."),
    405: ("That does not work here", "This address does not take that method; /openapi.json lists those it takes."),
    413: ("That is too much", "The request is larger than this engine reads; a search needs only a few words."),
}
_log = logging.getLogger(__name__)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """A problem details response (RFC 9457, section 3)."""
    body = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
    return web.Response(
        status=int(status), text=json.dumps(body, ensure_ascii=False), content_type=CONTENT_TYPE, headers=headers
    )


def problem_of(error: Exception) -> web.Response:
    """What to answer when ``error`` ended a request. What nobody foresaw is logged, without the person's words."""
    if isinstance(error, DeepGifError):
        status, title = _STATUS.get(type(error), (HTTPStatus.INTERNAL_SERVER_ERROR, "That did not work"))
        headers = {}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            headers["Retry-After"] = str(RETRY_AFTER_S)
        if status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="DeepGIF"'
        if error.__cause__ is not None:
            _log.error("%s", error, exc_info=error.__cause__)
        return problem(status, title, str(error), headers)
    if isinstance(error, web.HTTPException):
        title, detail = _REFUSED.get(error.status, (error.reason, "This engine cannot answer that request."))
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(error.status, title, detail, allow)
    _log.error("A request failed.", exc_info=error)
    detail = "The engine could not answer this; its log says why. Please try again."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong", detail)
