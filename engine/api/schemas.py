"""The JSON of the HTTP API as pydantic models. Server and client validate with them; the OpenAPI document shows them.

Requests forbid unknown fields; responses ignore them, so that an older client can read a newer engine's answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepgif.engine import types
from deepgif.engine.errors import InvalidRequestError

MAX_PREFIX_LENGTH = 50  # characters of the word being typed
_GIF_FIELDS = ("title", "alt_text", "rating", "width", "height", "attribution", "text_in_gif")

Limit = Annotated[int, Field(ge=1, le=types.MAX_LIMIT, description=f"Number of GIFs, from 1 to {types.MAX_LIMIT}.")]
MaxRating = Annotated[
    types.Rating | None,
    Field(description="Highest rating to return: g, pg, pg-13 or r; capped at the engine's own maximum, the default."),
]
Similarity = Annotated[float | None, Field(description="Cosine similarity; null if there is nothing to compare.")]
Size = Annotated[int, Field(ge=0, description="In pixels; 0 if unknown.")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class SearchRequest(_Request):
    """The body of ``POST /v1/search``."""

    query: str = Field(description=f"Describes the GIF; at most {types.MAX_QUERY_LENGTH:,} characters.")
    limit: Limit = types.DEFAULT_LIMIT
    max_rating: MaxRating = None
    offset: int = Field(0, ge=0, lt=types.MAX_RANKED, description="Number of results to skip, for paging.")
    deadline_ms: int | None = Field(
        None,
        ge=1,
        le=round(types.MAX_DEADLINE_S * 1000),
        description="Milliseconds until the best answer so far is returned.",
    )
    language: str = Field(
        "",
        pattern=r"^([a-z]{2,3}(-[A-Za-z]{2,4})?)?$",
        description="The user's language for the provider, such as en.",
    )
    country: str = Field(
        "",
        pattern=r"^([A-Z]{2})?$",
        description="The user's country as an upper-case code, such as US, for the provider.",
    )

    @classmethod
    def of(cls, request: types.SearchRequest) -> Self:
        """The body that asks for ``request``."""
        return cls(
            query=request.query,
            limit=request.limit,
            max_rating=request.max_rating,
            offset=request.offset,
            deadline_ms=round(request.deadline_s * 1000),
            language=request.language,
            country=request.country,
        )

    def to_request(self, max_rating: types.Rating, deadline_s: float) -> types.SearchRequest:
        """The request, with the engine's highest rating and its default deadline."""
        deadline_s = self.deadline_ms / 1000 if self.deadline_ms is not None else deadline_s
        rating = lower(self.max_rating, max_rating)
        return types.SearchRequest(self.query, self.limit, rating, self.offset, deadline_s, self.language, self.country)


class SearchParameters(SearchRequest):
    """The parameters of ``GET /v1/search``."""

    query: str = Field(alias="q", description=f"Describes the GIF; at most {types.MAX_QUERY_LENGTH:,} characters.")


class GifReference(_Request):
    """Names one GIF: the body of ``POST /v1/share``."""

    provider: str = Field(description="The provider's name in search results.")
    id: str = Field(description="The GIF's id at that provider.")


class SimilarParameters(GifReference):
    """The parameters of ``GET /v1/similar``."""

    limit: Limit = types.DEFAULT_LIMIT
    max_rating: MaxRating = None


class SuggestParameters(_Request):
    """The parameters of ``GET /v1/suggest``."""

    prefix: str = Field("", description=f"The first letters of a word; only {MAX_PREFIX_LENGTH} of them count.")
    limit: Limit = types.DEFAULT_LIMIT


class Coverage(_Response):
    """How many of the compared GIFs were ranked by their frames, not by their text alone."""

    embedded: int = Field(ge=0, description="GIFs whose frames were embedded when the answer was made.")
    total: int = Field(ge=0, description="GIFs that were compared.")
    fraction: float = Field(ge=0, le=1)


class Result(_Response):
    """One GIF with its scores."""

    provider: str
    id: str = Field(description="Unique within its provider.")
    title: str
    alt_text: str = Field(description="Describes the GIF for people who can't see it.")
    rating: types.Rating
    url: str = Field(json_schema_extra={"format": "uri"})
    width: Size
    height: Size
    score: float = Field(description="Log-odds; orders the results. Fuses both similarities and the provider's rank.")
    visual_similarity: Similarity = Field(description="Query to frames, corrected for hubness.")
    text_similarity: Similarity = Field(description="Query to title, alt text and tags.")
    confidence: float = Field(description="Probability that the GIF matches; for similar GIFs, their similarity.")
    fit: types.Fit
    explanation: str = Field(description="Why this GIF was chosen, in plain words.")
    source: types.Source
    attribution: str = Field(description="To be shown with the GIF unless empty.")
    text_in_gif: str = Field("", description="The words that were read in the GIF; empty if there are none.")

    @classmethod
    def of(cls, result: types.ScoredGif, base_url: str) -> Self:
        """The JSON of ``result``; ``base_url`` is prepended to URLs that are relative to the engine."""
        gif = result.gif
        return cls(
            provider=gif.key.provider,
            id=gif.key.id,
            url=base_url + gif.url if gif.url.startswith("/") else gif.url,
            **{name: getattr(gif, name) for name in _GIF_FIELDS},
            score=round(result.score, 6),
            visual_similarity=None if result.visual is None else round(result.visual, 6),
            text_similarity=None if result.text is None else round(result.text, 6),
            confidence=round(result.confidence, 4),
            fit=result.fit,
            explanation=result.why,
            source=result.source,
        )

    def to_result(self) -> types.ScoredGif:
        """The result that ``of`` was given, with an absolute URL."""
        key = types.GifKey(self.provider, self.id)
        return types.ScoredGif(
            gif=types.Gif(key, url=self.url, **{name: getattr(self, name) for name in _GIF_FIELDS}),
            score=self.score,
            visual=self.visual_similarity,
            text=self.text_similarity,
            confidence=self.confidence,
            fit=self.fit,
            source=self.source,
            why=self.explanation,
        )


