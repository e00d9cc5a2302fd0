"""The settings as a modal, and what was filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.preferences import MAX_REPEAT_HOURS, Preferences, listed, word_list
from bot.shelf import Titled
from bot.slack.blocks import MAX_LABEL, Block, plain_text
from engine.errors import InvalidRequestError
from engine.types import GifKey, Rating
from engine.wire import language_of

CALLBACK = "settings"
MAX_OPTIONS = 100
MAX_WORDS_TEXT = 3000
_DIRECT, _PREVIEW, _SAME = "direct", "preview", "same"
_LABELS = {_DIRECT: "Post the best GIF at once", _PREVIEW: "Show me a preview first", _SAME: "As everywhere else"}
_CHOICES = {True: _PREVIEW, False: _DIRECT, None: _SAME}
_MEANINGS = {choice: preview for preview, choice in _CHOICES.items()}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the modal shows and gives: previews of the person and of the channel, and, for admins, the workspace's
    choices and what is blocked in it (``unblock`` is what they allow again)."""

    person: bool | None
    channel: bool | None = None
    workspace: Preferences | None = None
    blocked: tuple[Titled, ...] = ()
    unblock: frozenset[GifKey] = frozenset()


def settings_view(choices: Choices, channel: str, most: Rating) -> Block:
    """The modal; ``channel`` is where it was opened."""
    blocks = [_select("person", "GIFs that I ask for", (_SAME, _PREVIEW, _DIRECT), _CHOICES[choices.person])]
    workspace = choices.workspace
    if workspace is not None:
        blocks += [
            _select("channel", "GIFs in this channel", (_SAME, _PREVIEW, _DIRECT), _CHOICES[choices.channel]),
            _select("workspace", "GIFs in this workspace", (_DIRECT, _PREVIEW), _CHOICES[workspace.preview]),
            _ratings(workspace.max_rating, most),
            _text("language", "Language of searches", workspace.language, "Two letters, such as en or de."),
            _text(
                "words",
                "Blocked words",
                listed(workspace.blocked_words, MAX_WORDS_TEXT),
                "Separated by commas.",
                MAX_WORDS_TEXT,
            ),
            _hours(workspace.repeat_hours),
            _channels(workspace.off_channels),
        ]
        if choices.blocked:
            blocks.append(_unblock(choices.blocked[:MAX_OPTIONS]))
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": channel,
        "title": plain_text("DeepGIF settings"),
        "submit": plain_text("Save"),
        "close": plain_text("Cancel"),
        "blocks": blocks,
    }


def read_choices(view: Mapping[str, Any], old: Preferences) -> tuple[Choices, dict[str, str]]:
    """What was filled in, over the ``old`` choices, and what is wrong with it, by block."""
    values = {name: next(iter(elements.values())) for name, elements in view["state"]["values"].items()}
    person = _MEANINGS[_chosen(values["person"])]
    if "workspace" not in values:
        return Choices(person), {}
    wrong: dict[str, str] = {}
    words, language = old.blocked_words, ""
    try:
        words = word_list(values["words"].get("value") or "")
    except InvalidRequestError as error:
        wrong["words"] = str(error)
    try:
        language = language_of((values["language"].get("value") or "").strip().lower())
    except InvalidRequestError as error:
        wrong["language"] = str(error)
    hours = float(values["hours"].get("value") or 0)
    workspace = replace(
        old,
        max_rating=Rating(_chosen(values["rating"])),
        preview=bool(_MEANINGS[_chosen(values["workspace"])]),
        language=language,
        blocked_words=words,
        off_channels=tuple(values["off"].get("selected_conversations") or ()),
        repeat_hours=hours,
    )
    allowed = values.get("unblock", {}).get("selected_options") or ()
    unblock = frozenset(GifKey(*option["value"].split(":", 1)) for option in allowed)
    return Choices(person, _MEANINGS[_chosen(values["channel"])], workspace, (), unblock), wrong


def _chosen(value: Mapping[str, Any]) -> str:
    return str(value["selected_option"]["value"])


def _input(name: str, label: str, element: Block, hint: str = "") -> Block:
    block = {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": plain_text(label),
        "element": {"action_id": name, **element},
    }
    return {**block, "hint": plain_text(hint)} if hint else block


def _option(text: str, value: str) -> Block:
    return {"text": plain_text(text, MAX_LABEL), "value": value}


def _select(name: str, label: str, choices: Sequence[str], chosen: str) -> Block:
    options = [_option(_LABELS[choice], choice) for choice in choices]
    first = _option(_LABELS[chosen], chosen)
    block = _input(name, label, {"type": "static_select", "options": options, "initial_option": first})
    return {**block, "optional": False}


def _ratings(chosen: Rating, most: Rating) -> Block:
    options = [_option(rating.upper(), rating.value) for rating in Rating if most.allows(rating)]
    first = _option(chosen.upper(), chosen.value)
    block = _input(
        "rating",
        "No GIF rated above",
        {"type": "static_select", "options": options, "initial_option": first},
        "G is for everybody; R is for adults.",
    )
    return {**block, "optional": False}


def _text(name: str, label: str, value: str, hint: str, most: int = 20) -> Block:
    element: Block = {"type": "plain_text_input", "max_length": most, "multiline": most > 100}
    return _input(name, label, {**element, "initial_value": value} if value else element, hint)


def _hours(chosen: float) -> Block:
    element = {
        "type": "number_input",
        "is_decimal_allowed": False,
        "initial_value": str(round(chosen)),
        "min_value": "0",
        "max_value": str(round(MAX_REPEAT_HOURS)),
    }
    return _input("hours", "Hours before a GIF may be repeated in a channel", element)


def _channels(chosen: Sequence[str]) -> Block:
    element: Block = {"type": "multi_conversations_select", "filter": {"include": ["public", "private"]}}
    return _input(
        "off",
        "Channels without GIFs",
        {**element, "initial_conversations": list(chosen)} if chosen else element,
        "The bot stays silent there.",
    )


def _unblock(blocked: Sequence[Titled]) -> Block:
    options = [_option(gif.title or gif.key.id, f"{gif.key.provider}:{gif.key.id}"[:150]) for gif in blocked]
    return _input("unblock", "Allow blocked GIFs again", {"type": "multi_static_select", "options": options})
