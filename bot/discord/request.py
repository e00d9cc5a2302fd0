"""Reads requests from what Discord sends."""

from __future__ import annotations

from typing import Any

import discord

from deepgif.bot.chat.replies import Action
from deepgif.bot.request import ChatContext, Request, RequestKind

PLATFORM = "discord"
Interaction = discord.Interaction[Any]
_AGE_RESTRICTABLE = (
    discord.TextChannel,
    discord.VoiceChannel,
    discord.StageChannel,
    discord.ForumChannel,
    discord.Thread,
)


def from_interaction(interaction: Interaction, kind: RequestKind, **wanted: Any) -> Request:
    """The request of a command or a button."""
    return Request(
        str(interaction.id),
        kind,
        context_of(interaction),
        user_name=interaction.user.display_name,
        callback=interaction.token,
        room=str(interaction.channel_id),
        **wanted,
    )


def from_message(message: discord.Message, **wanted: Any) -> Request:
    """The request of a message to the bot."""
    owner = message.guild.id if message.guild else f"u{message.author.id}"
    return Request(
        str(message.id),
        RequestKind.MENTION,
        _context(str(owner), message.channel, message.author, str(message.id)),
        user_name=message.author.display_name,
        room=str(message.channel.id),
        **wanted,
    )


def context_of(interaction: Interaction) -> ChatContext:
    """The workspace is the server that installed the app, or else the user who did."""
    if interaction.guild_id and interaction.is_guild_integration():
        owner = str(interaction.guild_id)
    else:
        # Whoever pressed a button need not have installed the app. discord.py has no public name for the installer.
        owner = f"u{interaction._integration_owners.get(1) or interaction.user.id}"
    return _context(owner, interaction.channel, interaction.user)


def defers_reply(request: Request) -> bool:
    """Whether a deferred reply awaits the answer. For most buttons, the answer is an edit of their message."""
    return bool(request.callback) and (request.kind is not RequestKind.BUTTON or request.action == Action.SHOW)


def _context(workspace: str, channel: Any, user: discord.User | discord.Member, thread: str = "") -> ChatContext:
    parent = channel.parent_id if isinstance(channel, discord.Thread) else channel.id
    age_restricted = isinstance(channel, _AGE_RESTRICTABLE) and channel.is_nsfw()
    return ChatContext(PLATFORM, workspace, str(parent), str(user.id), thread, age_restricted)
