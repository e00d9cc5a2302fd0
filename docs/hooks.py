"""Fills pages of the documentation from the code: the settings, and the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from deepgif.config.reference import markdown
from deepgif.engine.api.openapi import document as openapi_document


def on_page_markdown(text: str, **_: Any) -> str:
    """Replaces ``<!-- settings -->`` and ``<!-- http-api -->`` in a page."""
    parts: dict[str, Callable[[], str]] = {"settings": markdown, "http-api": lambda: "\n".join(_api())}
    for name, make in parts.items():
        marker = f"<!-- {name} -->"
        if marker in text:
            text = text.replace(marker, make())
    return text


def _api() -> Iterator[str]:
    document = openapi_document()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"## `{method.upper()} {path}`\n"
            yield f"{operation.get('description') or operation['summary']}\n"
            if operation.get("parameters"):
                yield "| parameter | in | type | what it is |\n|---|---|---|---|"
                for parameter in operation["parameters"]:
                    row = (f"`{parameter['name']}`", parameter["in"], _type(parameter["schema"]))
                    yield f"| {' | '.join(row)} | {parameter.get('description', '')} |"
                yield ""
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield f"Body: {_type(media['schema'])}\n"
            yield "| status | body | meaning |\n|---|---|---|"
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).values()
                bodies = ", ".join(_type(one["schema"]) for one in content if "schema" in one)
                yield f"| {status} | {bodies} | {answer['description']} |"
            yield ""
    yield "## Schemas\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"### {name}\n"
        if schema.get("description"):
            yield f"{schema['description']}\n"
        if schema.get("properties"):
            required = set(schema.get("required", ()))
            yield "| field | type | what it is |\n|---|---|---|"
            for field, its in schema["properties"].items():
                mark = "" if field in required else " (optional)"
                yield f"| `{field}` | {_type(its)}{mark} | {its.get('description', '')} |"
            yield ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "object")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
