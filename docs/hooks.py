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
            yield f"{(operation.get('description') or operation['summary']).rstrip('.')}.\n"
            parameters = operation.get("parameters", ())
            if parameters:
                yield from _table(("parameter", "type", "description"))
                for one in parameters:
                    yield _row(one["name"], one["schema"], one.get("required", False), one.get("description", ""))
                yield ""
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield f"Body: {_type(media['schema'])}\n"
            yield from _table(("status", "body", "meaning"))
            for status, answer in sorted(operation["responses"].items()):
                content = answer.get("content", {}).items()
                bodies = ", ".join(_type(one["schema"]) if "schema" in one else f"`{kind}`" for kind, one in content)
                yield f"| {status} | {bodies} | {answer['description'].rstrip('.')}. |"
            yield ""
    yield "## Schemas\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"### {name}\n"
        yield f"{schema.get('description', '').replace('``', '`')}\n"
        if "enum" in schema:
            yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
        if schema.get("properties"):
            required = set(schema.get("required", ()))
            yield from _table(("field", "type", "description"))
            for field, its in schema["properties"].items():
                yield _row(field, its, field in required, its.get("description", ""))
            yield ""


def _table(columns: tuple[str, ...]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def _row(name: str, schema: dict[str, Any], required: bool, description: str) -> str:
    default = schema.get("default")
    optional = "" if required else f" (default: `{default}`)" if default else " (optional)"
    return f"| `{name}` | {_type(schema)}{optional} | {description} |"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "const" in schema:
        return f"`{schema['const']}`"
    return str(schema.get("type", "object"))
