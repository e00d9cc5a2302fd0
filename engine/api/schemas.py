"""The engine's types as JSON and back: what goes over HTTP, in one place for server and client."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import (
    DEFAULT_DEADLINE_S,
    DEFAULT_LIMIT,
    MAX_DEADLINE_S,
    MAX_LIMIT,
    MAX_RANKED,
    Coverage,
    Fit,
    Gif,
    GifKey,
    Origin,
    Rating,
    ScoredGif,
    SearchAnswer,
    SearchRequest,
    Source,
)

FIELDS = ("query", "limit", "max_rating", "offset", "deadline_ms", "language", "country")
WHOLE = ("limit", "offset", "deadline_ms")
_LANGUAGE, _COUNTRY = re.compile(r"([a-z]{2,3}(-[A-Za-z]{2,4})?)?"), re.compile(r"([A-Z]{2})?")


def request_to_json(request: SearchRequest) -> dict[str, Any]:
    """The body of ``POST /v1/search``."""
    return {
        "query": request.words,
        "limit": request.limit,
        "max_rating": request.max_rating.value,
        "offset": request.offset,
        "deadline_ms": round(request.deadline_s * 1000),
        "language": request.language,
        "country": request.country,
    }


def request_from_json(body: object, most: Rating, deadline_s: float = DEFAULT_DEADLINE_S) -> SearchRequest:
    """A request from the body of ``POST /v1/search``; its rating defaults to ``most`` and is never above it, its
    deadline to ``deadline_s``.

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
    return SearchRequest(
        words,
        limit=_whole(body, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        max_rating=rating_of(body.get("max_rating", most.value), most),
        offset=_whole(body, "offset", 0, 0, MAX_RANKED - 1),
        deadline_s=_whole(body, "deadline_ms", round(deadline_s * 1000), 1, round(MAX_DEADLINE_S * 1000)) / 1000,
        language=language_of(body.get("language", "")),
        country=_code(body.get("country", ""), "country", _COUNTRY, "a country such as US"),
    )


def request_from_query(query: Mapping[str, str], most: Rating, deadline_s: float = DEFAULT_DEADLINE_S) -> SearchRequest:
    """A request from the parameters of ``GET /v1/search``: ``q`` for the words, the others named like the fields."""
    names = {"q": "query"} | {name: name for name in FIELDS[1:]}
    for name in query:
        if name not in names:
            raise InvalidRequestError(f"There is no parameter “{name[:40]}”; the parameters are {', '.join(names)}.")
    body: dict[str, object] = {names[name]: value for name, value in query.items()}
    if "q" not in query:
        raise InvalidRequestError("The parameter “q” is missing; it must say what the GIF shows.")
    for name in WHOLE:
        if name in query:
            body[name] = whole_number(query[name])
    return request_from_json(body, most, deadline_s)


def whole_number(text: str) -> int | None:
    """The number that a text of at most 9 plain digits means; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


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
        "origin": answer.origin.value,
        "ranked": answer.ranked,
        "attribution": list(answer.attribution),
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
            origin=Origin(body["origin"]),
            ranked=int(body["ranked"]),
            attribution=tuple(str(line) for line in body["attribution"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not an engine's answer") from error


def _whole(body: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidRequestError(f"The field “{name}” must be a whole number from {least} to {most}.")
    return value


def language_of(value: object) -> str:
    """The language that ``value`` names, or "". Raises ``InvalidRequestError``."""
    return _code(value, "language", _LANGUAGE, "a language such as en")


def _code(value: object, name: str, shape: re.Pattern[str], meaning: str) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise InvalidRequestError(f"The field “{name}” must be {meaning}, or empty.")
    return value


def rating_of(value: object, most: Rating) -> Rating:
    """The rating that ``value`` names, never above ``most``. Raises ``InvalidRequestError``."""
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
        "visual": None if result.visual is None else round(result.visual, 6),
        "text": None if result.text is None else round(result.text, 6),
        "confidence": round(result.confidence, 4),
        "fit": result.fit.value,
        "why": result.why,
        "source": result.source.value,
        "attribution": gif.attribution,
    }


def _result_from_json(body: Any) -> ScoredGif:
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
    return ScoredGif(
        gif=gif,
        score=_finite(body["score"]),
        visual=None if body["visual"] is None else _finite(body["visual"]),
        text=None if body["text"] is None else _finite(body["text"]),
        confidence=_finite(body["confidence"]),
        fit=Fit(body["fit"]),
        source=Source(body["source"]),
        why=str(body["why"]),
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a score")
    return number
