"""The settings modal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slack_bolt.async_app import AsyncAck
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from deepgif.bot.request import ChatContext, Preferences
from deepgif.bot.slack.blocks import MAX_LABEL, Block, plain_text
from deepgif.bot.slack.request import PLATFORM, context_of, context_of_interaction
from deepgif.bot.slack.responder import error_code
from deepgif.bot.slack.text import ADMINS_ONLY
from deepgif.bot.store.collections import GifCollections, SavedGif
from deepgif.bot.store.preferences import (
    MAX_REPEAT_HOURS,
    PreferenceStore,
    Scope,
    format_word_list,
    parse_word_list,
)
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import GifKey, Rating, parse_language

_log = logging.getLogger(__name__)
CALLBACK = "settings"
MAX_OPTIONS = 100
MAX_WORDS_TEXT = 3000
_PREVIEWS: dict[str, bool | None] = {"same": None, "preview": True, "direct": False}  # by the value of the option
_PREVIEW_LABELS = {"preview": "Show a preview first", "direct": "Post the best match right away"}


@dataclass(frozen=True, slots=True)
class Changes:
    """What the user changed in the modal; the rest may have been changed by others since it was opened. ``workspace``
    has names of ``Preferences``; ``by_admin`` says that it was the modal for admins."""

    previews: Mapping[Scope, bool | None]
    workspace: Mapping[str, Any]
    unblock: frozenset[GifKey]
    by_admin: bool


class SettingsModal:
    """Opens the modal and saves what was changed in it."""

    def __init__(self, preferences: PreferenceStore, collections: GifCollections) -> None:
        self._preferences = preferences
        self._collections = collections

    async def open(self, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        """``/deepgif settings``: the user's own settings, and for admins those of the channel and the workspace."""
        context = context_of(body, body["channel_id"], body["user_id"])
        inputs = [_own_settings(await self._preferences.preview(context, Scope.USER))]
        try:
            if await _is_admin(client, context.user):
                inputs += _workspace_settings(
                    await self._preferences.preview(context, Scope.CHANNEL),
                    await self._preferences.of_workspace(PLATFORM, context.workspace),
                    self._preferences.max_rating,
                    await self._collections.blocked(context),
                )
            await client.views_open(trigger_id=body["trigger_id"], view=_modal(inputs, context.channel))
        except SlackClientError as error:
            _log.warning("Could not open the settings: %s", error_code(error))

    async def save(self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, view: dict[str, Any]) -> None:
        """The modal was submitted. It closes once everything is saved."""
        context = context_of_interaction(body, view.get("private_metadata") or "")
        changes, errors = read_changes(view)
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        if Scope.USER in changes.previews:
            await self._preferences.set_preview(context, Scope.USER, changes.previews[Scope.USER])
        if not changes.by_admin:
            await ack()
        elif await _is_admin(client, context.user):
            await self._save_workspace(context, changes)
            await ack()
        else:
            await ack(response_action="errors", errors={"workspace": ADMINS_ONLY})

    async def _save_workspace(self, context: ChatContext, changes: Changes) -> None:
        if changes.workspace:
            await self._preferences.change(PLATFORM, context.workspace, **changes.workspace)
        if Scope.CHANNEL in changes.previews:
            await self._preferences.set_preview(context, Scope.CHANNEL, changes.previews[Scope.CHANNEL])
        await self._collections.unblock(context, set(changes.unblock))


async def _is_admin(client: AsyncWebClient, user_id: str) -> bool:
    try:
        user = (await client.users_info(user=user_id)).get("user") or {}
    except SlackApiError:
        return False
    return bool(user.get("is_admin") or user.get("is_owner"))


def _modal(inputs: list[Block], channel: str) -> Block:
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": channel,
        "title": plain_text("DeepGIF settings"),
        "submit": plain_text("Save"),
        "close": plain_text("Cancel"),
        "blocks": inputs,
    }


def _own_settings(preview: bool | None) -> Block:
    options = {"same": "Use the channel's setting", **_PREVIEW_LABELS}
    return _select("user", "When I ask for a GIF", options, _preview_option(preview))


