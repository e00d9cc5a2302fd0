"""Where and by whom something is asked, in the terms of ``deepgif.bot.store.preferences.Place``."""

from __future__ import annotations

from typing import Any, TypedDict

import discord

from deepgif.bot.discord.request import PLATFORM
from deepgif.bot.store.preferences import ChatContext

_AGE_RESTRICTABLE = (
    discord.TextChannel,
    discord.VoiceChannel,
    discord.StageChannel,
    discord.ForumChannel,
    discord.Thread,
)


class Where(TypedDict):
    """The part of a task that says where and by whom."""

    workspace: str
    channel: str
    room: str
    person: str
    person_name: str
    age_restricted: bool


def of_interaction(interaction: discord.Interaction[Any]) -> Where:
    """Where an interaction was: in the guild that installed the app, else with the person who did."""
    guild = interaction.guild_id if interaction.is_guild_integration() else None
    # Who pressed a button need not be who installed the app; discord.py tells the latter nowhere else.
    owner = interaction._integration_owners.get(1) or interaction.user.id
    return _where(guild, int(owner), interaction.channel, interaction.user)


def place_of(interaction: discord.Interaction[Any]) -> ChatContext:
    """The same, for what is not kept in the journal."""
    where = of_interaction(interaction)
    return ChatContext(PLATFORM, where["workspace"], where["channel"], where["person"])


def of_message(message: discord.Message) -> Where:
    """Where a message was."""
    return _where(message.guild.id if message.guild else None, message.author.id, message.channel, message.author)


def _where(guild: int | None, owner: int, channel: Any, person: discord.User | discord.Member) -> Where:
    parent = channel.parent_id if isinstance(channel, discord.Thread) else channel.id
    return {
        "workspace": str(guild) if guild else f"u{owner}",
        "channel": str(parent),
        "room": str(channel.id),
        "person": str(person.id),
        "person_name": person.display_name,
        "age_restricted": isinstance(channel, _AGE_RESTRICTABLE) and channel.is_nsfw(),
    }