class SearchResponse(_Response):
    """The GIFs that match, best first."""

    query: str = Field(description="The query after normalization of spaces and control characters.")
    model: str = Field(description="Name and version of the model.")
    coverage: Coverage
    took_ms: float = Field(ge=0)
    origin: types.Origin = Field(description="From the index, a provider's GIFs reranked, or the provider's own order.")
    total_results: int = Field(ge=0, description="Results in the whole ranking, over all pages.")
    attribution: tuple[str, ...] = Field(description="To be shown with the results.")
    notices: tuple[str, ...] = Field(description="Plain sentences for the user.")
    results: tuple[Result, ...] = Field(max_length=types.MAX_LIMIT)

    @classmethod
    def of(cls, answer: types.SearchAnswer, base_url: str = "") -> Self:
        """The JSON of ``answer``; ``base_url`` is prepended to URLs that are relative to the engine."""
        seen, total, fraction = answer.coverage.embedded, answer.coverage.total, answer.coverage.fraction
        return cls(
            query=answer.query,
            model=answer.model,
            coverage=Coverage(embedded=seen, total=total, fraction=round(fraction, 4)),
            took_ms=round(answer.elapsed_s * 1000, 3),
            origin=answer.origin,
            total_results=answer.ranked,
            attribution=answer.attribution,
            notices=answer.notices,
            results=tuple(Result.of(result, base_url) for result in answer.results),
        )

    def to_answer(self) -> types.SearchAnswer:
        """The answer that ``of`` was given, with absolute URLs."""
        return types.SearchAnswer(
            query=self.query,
            results=tuple(result.to_result() for result in self.results),
            model=self.model,
            coverage=types.Coverage(self.coverage.embedded, self.coverage.total),
            elapsed_s=self.took_ms / 1000,
            notices=self.notices,
            origin=self.origin,
            ranked=self.total_results,
            attribution=self.attribution,
        )


class Suggestions(_Response):
    """Words that complete a prefix, most frequent first."""

    suggestions: tuple[str, ...] = Field(max_length=types.MAX_LIMIT)


class Health(_Response):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Readiness(_Response):
    """The engine answers searches."""

    status: Literal["ready"] = "ready"
    model: str
    embedded: int = Field(ge=0, description="GIFs that can be found.")
    total: int = Field(ge=0, description="GIFs in the catalogue.")


class Problem(_Response):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


Request = TypeVar("Request", bound=_Request)


def lower(asked: types.Rating | None, maximum: types.Rating) -> types.Rating:
    """The rating asked for, but never above ``maximum``, which is also the default."""
    return asked if asked is not None and maximum.allows(asked) else maximum


def read_body(model: type[Request], content: bytes) -> Request:
    """A request from a JSON body. Raises ``InvalidRequestError`` that names the field."""
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise _explained(error, model, "field") from None


def read_parameters(model: type[Request], query: Mapping[str, str]) -> Request:
    """A request from query parameters. Raises ``InvalidRequestError`` that names the parameter."""
    try:
        return model.model_validate_strings(dict(query))
    except ValidationError as error:
        raise _explained(error, model, "parameter") from None


def _explained(error: ValidationError, model: type[BaseModel], kind: str) -> InvalidRequestError:
    """The first problem as a sentence, without the input, which may be the user's words."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    if first["type"] == "json_invalid":
        return InvalidRequestError("The body is not valid JSON.")
    if not first["loc"]:
        return InvalidRequestError(f"The body must be a JSON object with the fields {', '.join(fields)}.")
    name = str(first["loc"][0])[:40]
    if first["type"] == "extra_forbidden":
        return InvalidRequestError(f"There is no {kind} “{name}”; the {kind}s are {', '.join(fields)}.")
    wrong = "is missing" if first["type"] == "missing" else f"is wrong: {first['msg'][0].lower()}{first['msg'][1:]}"
    return InvalidRequestError(f"The {kind} “{name}” {wrong}. {fields[name].description}")
