"""The OpenAPI document of the service. A test holds it against the routes and real answers."""

from __future__ import annotations

from typing import Any

from deepgif.engine.types import (
    DEFAULT_LIMIT,
    MAX_DEADLINE_S,
    MAX_LIMIT,
    MAX_RANKED,
    MAX_WORDS_LENGTH,
    Fit,
    Origin,
    Rating,
    Source,
)

_RATING = {"type": "string", "enum": [rating.value for rating in Rating]}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_WORDS = {
    "type": "string",
    "description": f"What the GIF should show, in the person's own words; at most {MAX_WORDS_LENGTH:,} characters.",
}
_MORE = {
    "offset": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_RANKED - 1,
        "default": 0,
        "description": "Results to pass over: the next page is served from what is ranked already.",
    },
    "deadline_ms": {
        "type": "integer",
        "minimum": 1,
        "maximum": round(MAX_DEADLINE_S * 1000),
        "description": "Milliseconds until the best answer so far is given.",
    },
    "language": {"type": "string", "description": "The person's language (ISO 639-1), for the provider."},
    "country": {"type": "string", "description": "The person's country (ISO 3166-1), for the provider."},
}
_MAX_RATING_HELP = "Nothing rated above this; never above what the engine itself allows, which is also the default."


def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    secured: list[dict[str, list[str]]] = [{}, {"token": []}]
    searched = {
        "200": _json("The GIFs that fit, best first.", "SearchAnswer"),
        "400": _problem("The words or the options cannot be searched with."),
        "401": _problem("The bearer token is missing or wrong."),
        "429": _problem("The engine is busy; Retry-After says when to try again."),
        "503": _problem("The engine is starting; Retry-After says when to try again."),
    }
    parameters = [
        {"name": "q", "in": "query", "required": True, "schema": _WORDS},
        {"name": "limit", "in": "query", "schema": _LIMIT},
        {"name": "max_rating", "in": "query", "schema": _RATING, "description": _MAX_RATING_HELP},
        *({"name": name, "in": "query", "schema": schema} for name, schema in _MORE.items()),
    ]
    alike = [
        *({"name": name, "in": "query", "required": True, "schema": {"type": "string"}} for name in ("provider", "id")),
        *parameters[1:3],
    ]
    body = {"required": True, "content": {"application/json": {"schema": _ref("SearchRequest")}}}
    media = {
        "200": {"description": "The GIF.", "content": {"image/gif": {}, "image/webp": {}}},
        "404": _problem("There is no such GIF."),
        "503": _problem("The engine is starting."),
    }
    ready = {
        "200": _json("Searches are answered.", "Readiness"),
        "503": _problem("The engine is starting, or closing down; then no more searches should be sent to it."),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DeepGIF engine",
            "version": "1",
            "description": "Finds GIFs by what they show. Errors are problem details (RFC 9457).",
        },
        "paths": {
            "/v1/search": {
                "get": {
                    "summary": "Search, with everything in the address",
                    "security": secured,
                    "parameters": parameters,
                    "responses": searched,
                },
                "post": {
                    "summary": "Search",
                    "security": secured,
                    "requestBody": body,
                    "responses": {**searched, "413": _problem("The body is too large.")},
                },
            },
            "/v1/similar": {
                "get": {
                    "summary": "GIFs that look like one that is known",
                    "security": secured,
                    "parameters": alike,
                    "responses": {**searched, "404": _problem("This GIF has not been looked at.")},
                }
            },
            "/v1/words": {
                "get": {
                    "summary": "The most frequent words of known GIFs that begin with some letters",
                    "security": secured,
                    "parameters": [
                        {"name": "start", "in": "query", "schema": {"type": "string", "default": ""}},
                        parameters[1],
                    ],
                    "responses": {
                        "200": _json("The words, most frequent first.", "Words"),
                        **{status: searched[status] for status in ("400", "401", "503")},
                    },
                }
            },
            "/v1/sent": {
                "post": {
                    "summary": "A GIF was sent",
                    "description": "Its provider is told, where the operator wants that.",
                    "security": secured,
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": _ref("Sent")}},
                    },
                    "responses": {
                        "204": {"description": "Noted."},
                        **{status: searched[status] for status in ("400", "401", "503")},
                    },
                }
            },
            "/v1/media/{provider}/{id}": {
                "get": {
                    "summary": "A GIF of a local catalogue",
                    "parameters": [
                        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                        for name in ("provider", "id")
                    ],
                    "responses": media,
                }
            },
            "/": {"get": {"summary": "The search page", "responses": {"200": _content("HTML.", "text/html")}}},
            "/assets/{name}": {
                "get": {
                    "summary": "What the search page is made of",
                    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {
                        "200": {
                            "description": "Style, script or icon.",
                            "content": {"text/css": {}, "text/javascript": {}, "image/svg+xml": {}},
                        },
                        "404": _problem("The page has no such part."),
                    },
                }
            },
            "/healthz": {"get": {"summary": "The process lives", "responses": {"200": _json("Alive.", "Health")}}},
            "/readyz": {"get": {"summary": "The models are loaded and warm", "responses": ready}},
            "/metrics": {
                "get": {
                    "summary": "Figures for Prometheus",
                    "security": secured,
                    "responses": {
                        "200": _content("Prometheus's text format.", "text/plain"),
                        "401": _problem("The bearer token is missing or wrong."),
                    },
                }
            },
            "/openapi.json": {
                "get": {"summary": "This document", "responses": {"200": _content("OpenAPI 3.1.", "application/json")}}
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    text, number, whole = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 0}
    return {
        "SearchRequest": {
            "type": "object",
            "required": ["query"],
            "additionalProperties": False,
            "properties": {
                "query": _WORDS,
                "limit": _LIMIT,
                "max_rating": {**_RATING, "description": _MAX_RATING_HELP},
                **_MORE,
            },
        },
        "SearchAnswer": _object(
            query={**text, "description": "The words as they were understood: spaces and control characters tidied."},
            model={**text, "description": "Name and version of the model."},
            coverage=_ref("Coverage"),
            took_ms={**number, "minimum": 0},
            origin={
                "type": "string",
                "enum": [origin.value for origin in Origin],
                "description": "From what was known, a provider's GIFs reranked, or the provider's own order.",
            },
            ranked={**whole, "description": "GIFs in the whole ranking, for later pages."},
            attribution={"type": "array", "items": text, "description": "To be shown with the answer."},
            notices={"type": "array", "items": text, "description": "Plain sentences for the person who asked."},
            results={"type": "array", "items": _ref("Result"), "maxItems": MAX_LIMIT},
        ),
        "Coverage": _object(
            seen={**whole, "description": "GIFs whose pixels had been looked at when the answer was made."},
            total={**whole, "description": "GIFs that were compared."},
            fraction={**number, "minimum": 0, "maximum": 1},
        ),
        "Result": _object(
            provider=text,
            id={**text, "description": "Unique within its provider."},
            title=text,
            alt_text={**text, "description": "What the GIF shows, for people who cannot see it."},
            rating=_RATING,
            url={**text, "format": "uri"},
            width={**whole, "description": "Pixels; 0 where it is not known."},
            height={**whole, "description": "Pixels; 0 where it is not known."},
            score={**number, "description": "What orders the results: likenesses and the provider's order, fused."},
            visual=_cosine("words and pixels, less its likeness to any query"),
            text=_cosine("words and title, alt text and tags"),
            confidence={
                **number,
                "minimum": 0,
                "maximum": 1,
                "description": "The chance that the GIF shows what was asked for; for similar GIFs, their likeness.",
            },
            fit={"type": "string", "enum": [fit.value for fit in Fit]},
            why={**text, "description": "Why this GIF, in plain words."},
            source={"type": "string", "enum": [source.value for source in Source]},
            attribution={**text, "description": "To be shown with the GIF where it is not empty."},
        ),
        "Words": _object(words={"type": "array", "items": text, "maxItems": MAX_LIMIT}),
        "Sent": _object(provider=text, id=text),
        "Health": _object(status={"type": "string", "const": "alive"}),
        "Readiness": _object(status={"type": "string", "const": "ready"}, model=text, seen=whole, total=whole),
        "Problem": _object(type=text, title=text, status={"type": "integer"}, detail=text),
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _cosine(of: str) -> dict[str, Any]:
    return {"type": ["number", "null"], "description": f"Cosine of {of}; null where there is nothing to compare."}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "content": {kind: {}}}


def _json(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": _ref("Problem")}}}
