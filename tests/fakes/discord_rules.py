"""Discord's validation of request bodies.

Written after discord.com/developers/docs and the limits in Discord's published OpenAPI description (API version 10).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

EPHEMERAL, V2 = 1 << 6, 1 << 15
MOST_COMPONENTS, MOST_TEXT, MOST_CONTENT = 40, 4000, 2000
MESSAGE = {
    "content",
    "embeds",
    "components",
    "flags",
    "allowed_mentions",
    "tts",
    "nonce",
    "enforce_nonce",
    "attachments",
}
_SPECIAL = re.compile(r"[<>`\[\]|~]|://|@everyone|@here")
_ESCAPED = re.compile(r"\\[^0-9A-Za-z\s]")


class BodyError(Exception):
    """Discord rejects the body."""


def need(true: Any, what: str) -> None:
    """Raises ``BodyError`` unless ``true``."""
    if not true:
        raise BodyError(what)


def size(text: Any, least: int, most: int, what: str) -> None:
    """Checks a text and its length."""
    need(isinstance(text, str) and least <= len(text) <= most, f"{what}: {text!r:.80} is not {least} to {most} long")


def keys(body: dict[str, Any], known: set[str], what: str) -> None:
    """Checks for unknown keys."""
    need(set(body) <= known, f"{what} has unknown keys: {set(body) - known}")


def check_message(body: dict[str, Any], *, reference: bool = False) -> None:
    """Checks a message or an edit."""
    keys(body, MESSAGE | ({"message_reference"} if reference else set()), "a message")
    need(body.get("allowed_mentions", {}).get("parse") == [], "a message may ping somebody")
    need(not body["allowed_mentions"].get("replied_user"), "a message may ping whom it answers")
    flags = body.get("flags") or 0
    if not flags & V2:
        size(body.get("content"), 1, MOST_CONTENT, "content")
        return
    need(not body.get("content") and not body.get("embeds"), "content or embeds beside Components V2")
    components = body.get("components") or []
    need(components, "a message without components")
    every = list(walk(components))
    need(len(every) <= MOST_COMPONENTS, f"{len(every)} components")
    named = [one["custom_id"] for one in every if "custom_id" in one]
    need(len(named) == len(set(named)), "a custom_id twice")
    texts = [one["content"] for one in every if one["type"] == 10]
    need(sum(map(len, texts)) <= MOST_TEXT, "too much text")
    for component in components:
        need(component["type"] in (1, 10, 12), f"component {component['type']} at the top")
        _CHECKS[component["type"]](component)
    for text in texts:
        left = _ESCAPED.sub("", text)
        need(not _SPECIAL.search(left), f"a text that is not escaped: {text!r}")


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All components, also nested ones."""
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        if "component" in component:
            yield from walk([component["component"]])


def check_modal(body: dict[str, Any]) -> None:
    """Checks a modal."""
    keys(body, {"custom_id", "title", "components"}, "a modal")
    size(body["custom_id"], 1, 100, "custom_id")
    size(body["title"], 1, 45, "title")
    need(1 <= len(body["components"]) <= 5, "parts of a modal")
    for label in body["components"]:
        keys(label, {"type", "id", "label", "description", "component"}, "a label")
        need(label["type"] == 18, "a modal's parts are labels")
        size(label["label"], 1, 45, "label")
        size(label.get("description", "x"), 1, 100, "description")
        field = label["component"]
        known = {"type", "id", "custom_id", "style", "min_length", "max_length", "required", "value", "placeholder"}
        keys(field, known | {"label"}, "a field")
        need(field.get("label") is None, "a label within a label")
        need(field["type"] == 4 and field["style"] in (1, 2), "a field is a text input")
        need(1 <= field["max_length"] <= 4000, "max_length")
        size(field["custom_id"], 1, 100, "custom_id")
        size(field.get("value") or "", 0, field["max_length"], "value")


