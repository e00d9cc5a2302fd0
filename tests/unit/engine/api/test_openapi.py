"""The OpenAPI document against the routes and against real answers."""

import json
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from deepgif.engine.api.app import ServerOptions, create_app
from deepgif.engine.api.middleware import AccessRules
from deepgif.engine.api.openapi import document
from deepgif.engine.api.problems import problem
from deepgif.engine.api.schemas import SearchRequest as SearchBody
from deepgif.engine.api.schemas import SearchResponse
from deepgif.engine.metrics import Metrics
from deepgif.engine.types import Coverage, Fit, Gif, GifKey, Rating, ScoredGif, SearchAnswer, SearchRequest, Source


def check(body: Any, name: str) -> None:
    schemas = document()["components"]["schemas"]
    jsonschema.validate(body, {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}})


def test_the_document_is_valid():
    """It is OpenAPI 3.1."""
    validate(document())


def test_it_lists_the_routes_there_are():
    """Every route and method, and no other."""
    app = create_app(lambda: None, Metrics(), ServerOptions(AccessRules()))
    routes = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert routes == {(path, method) for path, item in document()["paths"].items() for method in item}


def test_answers_are_as_described():
    """Requests, answers and problems match their schemas, field by field."""
    gif = Gif(GifKey("catalogue", "1"), "t", "a", Rating.PG_13, "/v1/media/catalogue/1", 1, 2, "x")
    result = ScoredGif(gif, 4.5, 0.5, None, 0.8, Fit.STRONG, Source.INDEXED, "why")
    made = SearchResponse.of(SearchAnswer("w", (result,), "m", Coverage(1, 2), 0.1, ("n",)), "http://localhost")
    answer = made.model_dump(mode="json")
    check(answer, "SearchResponse")
    schemas = document()["components"]["schemas"]
    assert set(answer) == set(schemas["SearchResponse"]["properties"])
    assert set(answer["results"][0]) == set(schemas["Result"]["properties"])
    check(SearchBody.of(SearchRequest("w")).model_dump(mode="json"), "SearchRequest")
    text = problem(400, "title", "detail").text
    assert text is not None
    check(json.loads(text), "Problem")


def test_the_schema_refuses_what_the_service_refuses():
    """A wrong limit is wrong in the document as well."""
    with pytest.raises(jsonschema.ValidationError):
        check({"query": "w", "limit": 0}, "SearchRequest")
