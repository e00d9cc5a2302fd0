"""Turns errors into problem details (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web

from deepgif.engine.api.schemas import Problem
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
    IndexUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "Index unavailable"),
    InvalidRequestError: (HTTPStatus.BAD_REQUEST, "Invalid request"),
    MediaError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Unreadable GIF"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "Not found"),
    NotReadyError: (HTTPStatus.SERVICE_UNAVAILABLE, "Not ready"),
    OverloadedError: (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    UnauthorizedError: (HTTPStatus.UNAUTHORIZED, "Unauthorized"),
}
# Titles and details for the errors that aiohttp itself raises.
_REFUSED: dict[int, tuple[str, str]] = {
    404: ("Not found", "There is no such path; /openapi.json lists them."),
    405: ("Method not allowed", "This path has no such method; /openapi.json lists them."),
    413: ("Too large", "The request is too large; a search needs only a few words."),
}
_log = logging.getLogger(__name__)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """A problem details response (RFC 9457, section 3)."""
    body = Problem(title=title, status=status, detail=detail)
    return web.Response(status=status, text=body.model_dump_json(), content_type=CONTENT_TYPE, headers=headers)


def problem_of(error: Exception) -> web.Response:
    """The response for ``error``. Unforeseen errors are logged, without the query."""
    if isinstance(error, DeepGifError):
        status, title = _STATUS.get(type(error), (HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong"))
        headers = {}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            headers["Retry-After"] = str(RETRY_AFTER_S)
        if status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="DeepGIF"'
        if error.__cause__ is not None:
            _log.error("%s", error, exc_info=error.__cause__)
        return problem(status, title, str(error), headers)
    if isinstance(error, web.HTTPException):
        title, detail = _REFUSED.get(error.status, (error.reason, "The engine can't answer that request."))
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(error.status, title, detail, allow)
    _log.error("Unexpected error in a request.", exc_info=error)
    detail = "The engine failed; its log says why. Try again."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong", detail)
