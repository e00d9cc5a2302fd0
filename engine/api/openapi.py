"""The OpenAPI document of the service. Tests check it against the routes and real answers."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from deepgif.engine.api import schemas

_REF = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The request is invalid; the detail names the field.",
    "401": "The bearer token is missing or wrong.",
    "404": "There is no such GIF.",
    "413": "The body is too large.",
    "429": "The engine is busy; Retry-After says when to try again.",
    "503": "The engine is starting or shutting down; Retry-After says when to try again.",
}
_ASSETS = ("text/css", "text/javascript", "image/svg+xml")
_SEARCH = ("400", "401", "429", "503")


@cache
def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    found, reference = schemas.SearchResponse, schemas.GifReference
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DeepGIF engine",
            "version": "1",
            "description": "Finds GIFs that match a description. Errors are problem details (RFC 9457).",
        },
        "paths": {
            "/v1/search": {
                "get": _operation("Search with query parameters", found, _SEARCH, schemas.SearchParameters),
                "post": _operation("Search with a JSON body", found, (*_SEARCH, "413"), body=schemas.SearchRequest),
            },
            "/v1/similar": {
                "get": _operation(
                    "Find GIFs that look like an indexed one", found, (*_SEARCH, "404"), schemas.SimilarParameters
                )
            },
            "/v1/suggest": {
                "get": _operation(
                    "Complete a word with words that describe indexed GIFs",
                    schemas.Suggestions,
                    ("400", "401", "503"),
                    schemas.SuggestParameters,
                )
            },
            "/v1/share": {
                "post": _operation(
                    "Report that a GIF was posted, so that its provider can be told (if configured)",
                    None,
                    ("400", "401", "503"),
                    body=reference,
                )
            },
            "/v1/media/{provider}/{id}": {
                "get": _operation(
                    "A GIF of a local catalogue", ("image/gif", "image/webp"), ("404", "503"), reference, where="path"
                )
            },
            "/": {"get": _operation("The search page", ("text/html",))},
            "/assets/{name}": {
                "get": {
                    **_operation(
                        "A file of the search page", ("text/css", "text/javascript", "image/svg+xml"), ("404",)
                    ),
                    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                }
            },
            "/healthz": {"get": _operation("Liveness: the process responds", schemas.Health)},
            "/readyz": {"get": _operation("Readiness: the model is loaded and warm", schemas.Readiness, ("503",))},
            "/metrics": {"get": _operation("Prometheus metrics", ("text/plain",), ("401",))},
            "/openapi.json": {"get": _operation("This document", ("application/json",))},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    requests = (schemas.SearchRequest, schemas.GifReference)
    responses = (
        schemas.SearchResponse, schemas.Suggestions, schemas.Health, schemas.Readiness, schemas.Problem
    )  # fmt: skip
    _, made = models_json_schema(
        [*((one, "validation") for one in requests), *((one, "serialization") for one in responses)],
        ref_template=_REF,
    )
    return dict(made["$defs"])


def _operation(
    summary: str,
    found: type[BaseModel] | tuple[str, ...] | None,
    errors: tuple[str, ...] = (),
    parameters: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    where: str = "query",
) -> dict[str, Any]:
    """``found`` is the model of the answer, its media types, or None for 204. An operation that can answer 401 needs
    the token."""
    if found is None:
        answered: dict[str, Any] = {"204": {"description": "Accepted."}}
    elif isinstance(found, tuple):
        answered = {"200": {"description": summary, "content": {kind: {} for kind in found}}}
    else:
        answered = {"200": {"description": found.__doc__, "content": _content(found)}}
    made: dict[str, Any] = {"summary": summary, "responses": answered}
    for status in errors:
        content = _content(schemas.Problem, "application/problem+json")
        answered[status] = {"description": _ERRORS[status], "content": content}
    if "401" in errors:
        made["security"] = [{}, {"token": []}]
    if parameters is not None:
        fields = parameters.model_json_schema(ref_template=_REF)
        made["parameters"] = [
            {
                "name": name,
                "in": where,
                "required": name in fields.get("required", ()),
                "description": schema.pop("description", ""),
                "schema": schema,
            }
            for name, schema in fields["properties"].items()
        ]
    if body is not None:
        made["requestBody"] = {"required": True, "content": _content(body)}
    return made


def _content(model: type[BaseModel], kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _REF.format(model=model.__name__)}}}
