"""The settings as a modal, and what was filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepgif.bot.slack.blocks import MAX_LABEL, Block, plain_text
from deepgif.bot.store.collections import SavedGif
from deepgif.bot.store.preferences import MAX_REPEAT_HOURS, Preferences, Scope, listed, word_list
from deepgif.engine.api.schemas import language_of
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import GifKey, Rating

CALLBACK = "settings"
MAX_OPTIONS = 100
MAX_WORDS_TEXT = 3000
_DIRECT, _PREVIEW, _SAME = "direct", "preview", "same"
_LABELS = {_DIRECT: "Post the best GIF at once", _PREVIEW: "Show me a preview first", _SAME: "As everywhere else"}
_CHOICES = {True: _PREVIEW, False: _DIRECT, None: _SAME}
_MEANINGS = {choice: preview for preview, choice in _CHOICES.items()}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the modal shows: previews of the person and of the channel, and, for admins, the workspace's choices and
    what is blocked in it."""

    person: bool | None
    channel: bool | None = None
    workspace: Preferences | None = None
    blocked: tuple[SavedGif, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What was changed in the modal, so that what others changed since it was opened stays: previews of the person and
    of the channel, a workspace's choices by their names in ``Preferences``, and GIFs that are allowed again;
    ``of_admin`` where it was the modal for admins."""

    previews: Mapping[Scope, bool | None]
    workspace: Mapping[str, Any]
    unblock: frozenset[GifKey]
    of_admin: bool


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


def read_changes(view: Mapping[str, Any]) -> tuple[Changes, dict[str, str]]:
    """What was filled in and is not what the modal showed, and what is wrong with it, by block."""
    filled = {name: next(iter(elements.values())) for name, elements in view["state"]["values"].items()}
    shown = {
        block["block_id"]: _shown(block["element"]) for block in view.get("blocks") or () if block["type"] == "input"
    }
    read, wrong = _read(filled)
    before, _ = _read({name: shown[name] for name in filled if name in shown})
    changed = {name: value for name, value in read.items() if name not in before or before[name] != value}
    previews = {scope: changed.pop(scope) for scope in (Scope.PERSON, Scope.CHANNEL) if scope in changed}
    allowed = filled.get("unblock", {}).get("selected_options") or ()
    unblock = frozenset(GifKey(*option["value"].split(":", 1)) for option in allowed)
    return Changes(previews, changed, unblock, "workspace" in filled), wrong


def _shown(element: Mapping[str, Any]) -> dict[str, Any]:
    """An element as it is filled in where nobody touches it."""
    return {
        "selected_option": element.get("initial_option"),
        "value": element.get("initial_value"),
        "selected_conversations": element.get("initial_conversations"),
    }


def _read(values: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the blocks mean, by scopes and by the names of ``Preferences``; and what is wrong, by block."""
    read: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for block, (name, meaning) in _FIELDS.items():
        if block in values:
            try:
                read[name] = meaning(values[block])
            except InvalidRequestError as error:
                wrong[block] = str(error)
    return read, wrong


def _chosen(value: Mapping[str, Any]) -> str:
    return str(value["selected_option"]["value"])


def _typed(value: Mapping[str, Any]) -> str:
    return value.get("value") or ""


_FIELDS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {  # of the blocks: what each chooses, and how
    "person": (Scope.PERSON, lambda value: _MEANINGS[_chosen(value)]),
    "channel": (Scope.CHANNEL, lambda value: _MEANINGS[_chosen(value)]),
    "workspace": ("preview", lambda value: bool(_MEANINGS[_chosen(value)])),
    "rating": ("max_rating", lambda value: Rating(_chosen(value))),
    "language": ("language", lambda value: language_of(_typed(value).strip().lower())),
    "words": ("blocked_words", lambda value: word_list(_typed(value))),
    "hours": ("repeat_hours", lambda value: float(_typed(value) or 0)),
    "off": ("off_channels", lambda value: tuple(value.get("selected_conversations") or ())),
}


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


def _unblock(blocked: Sequence[SavedGif]) -> Block:
    options = [_option(gif.title or gif.key.id, f"{gif.key.provider}:{gif.key.id}"[:150]) for gif in blocked]
    return _input("unblock", "Allow blocked GIFs again", {"type": "multi_static_select", "options": options})
