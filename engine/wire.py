"""The engine's types as JSON and back: what goes over HTTP, in one place for server and client."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidRequestError
from engine.types import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Coverage,
    Fit,
    Gif,
    GifKey,
    Rating,
    ScoredGif,
    SearchAnswer,
    SearchRequest,
    Source,
)

FIELDS = ("query", "limit", "max_rating")


def request_to_json(request: SearchRequest) -> dict[str, Any]:
    """The body of ``POST /v1/search``."""
    return {"query": request.words, "limit": request.limit, "max_rating": request.max_rating.value}


def request_from_json(body: object, most: Rating) -> SearchRequest:
    """A request from the body of ``POST /v1/search``; its rating defaults to ``most`` and is never above it.

    Raises ``InvalidRequestError`` naming the field that is wrong.
    """
    if not isinstance(body, dict):
        raise InvalidRequestError('The body must be a JSON object such as {"query": "a cat falls off a table"}.')
    for name in body:
        if name not in FIELDS:
            raise InvalidRequestError(f"There is no field “{str(name)[:40]}”; the fields are {', '.join(FIELDS)}.")
    words = body.get("query")
    if not isinstance(words, str):
        raise InvalidRequestError("The field “query” is missing; it must be a text that says what the GIF shows.")
    limit = body.get("limit", DEFAULT_LIMIT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequestError(f"The field “limit” must be a whole number from 1 to {MAX_LIMIT}.")
    return SearchRequest(words, limit, _rating(body.get("max_rating", most.value), most))


def request_from_query(query: Mapping[str, str], most: Rating) -> SearchRequest:
    """A request from the parameters of ``GET /v1/search``: ``q``, ``limit``, ``max_rating``."""
    names = {"q": "query", "limit": "limit", "max_rating": "max_rating"}
    for name in query:
        if name not in names:
            raise InvalidRequestError(f"There is no parameter “{name[:40]}”; the parameters are {', '.join(names)}.")
    body: dict[str, object] = {names[name]: value for name, value in query.items()}
    if "q" not in query:
        raise InvalidRequestError("The parameter “q” is missing; it must say what the GIF shows.")
    if "limit" in query:
        text = query["limit"]
        body["limit"] = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    return request_from_json(body, most)


def answer_to_json(answer: SearchAnswer, base_url: str) -> dict[str, Any]:
    """The body of an answer; addresses that are relative to the engine get ``base_url`` in front."""
    return {
        "query": answer.words,
        "model": answer.model,
        "coverage": {
            "seen": answer.coverage.seen,
            "total": answer.coverage.total,
            "fraction": round(answer.coverage.fraction, 4),
        },
        "took_ms": round(answer.elapsed_s * 1000, 3),
        "notices": list(answer.notices),
        "results": [_result_to_json(result, base_url) for result in answer.results],
    }


def answer_from_json(body: Any) -> SearchAnswer:
    """The answer in a body that ``answer_to_json`` made. Raises ``ValueError`` for anything else."""
    try:
        return SearchAnswer(
            words=str(body["query"]),
            results=tuple(_result_from_json(result) for result in body["results"]),
            model=str(body["model"]),
            coverage=Coverage(int(body["coverage"]["seen"]), int(body["coverage"]["total"])),
            elapsed_s=float(body["took_ms"]) / 1000,
            notices=tuple(str(notice) for notice in body["notices"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not an engine's answer") from error


def _rating(value: object, most: Rating) -> Rating:
    if not isinstance(value, str) or value not in list(Rating):
        raise InvalidRequestError(f"The rating must be one of {', '.join(Rating)}.")
    asked = Rating(value)
    return asked if most.allows(asked) else most


def _result_to_json(result: ScoredGif, base_url: str) -> dict[str, Any]:
    gif = result.gif
    return {
        "provider": gif.key.provider,
        "id": gif.key.id,
        "title": gif.title,
        "alt_text": gif.alt_text,
        "rating": gif.rating.value,
        "url": base_url + gif.url if gif.url.startswith("/") else gif.url,
        "width": gif.width,
        "height": gif.height,
        "score": round(result.score, 6),
        "z_score": round(result.z_score, 4),
        "fit": result.fit.value,
        "why": result.why,
        "source": result.source.value,
        "attribution": gif.attribution,
    }


def _result_from_json(body: Any) -> ScoredGif:
    score, z_score = float(body["score"]), float(body["z_score"])
    if not (math.isfinite(score) and math.isfinite(z_score)):
        raise ValueError("not a score")
    gif = Gif(
        key=GifKey(str(body["provider"]), str(body["id"])),
        title=str(body["title"]),
        alt_text=str(body["alt_text"]),
        rating=Rating(body["rating"]),
        url=str(body["url"]),
        width=int(body["width"]),
        height=int(body["height"]),
        attribution=str(body["attribution"]),
    )
    return ScoredGif(gif, score, z_score, Fit(body["fit"]), Source(body["source"]), str(body["why"]))
