"""Slack's validation of messages and views, from docs.slack.dev/reference/block-kit."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

Block = dict[str, Any]
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}  # the longest texts
PUBLIC = re.compile(r"^(?!localhost$|127\.|10\.|192\.168\.)[\w.-]+$")


class BlockError(Exception):
    """``invalid_blocks``, with the reason."""


def need(true: bool, reason: str) -> None:
    if not true:
        raise BlockError(reason)


def text(value: Any, most: int, kinds: tuple[str, ...] = ("plain_text",)) -> None:
    need(isinstance(value, dict) and value.get("type") in kinds, f"a text must be {kinds}")
    need(isinstance(value.get("text"), str) and 1 <= len(value["text"]) <= most, f"a text of 1 to {most} characters")
    need(set(value) <= {"type", "text", "emoji", "verbatim"}, f"unknown fields {set(value)}")
    need("emoji" not in value or value["type"] == "plain_text", "emoji only in plain_text")


def option(value: Any, most_value: int = 150) -> None:
    text(value["text"], 75)
    need(isinstance(value["value"], str) and 1 <= len(value["value"]) <= most_value, "an option's value")
    need(set(value) <= {"text", "value", "description"}, "unknown fields of an option")


def element(value: Block) -> None:
    kind = value.get("type")
    need(1 <= len(value.get("action_id", "")) <= 255, "an action_id of 1 to 255 characters")
    match kind:
        case "button":
            text(value["text"], 75)
            need(len(value.get("value", "")) <= 2000, "a button's value of at most 2000 characters")
            need(value.get("style", "primary") in ("primary", "danger"), "a button's style")
        case "overflow":
            need(1 <= len(value["options"]) <= 5, "1 to 5 options")
            for one in value["options"]:
                option(one)
            for name, most in CONFIRM.items() if "confirm" in value else ():
                text(value["confirm"][name], most)
        case "static_select" | "multi_static_select":
            need(1 <= len(value["options"]) <= 100, "1 to 100 options")
            for one in value["options"]:
                option(one)
            if "initial_option" in value:
                need(value["initial_option"] in value["options"], "initial_option must be one of the options")
        case "plain_text_input":
            most = value.get("max_length", 3000)
            need(1 <= most <= 3000 and len(value.get("initial_value", "x")) <= most, "a text input's length")
            need(value.get("initial_value") != "", "an initial value that is empty")
        case "number_input":
            low, high = float(value["min_value"]), float(value["max_value"])
            need(isinstance(value["is_decimal_allowed"], bool), "is_decimal_allowed is required")
            need(low <= float(value["initial_value"]) <= high, "a number within its limits")
        case "multi_conversations_select":
            need(value.get("initial_conversations") != [], "initial conversations that are empty")
        case _:
            raise BlockError(f"no such element: {kind}")


def block(value: Block, surface: str) -> None:
    match value.get("type"):
        case "section":
            text(value["text"], 3000, ("plain_text", "mrkdwn"))
            if "accessory" in value:
                element(value["accessory"])
        case "image":
            need(1 <= len(value["image_url"]) <= 3000, "an image_url of at most 3000 characters")
            parts = urlsplit(value["image_url"])
            need(
                parts.scheme in ("http", "https") and bool(PUBLIC.match(parts.hostname or "")),
                "downloading image failed",
            )
            need(not parts.path.endswith(".webp"), "only png, jpg and gif")
            need(1 <= len(value.get("alt_text", "")) <= 2000, "an alt_text of 1 to 2000 characters")
            if "title" in value:
                text(value["title"], 2000)
        case "context":
            need(1 <= len(value["elements"]) <= 10, "1 to 10 elements")
            for one in value["elements"]:
                text(one, 3000, ("plain_text", "mrkdwn"))
        case "actions":
            need(1 <= len(value["elements"]) <= 25, "1 to 25 elements")
            for one in value["elements"]:
                need(one["type"] not in ("plain_text_input", "number_input"), "not in actions")
                element(one)
        case "header":
            text(value["text"], 150)
        case "input":
            need(surface == "modal", "an input outside a modal")
            text(value["label"], 2000)
            if "hint" in value:
                text(value["hint"], 2000)
            element(value["element"])
        case kind:
            raise BlockError(f"no such block: {kind}")


def check_blocks(blocks: list[Block], surface: str = "message") -> None:
    """Raises ``BlockError`` for blocks that Slack would reject."""
    need(1 <= len(blocks) <= (50 if surface == "message" else 100), "too many blocks, or none")
    for one in blocks:
        try:
            block(one, surface)
        except (KeyError, TypeError, ValueError) as error:
            raise BlockError(f"{one.get('type')}: {error!r}") from error
    ids = [one["block_id"] for one in blocks if "block_id" in one]
    need(len(ids) == len(set(ids)) and all(1 <= len(name) <= 255 for name in ids), "block_ids must differ")
    elements = [part for one in blocks for part in (*one.get("elements", ()), one.get("accessory", {}))]
    actions = [part["action_id"] for part in elements if "action_id" in part]
    need(len(actions) == len(set(actions)), "action_ids must differ")


def check_view(view: Block) -> None:
    """Raises ``BlockError`` for a modal or a Home tab that Slack would reject."""
    check_blocks(view["blocks"], view["type"])
    if view["type"] == "modal":
        for name in ("title", "submit", "close"):
            text(view[name], 24)
        need(len(view.get("private_metadata", "")) <= 3000 and len(view["callback_id"]) <= 255, "too long")


def words_of(value: Any) -> list[str]:
    """Every mrkdwn text in the blocks."""
    if isinstance(value, list):
        return [word for one in value for word in words_of(one)]
    if isinstance(value, dict):
        own = [value["text"]] if value.get("type") == "mrkdwn" else []
        return own + [word for one in value.values() for word in words_of(one)]
    return []
