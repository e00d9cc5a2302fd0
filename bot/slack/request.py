"""Reads requests from what Slack sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepgif.bot.request import ChatContext, Request, RequestKind

PLATFORM = "slack"


def from_command(body: Mapping[str, Any], **wanted: Any) -> Request:
    """The request of a slash command."""
    context = ChatContext(PLATFORM, _workspace(body), body["channel_id"], body["user_id"])
    return Request(
        f"{RequestKind.COMMAND}:{body['trigger_id']}",
        RequestKind.COMMAND,
        context,
        user_name=body.get("user_name") or "",
        callback=body["response_url"],
        enterprise=body.get("enterprise_id") or "",
        **wanted,
    )


def from_event(body: Mapping[str, Any], thread: str, **wanted: Any) -> Request:
    """The request of a message to the bot."""
    event = body["event"]
    return Request(
        f"{RequestKind.MENTION}:{body['event_id']}",
        RequestKind.MENTION,
        ChatContext(PLATFORM, _workspace(body), event["channel"], event["user"], thread),
        enterprise=body.get("enterprise_id") or "",
        **wanted,
    )


def from_interaction(body: Mapping[str, Any], kind: RequestKind, suffix: str, thread: str, **wanted: Any) -> Request:
    """The request of a button or a shortcut. Several presses may share a trigger ID, so ``suffix`` tells them apart."""
    user = body["user"]
    return Request(
        f"{kind}:{body['trigger_id']}{suffix}",
        kind,
        context_of_interaction(body, (body.get("channel") or {}).get("id") or "", thread),
        user_name=user.get("name") or user.get("username") or "",
        callback=body["response_url"],
        enterprise=(body.get("enterprise") or {}).get("id") or "",
        **wanted,
    )


def context_of_interaction(body: Mapping[str, Any], channel: str, thread: str = "") -> ChatContext:
    """Who used a button, a shortcut or a modal."""
    user = body["user"]
    team = (body.get("team") or {}).get("id") or user.get("team_id") or ""
    workspace = team or (body.get("enterprise") or {}).get("id") or ""
    return ChatContext(PLATFORM, workspace, channel, user["id"], thread)


def context_of(body: Mapping[str, Any], channel: str, user: str) -> ChatContext:
    """Who sent a command or an event."""
    return ChatContext(PLATFORM, _workspace(body), channel, user)


def _workspace(body: Mapping[str, Any]) -> str:
    return body.get("team_id") or body.get("enterprise_id") or ""