def _workspace_settings(
    channel_preview: bool | None, workspace: Preferences, max_rating: Rating, blocked: Sequence[SavedGif]
) -> list[Block]:
    options = {"same": "Use the workspace's setting", **_PREVIEW_LABELS}
    ratings = {rating.value: rating.upper() for rating in Rating if max_rating.allows(rating)}
    words = format_word_list(workspace.blocked_words, MAX_WORDS_TEXT)
    unblock = {f"{gif.key.provider}:{gif.key.id}"[:150]: gif.title or gif.key.id for gif in blocked[:MAX_OPTIONS]}
    return [
        _select("channel", "When someone asks for a GIF in this channel", options, _preview_option(channel_preview)),
        _select(
            "workspace",
            "When someone asks for a GIF in this workspace",
            _PREVIEW_LABELS,
            _preview_option(workspace.preview),
        ),
        _select(
            "rating",
            "Highest allowed rating",
            ratings,
            workspace.max_rating.value,
            "G is for all audiences, R for adults.",
        ),
        _text("language", "Search language", workspace.language, "Two-letter code such as en or de."),
        _text("words", "Blocked words", words, "Separate them with commas.", MAX_WORDS_TEXT),
        _hours(workspace.repeat_hours),
        _channels(workspace.off_channels),
        *([_unblock(unblock)] if unblock else []),
    ]


def read_changes(view: Mapping[str, Any]) -> tuple[Changes, dict[str, str]]:
    """What the user changed, and error messages by block."""
    submitted = {name: next(iter(elements.values())) for name, elements in view["state"]["values"].items()}
    shown = {
        block["block_id"]: _shown(block["element"]) for block in view.get("blocks") or () if block["type"] == "input"
    }
    read, errors = _read(submitted)
    before, _ = _read({name: shown[name] for name in submitted if name in shown})
    changed = {name: value for name, value in read.items() if name not in before or before[name] != value}
    previews = {scope: changed.pop(scope) for scope in (Scope.USER, Scope.CHANNEL) if scope in changed}
    unblocked = submitted.get("unblock", {}).get("selected_options") or ()
    unblock = frozenset(GifKey(*option["value"].split(":", 1)) for option in unblocked)
    return Changes(previews, changed, unblock, "workspace" in submitted), errors


def _shown(element: Mapping[str, Any]) -> dict[str, Any]:
    """The value of an element that the user leaves as it is."""
    return {
        "selected_option": element.get("initial_option"),
        "value": element.get("initial_value"),
        "selected_conversations": element.get("initial_conversations"),
    }


def _read(values: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of blocks, by scope or name of ``Preferences``; and error messages by block."""
    read: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for block, (name, parse) in _FIELDS.items():
        if block in values:
            try:
                read[name] = parse(values[block])
            except InvalidRequestError as error:
                errors[block] = str(error)
    return read, errors


def _chosen(value: Mapping[str, Any]) -> str:
    return str(value["selected_option"]["value"])


def _typed(value: Mapping[str, Any]) -> str:
    return value.get("value") or ""


_FIELDS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {  # by block: what it sets, and its value
    "user": (Scope.USER, lambda value: _PREVIEWS[_chosen(value)]),
    "channel": (Scope.CHANNEL, lambda value: _PREVIEWS[_chosen(value)]),
    "workspace": ("preview", lambda value: bool(_PREVIEWS[_chosen(value)])),
    "rating": ("max_rating", lambda value: Rating(_chosen(value))),
    "language": ("language", lambda value: parse_language(_typed(value).strip().lower())),
    "words": ("blocked_words", lambda value: parse_word_list(_typed(value))),
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


def _preview_option(preview: bool | None) -> str:
    return next(option for option, meaning in _PREVIEWS.items() if meaning is preview)


def _select(name: str, label: str, options: Mapping[str, str], chosen: str, hint: str = "") -> Block:
    element = {
        "type": "static_select",
        "options": [_option(text, value) for value, text in options.items()],
        "initial_option": _option(options[chosen], chosen),
    }
    return {**_input(name, label, element, hint), "optional": False}


def _text(name: str, label: str, value: str, hint: str, max_length: int = 20) -> Block:
    element: Block = {"type": "plain_text_input", "max_length": max_length, "multiline": max_length > 100}
    return _input(name, label, {**element, "initial_value": value} if value else element, hint)


def _hours(value: float) -> Block:
    element = {
        "type": "number_input",
        "is_decimal_allowed": False,
        "initial_value": str(round(value)),
        "min_value": "0",
        "max_value": str(round(MAX_REPEAT_HOURS)),
    }
    return _input("hours", "Hours before the same GIF can be posted again in a channel", element)


def _channels(chosen: Sequence[str]) -> Block:
    element: Block = {"type": "multi_conversations_select", "filter": {"include": ["public", "private"]}}
    return _input(
        "off",
        "Turn GIFs off in these channels",
        {**element, "initial_conversations": list(chosen)} if chosen else element,
        "Requests there get a private note.",
    )


def _unblock(gifs: Mapping[str, str]) -> Block:
    options = [_option(title, value) for value, title in gifs.items()]
    return _input("unblock", "Allow blocked GIFs again", {"type": "multi_static_select", "options": options})