def check_choices(choices: list[dict[str, Any]]) -> None:
    """Checks completions."""
    need(len(choices) <= 25, "too many choices")
    for choice in choices:
        size(choice["name"], 1, 100, "choice")
        size(choice["value"], 1, 100, "choice")


def check_commands(commands: list[dict[str, Any]]) -> None:
    """Checks application commands."""
    for command in commands:
        if command["type"] == 1:
            need(re.fullmatch(r"[-_\w]{1,32}", command["name"]) and command["name"].islower(), "a command's name")
            size(command["description"], 1, 100, "a command's description")
        else:
            size(command["name"], 1, 32, "a menu's name")
            need("options" not in command and not command.get("description"), "a menu has no options")
        need(command["contexts"] and set(command["contexts"]) <= {0, 1, 2}, "contexts")
        need(command["integration_types"] and set(command["integration_types"]) <= {0, 1}, "integration types")
        need(len(command.get("options", ())) <= 25, "options")
        for option in command.get("options", ()):
            need(re.fullmatch(r"[-_\w]{1,32}", option["name"]), "an option's name")
            size(option["description"], 1, 100, "an option's description")
            check_choices(option.get("choices", []))


def _row(row: dict[str, Any]) -> None:
    keys(row, {"type", "id", "components"}, "a row")
    kinds = [one["type"] for one in row["components"]]
    need(kinds and (kinds in ([3], [8]) or (len(kinds) <= 5 and set(kinds) == {2})), f"a row of {kinds}")
    for one in row["components"]:
        size(one["custom_id"], 1, 100, "custom_id")
        _CHECKS[one["type"]](one)


def _button(button: dict[str, Any]) -> None:
    keys(button, {"type", "id", "style", "label", "custom_id", "disabled"}, "a button")
    need(button["style"] in (1, 2, 3, 4), "a button's style")
    size(button["label"], 1, 80, "a button's label")


def _select(menu: dict[str, Any]) -> None:
    known = {"type", "id", "custom_id", "options", "placeholder", "min_values", "max_values", "disabled", "required"}
    keys(menu, known, "a menu")
    size(menu.get("placeholder", "x"), 1, 150, "placeholder")
    need(1 <= len(menu["options"]) <= 25, "options of a menu")
    need(0 <= menu["min_values"] <= menu["max_values"] <= len(menu["options"]), "values of a menu")
    for option in menu["options"]:
        size(option["label"], 1, 100, "an option's label")
        size(option["value"], 1, 100, "an option's value")
    values = [option["value"] for option in menu["options"]]
    need(len(values) == len(set(values)), "an option twice")
    need(sum(bool(option.get("default")) for option in menu["options"]) <= menu["max_values"], "too many defaults")


def _channels(menu: dict[str, Any]) -> None:
    known = {
        "type",
        "id",
        "custom_id",
        "channel_types",
        "placeholder",
        "min_values",
        "max_values",
        "disabled",
        "required",
        "default_values",
    }
    keys(menu, known, "a menu of channels")
    need(0 <= menu["min_values"] <= menu["max_values"] <= 25, "values of a menu")
    need(len(menu.get("default_values", ())) <= menu["max_values"], "too many defaults")


def _text(text: dict[str, Any]) -> None:
    keys(text, {"type", "id", "content"}, "a text")
    size(text["content"], 1, MOST_TEXT, "a text")


def _gallery(gallery: dict[str, Any]) -> None:
    keys(gallery, {"type", "id", "items"}, "a gallery")
    need(1 <= len(gallery["items"]) <= 10, "items of a gallery")
    for item in gallery["items"]:
        keys(item, {"media", "description", "spoiler"}, "an item")
        need(re.match(r"https?://", item["media"]["url"]), "an item's address")
        size(item["media"]["url"], 1, 2048, "an item's address")
        size(item["description"], 1, 1024, "an item's description")
        need(item["description"].strip(), "an empty description")


_CHECKS: dict[int, Callable[[dict[str, Any]], None]] = {
    1: _row,
    2: _button,
    3: _select,
    8: _channels,
    10: _text,
    12: _gallery,
}
