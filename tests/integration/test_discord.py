"""The Discord bot with the real discord.py, a local Discord and a local engine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from deepgif.bot.app import BotOptions
from deepgif.bot.chat import replies
from deepgif.bot.discord import commands
from deepgif.bot.discord import gateway as gateway_module
from deepgif.bot.discord.app import DiscordOptions, Running, open_bot
from deepgif.bot.discord.text import CANNOT_DELETE, CANNOT_POST, MANAGERS_ONLY, TEXT
from deepgif.bot.jobs.queue import JobQueue
from deepgif.bot.request import ChatContext, Preferences, Request, RequestKind
from deepgif.bot.store.database import Database, jobs, metadata, sessions
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import PreferenceStore
from deepgif.engine.errors import UnauthorizedError
from deepgif.engine.types import Rating
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import ACK_S, BOT, CHANNEL, DM, GROUP, GUILD, NSFW, THREAD, Discord, Said
from tests.fakes.engine_server import EngineServer, gif
from tests.fakes.jobs import all_done
from tests.fakes.waiting import skip, until

Open = Callable[..., AbstractAsyncContextManager[Running]]
QUERY = "a cat falling off a table"
LONG = "@everyone <@7> <@&55> <#11> **bold** _it_ `code` ~~no~~ ||x|| :cat: [a](https://evil.example/) # > - 1. & "


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord() as started:
        yield started
        assert started.wrong == []


@pytest.fixture
def options(bot_database: str, engine: EngineServer) -> BotOptions:
    return BotOptions(engine.url, "", bot_database, "a secret", Rating.R, 30)


@pytest.fixture
def open_one(discord: Discord, options: BotOptions, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens bots that share a database."""
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    monkeypatch.setattr(commands, "COMPLETE_S", 10)  # a slow machine gets more
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)

    @asynccontextmanager
    async def make(**changes: Any) -> AsyncIterator[Running]:
        before = len(discord.gateway.sessions)
        given = DiscordOptions(TOKEN, discord.api_url, port=0)
        async with open_bot(given, replace(options, **changes)) as running:
            shards = discord.gateway.shards  # between which discord.py lets five seconds pass
            await until(lambda: len(discord.gateway.sessions) >= before + shards, skipping_s=5 * (shards - 1))
            yield running

    return make


@pytest.fixture
async def bot(open_one: Open) -> AsyncIterator[Running]:
    async with open_one() as running:
        yield running


async def posted(discord: Discord, count: int = 1) -> Said:
    await until(lambda: len(discord.public) >= count)
    return discord.public[-1]


async def told(discord: Discord, user: str = "1", count: int = 1) -> Said:
    await until(lambda: len(discord.private(user)) >= count)
    return discord.private(user)[-1]


async def heard(discord: Discord, text: str, user: str = "1") -> None:
    await until(lambda: any(text in one.text for one in discord.private(user)))


async def prefer(options: BotOptions, **changes: Any) -> None:
    async with Database(options.database_url) as database:
        await PreferenceStore(database, Rating.R).change("discord", GUILD, **changes)


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def quiet(discord: Discord, *urls: str) -> None:
    """Waits until the bot has received all events, which arrive in order, and answered all requests."""
    await discord.type("")
    await all_done(*urls)


async def test_the_best_gif_is_posted(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Everybody sees the name, query, GIF, alt text, title, attribution and buttons. The engine learns of it."""
    asked = await discord.command(query=QUERY)
    said = await posted(discord)
    assert (asked.kind, asked.data) == (5, {})
    assert f"@Person 1: {QUERY}" in said.text.replace("**", "")
    assert said.image["description"] == "What GIF 1 shows"
    assert "GIF 1 · Powered by GIPHY" in said.title
    assert list(said.buttons) == ["next", "more", "star", "delete", "report"]
    assert engine.asked[0]["query"] == QUERY
    await until(lambda: engine.told == ["gif1"])


async def test_buttons_of_a_posted_gif(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Next and More change the post, a favourite is stored, Delete deletes."""
    await discord.command(query=QUERY)
    said = await posted(discord)
    await discord.press(said, "next")
    await until(lambda: "GIF 2" in said.title)
    assert f"Person 1**: {QUERY}" in said.text
    await discord.press(said, "more")
    await until(lambda: "GIF 8" in said.title)
    assert engine.alike == ["gif2"]
    await discord.press(said, "star")
    await heard(discord, TEXT.starred)
    await discord.press(said, "delete")
    await until(lambda: said.deleted)
    await heard(discord, replies.DELETED)
    assert discord.public == []


async def test_nothing_is_public_before_send(bot: Running, discord: Discord) -> None:
    """In a preview, Next, Previous and More change the GIF, Send posts it, and Cancel removes the preview."""
    await discord.command("deepgif-preview", mode="Show a preview first")
    await heard(discord, replies.SAVED)
    asked = await discord.command(query=QUERY)
    preview = await told(discord, count=2)
    assert (asked.kind, asked.data) == (5, {"flags": 64})
    assert list(preview.buttons) == ["send", "next", "previous", "more", "cancel"]
    for action, title in (("next", "GIF 2"), ("next", "GIF 3"), ("previous", "GIF 2"), ("previous", "GIF 1")):
        await discord.press(preview, action)
        await until(lambda title=title: title in preview.title)  # type: ignore[misc]
    await discord.press(preview, "previous")
    await heard(discord, replies.NO_PREVIOUS)
    assert "GIF 1" in preview.title
    for action, title in (("next", "GIF 2"), ("more", "GIF 8"), ("previous", "GIF 2"), ("next", "GIF 8")):
        await discord.press(preview, action)
        await until(lambda title=title: title in preview.title)  # type: ignore[misc]
    assert discord.public == []
    await discord.press(preview, "send")
    said = await posted(discord)
    assert "GIF 8" in said.title
    assert f"Person 1**: {QUERY}" in said.text
    await until(lambda: preview.deleted)
    await discord.press(said, "next")
    await until(lambda: "GIF 7" in said.title)
    await discord.command(query=QUERY)
    other = await told(discord, count=3)
    await discord.press(other, "cancel")
    await until(lambda: other.deleted)
    assert len(discord.public) == 1


async def test_preferences_are_read_once(bot: Running, discord: Discord, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was promised to Discord and what is answered follow the same preferences."""
    read: list[ChatContext] = []
    get = PreferenceStore.get

    async def counted(store: PreferenceStore, context: ChatContext) -> Preferences:
        read.append(context)
        return await get(store, context)

    monkeypatch.setattr(PreferenceStore, "get", counted)
    await discord.command(query=QUERY)
    await posted(discord)
    assert len(read) == 1


async def test_mentions_are_answered(bot: Running, discord: Discord) -> None:
    """The answer is a reply, in a channel, in a thread, or in a direct message, which needs no mention."""
    for number, (channel, text) in enumerate(
        ((CHANNEL, f"<@{BOT}> {QUERY}"), (THREAD, f"{QUERY} <@!{BOT}>"), (DM, QUERY), (CHANNEL, f"<@&55> {QUERY}")), 1
    ):
        asked = await discord.write(text, channel=channel, **({"mention_roles": ["55"]} if "<@&" in text else {}))
        said = await posted(discord, number)
        assert (said.channel, said.reply_to) == (channel, asked)
        assert f"Person 1**: {QUERY}" in said.text
        assert list(said.buttons) == ["next", "delete", "report"]
    await discord.press(said, "next")
    await until(lambda: said.edits == 1)
    await discord.press(said, "delete", user="2")
    await heard(discord, replies.NOT_YOURS, "2")
    await discord.press(said, "delete")
    await until(lambda: said.deleted)
    for text, says in (
        ("help", replies.HELP[1]),
        ("settings", TEXT.fill(replies.OPEN_SETTINGS)),
        ("", replies.HELP[0]),
    ):
        await discord.write(f"<@{BOT}> {text}", channel=THREAD)
        await until(lambda says=says: says in discord.said[-1].text)  # type: ignore[misc]


async def test_a_mention_in_preview_mode(bot: Running, discord: Discord) -> None:
    """A public message offers to show the preview; the GIF replies to the mention."""
    await discord.command("deepgif-preview", mode="Show a preview first")
    asked = await discord.write(f"<@{BOT}> {QUERY}")
    prompt = await posted(discord)
    assert (list(prompt.buttons), prompt.reply_to) == (["show", "cancel"], asked)
    await discord.press(prompt, "show", user="2")
    await heard(discord, replies.NOT_YOURS, "2")
    shown = await discord.press(prompt, "show")
    await until(lambda: prompt.deleted)
    assert (shown.kind, shown.data) == (5, {"flags": 64})
    preview = await told(discord, count=2)
    assert "GIF 1" in preview.title
    await discord.press(preview, "send")
    said = await posted(discord)
    assert ("GIF 1" in said.title, said.reply_to) == (True, asked)
    await until(lambda: preview.deleted)
    await discord.write(f"<@{BOT}> {QUERY}")
    prompt = await posted(discord, 2)
    await discord.press(prompt, "cancel")
    await until(lambda: prompt.deleted)
    await discord.write(f"<@{BOT}> {QUERY}")
    await discord.press(await posted(discord, 2), "show")
    preview = await told(discord, count=2)
    discord.closed.add(CHANNEL)
    await discord.press(preview, "send")
    await heard(discord, CANNOT_POST[50013])


async def test_messages_that_are_not_for_the_bot(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions
) -> None:
    """Messages of bots, webhooks and Discord itself, messages without a mention, and replies that only ping the bot are
    ignored."""
    mention = f"<@{BOT}> {QUERY}"
    await discord.write(QUERY)
    await discord.write(f"<@7> {QUERY}")
    await discord.write(QUERY, mentions=[{"id": BOT, "username": "x", "discriminator": "0", "avatar": None}])
    await discord.write(mention, author={"id": "8", "username": "b", "discriminator": "0", "avatar": None, "bot": True})
    await discord.write(mention, type=7)
    await discord.write(QUERY, channel=DM, user=BOT)
    await quiet(discord, options.database_url)
    assert (engine.asked, discord.said) == ([], [])


async def test_a_message_is_answered_with_a_gif(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """ "React with a GIF" searches for the message's text."""
    await discord.react("It is <a:raining_cats:123> &amp; <t:123:R> <#11> </deepgif:1> dogs")
    said = await posted(discord)
    assert engine.asked[0]["query"] == "It is raining cats &amp; deepgif dogs"
    assert said.to == ""
    await discord.react("long words " * 180)
    await posted(discord, 2)
    assert len(engine.asked[1]["query"]) <= 1000
    await discord.react("")
    await heard(discord, replies.NO_TEXT)


async def test_help_and_delete(bot: Running, discord: Discord) -> None:
    """Help is the direct response. Delete removes the user's latest GIF in this channel."""
    for name, given in (("deepgif-help", {}), ("deepgif", {"query": "help"}), ("deepgif", {"query": " "})):
        asked = await discord.command(name, **given)
        await until(lambda asked=asked: asked.kind == 4)  # type: ignore[misc]
        assert replies.HELP[0] in discord.private()[-1].text
        assert replies.STORED in discord.private()[-1].text
    await discord.command("deepgif-delete")
    await heard(discord, replies.NOTHING_TO_DELETE)
    await discord.command(query=QUERY)
    said = await posted(discord)
    await discord.command("deepgif-delete", user="2")
    await heard(discord, replies.NOTHING_TO_DELETE, "2")
    await discord.command("deepgif-delete", channel=NSFW)
    await discord.command(query="delete")
    await until(lambda: said.deleted)
    await heard(discord, replies.DELETED)


async def test_only_the_owner_uses_the_buttons(bot: Running, discord: Discord) -> None:
    """Others get a notice; forged buttons and those of other servers have expired."""
    await discord.command(query=QUERY)
    said = await posted(discord)
    await discord.press(said, "delete", user="2")
    await heard(discord, replies.NOT_YOURS, "2")
    row = next(one for one in said.parts if one["type"] == 1)
    real = row["components"][3]["custom_id"]
    for number, wrong in enumerate((real[:-2] + "xx", "gif:delete:x", "gif:delete:x.y"), 1):
        row["components"][3]["custom_id"] = wrong
        await discord.press(said, "delete")
        assert replies.EXPIRED in (await told(discord, count=number)).text
    row["components"][3]["custom_id"] = real
    await discord.press(said, "delete", guild=str(5 << 22))
    assert replies.EXPIRED in (await told(discord, count=4)).text
    assert not said.deleted


async def test_a_reported_gif_is_not_shown_again_until_an_admin_allows_it(
    bot: Running, discord: Discord, engine: EngineServer
) -> None:
    """Anybody can report a GIF: it is deleted and hidden from the server."""
    engine.gifs = engine.gifs[:1]
    await discord.command(query=QUERY)
    said = await posted(discord)
    await discord.press(said, "report", user="2")
    await until(lambda: said.deleted)
    await heard(discord, TEXT.fill(replies.REPORTED), "2")
    await discord.command(query=QUERY, channel=NSFW, user="3")
    await heard(discord, replies.NOTHING_FOUND, "3")
    await discord.command("deepgif-settings", user="99")
    settings = await told(discord, "99")
    menu = next(one for one in settings.parts if one.get("custom_id") == "set:unblock")
    assert menu["options"][0]["label"] == "GIF 1"
    await discord.choose(settings, "unblock", [menu["options"][0]["value"]])
    await until(lambda: not any(one.get("custom_id") == "set:unblock" for one in settings.parts))
    await discord.command(query=QUERY, channel=NSFW, user="3")
    await posted(discord)


async def test_settings(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Managers change the settings of the server; each choice is saved and shown."""
    await discord.command("deepgif-settings", user="1")
    await heard(discord, MANAGERS_ONLY)
    await discord.command("deepgif-settings", user="99")
    settings = await told(discord, "99")
    for name, values in (
        ("rating", ["g"]), ("restricted", ["r"]), ("workspace", ["direct"]), ("channel", ["preview"]), ("off", [NSFW]),
    ):  # fmt: skip
        asked = await discord.choose(settings, name, values)
        await until(lambda asked=asked: asked.kind == 7)  # type: ignore[misc]
    chosen = {one["custom_id"]: one for one in settings.parts if one["type"] in (3, 8)}
    for name, value in (("rating", "g"), ("restricted", "r"), ("workspace", "direct"), ("channel", "preview")):
        assert [one["value"] for one in chosen[f"set:{name}"]["options"] if one.get("default")] == [value]
    assert chosen["set:off"]["default_values"] == [{"id": int(NSFW), "type": "channel"}]
    assert "r" not in [one["value"] for one in chosen["set:rating"]["options"]]
    asked = await discord.choose(settings, "open", [])
    await until(lambda: asked.kind == 9)
    for number, (wrong, says) in enumerate(
        (
            ({"language": "english"}, "language"),
            ({"words": ",".join(map(str, range(300)))}, "words"),
            *(({"hours": hours}, "number from 0 to 720") for hours in ("many", "-1", "nan", "721")),
        ),
        len(discord.private("99")) + 1,
    ):
        await discord.fill(asked.data, **wrong)
        assert says in (await told(discord, "99", number)).text
    await discord.fill(asked.data, user="1", words="x")
    await until(lambda: sum(MANAGERS_ONLY in one.text for one in discord.private("1")) == 2)
    await discord.fill(asked.data, words="Dog, mother-in-law", language="de", hours="0")
    await heard(discord, replies.SAVED, "99")
    asked = await discord.choose(settings, "open", [])
    await until(lambda: asked.kind == 9)
    assert [label["component"].get("value") for label in asked.data["components"]] == ["dog, mother-in-law", "de", "0"]
    await discord.command(query=QUERY, user="2")
    preview = await told(discord, "2")
    assert "send" in preview.buttons
    assert (engine.asked[-1]["language"], engine.asked[-1]["max_rating"]) == ("de", "g")
    for words, channel, says in (
        ("hot DOG", CHANNEL, replies.BLOCKED_WORDS), ("my mother-in-law", CHANNEL, replies.BLOCKED_WORDS),
        (QUERY, NSFW, replies.CHANNEL_OFF), (QUERY, THREAD, replies.CHANNEL_OFF),
    ):  # fmt: skip
        await discord.command(query=words, user="4", channel=channel)
        await heard(discord, says, "4")
    await discord.choose(settings, "rating", ["r"])  # not offered
    await discord.command(query="a bird", user="5")
    await told(discord, "5")
    assert engine.asked[-1]["max_rating"] == "pg-13"
    for name, forged in (("rating", ["x"]), ("workspace", []), ("restricted", ["x"])):
        before = sum(replies.PROBLEM in one.text for one in discord.private("99"))
        await discord.choose(settings, name, forged)
        await until(
            lambda before=before: sum(replies.PROBLEM in one.text for one in discord.private("99")) > before  # type: ignore[misc]
        )
    await discord.choose(settings, "rating", ["g"], user="1")
    await until(lambda: sum(MANAGERS_ONLY in one.text for one in discord.private("1")) == 3)


async def test_two_managers_at_once(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Each saves only what they changed, not what their modal showed."""
    await prefer(options, blocked_words=("dog",), language="en", repeat_hours=1.25)
    await discord.command("deepgif-settings", user="99")
    settings = await told(discord, "99")
    asked = [await discord.choose(settings, "open", []) for _ in range(2)]
    await until(lambda: all(one.kind == 9 for one in asked))
    await discord.choose(settings, "rating", ["g"])
    await discord.fill(asked[0].data, words="dog, cat")
    await discord.fill(asked[1].data, language="")
    await until(lambda: sum(replies.SAVED in one.text for one in discord.private("99")) == 2)
    async with Database(options.database_url) as database:
        assert await PreferenceStore(database, Rating.R).of_workspace("discord", GUILD) == Preferences(
            max_rating=Rating.G, blocked_words=("dog", "cat"), repeat_hours=1.25
        )


async def test_age_restricted_channels(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions
) -> None:
    """They and their threads use the server's higher limit, and only they."""
    await prefer(options, restricted_rating=Rating.R)
    engine.gifs = [gif(1, rating=Rating.R), gif(2, rating=Rating.PG_13), gif(3, rating=Rating.PG_13)]
    for channel, title in ((CHANNEL, "GIF 2"), (NSFW, "GIF 1"), (THREAD, "GIF 3")):
        await discord.command(query=QUERY, channel=channel, user=channel)
        said = await posted(discord, len(discord.public) + 1)
        assert (said.channel, title in said.title) == (channel, True)
        limit = "pg-13" if channel == CHANNEL else "r"
        assert engine.asked[-1]["max_rating"] == limit
        if channel != THREAD:  # both other GIFs were posted in its channel
            await discord.press(said, "next", user=channel)
            await until(lambda said=said: said.edits == 1)  # type: ignore[misc]
            assert engine.asked[-1]["max_rating"] == limit
    await discord.write(f"<@{BOT}> {QUERY}", channel=NSFW, user="5")
    await until(lambda: engine.asked[-1]["max_rating"] == "r")
    for channel in (DM, GROUP):
        await discord.command(query=QUERY, channel=channel, user="6", owner="6")
        await until(lambda channel=channel: discord.public[-1].channel == channel)  # type: ignore[misc]
        assert engine.asked[-1]["max_rating"] == "pg-13"


async def test_user_installs(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Where the bot is not a member, everything goes through interaction tokens."""
    own = {"owner": "1", "abroad": True}
    await prefer(options, preview=True)  # of a server that did not install the app
    for number, (channel, where) in enumerate(((CHANNEL, own), (GROUP, {"owner": "1"}), (DM, {"owner": "1"})), 1):
        await discord.command(query=QUERY, channel=channel, **where)
        said = await posted(discord, number)
        assert said.channel == channel
        await discord.press(said, "next", **where)
        await until(lambda said=said: said.edits == 1)  # type: ignore[misc]
        await discord.press(said, "delete", user="2", **where)
        await heard(discord, replies.NOT_YOURS, "2")
    await discord.press(said, "delete", **where)
    await heard(discord, replies.DELETED)
    await discord.command("deepgif-preview", mode="Show a preview first", **own)
    await heard(discord, replies.SAVED)
    before = len(discord.private())
    await discord.command(query=QUERY, **own)
    preview = await told(discord, count=before + 1)
    for _ in range(7):
        await discord.press(preview, "next", **own)
        await quiet(discord, options.database_url)
    await discord.press(preview, "send", **own)
    await posted(discord, 3)
    assert not any("/channels/" in call for call in discord.calls)


async def test_completions(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's recent queries come first, then words of indexed GIFs; no blocked words, no queries of others."""
    await prefer(options, blocked_words=("dog",))
    for number, words in enumerate(("a cat falls", "two dogs", "x" * 101), 1):
        await discord.command(query=words)
        await posted(discord, number)
    assert await discord.type("A Cat") == ["a cat falls", "A cat"]
    assert await discord.type("a f") == ["a falls", "a falling"]
    assert (await discord.type(""))[:2] == ["two dogs", "a cat falls"]
    assert "dog" not in await discord.type("d")
    assert await discord.type("falls") == ["a cat falls", "falls"]
    assert await discord.type("falls", user="2") == ["falls"]
    engine.gate.hold()
    with monkeypatch.context() as patched:
        patched.setattr(commands, "COMPLETE_S", 1.5)  # long before the client gives up
        task = asyncio.create_task(discord.type("fall"))
        await until(lambda: "fall" in engine.begun)
        skip(commands.COMPLETE_S)
        assert await task == []
    engine.gate.release()
    engine.words_status = 503
    assert await discord.type("a") == []


@pytest.mark.parametrize("words", [LONG, "```a``` [x](https://evil.example)", "\\*a\\* ***b*** -# small ## big"])
async def test_queries_never_ping_or_format(bot: Running, discord: Discord, words: str) -> None:
    """The local Discord rejects text that is not escaped and messages that may ping."""
    await discord.command(query=words)
    said = await posted(discord)
    assert " ".join(words.split()).replace("\\", "") in said.text
    await discord.write(words, channel=DM)
    await posted(discord, 2)
    await discord.react(words)
    await posted(discord, 3)


async def test_long_queries(bot: Running, discord: Discord) -> None:
    """4,000 characters get a notice; 1,000 that all need escaping fit."""
    await discord.command(query=LONG * 40)
    await heard(discord, "at most")
    await discord.write(LONG * 40, channel=DM)
    assert "at most" in (await posted(discord)).text
    await discord.command(query="*" * 1000)
    await posted(discord, 2)
    await discord.react("_" * 4000)
    await posted(discord, 3)


async def test_titles_from_providers(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Discord accepts the post whatever the title. GIFs that Discord can't load are skipped."""
    engine.gifs = [
        gif(1, url="http://127.0.0.1/a.gif"),
        gif(3, url="https://engine.internal/a.gif"),
        gif(4, title=LONG * 100, alt_text="x" * 5000, attribution=""),
        gif(5, title="", alt_text=" ", attribution=""),
    ]
    await discord.command(query=QUERY)
    assert (await posted(discord)).image["media"]["url"].endswith("gif4/200w.gif?cid=1")
    await discord.command(query=QUERY)
    assert (await posted(discord, 2)).image["description"] == "A GIF"
    engine.gifs = engine.gifs[:2]
    await discord.command(query=QUERY, user="2")
    await heard(discord, TEXT.fill(replies.OUT_OF_REACH), "2")


async def test_a_dropped_gateway(bot: Running, discord: Discord, engine: EngineServer, options: BotOptions) -> None:
    """During an interaction, the session is resumed and nothing is answered twice."""
    engine.gate.hold()
    await discord.command(query=QUERY)
    await until(lambda: engine.asked)
    for number, code in enumerate((4000, 4009, 1006), 1):
        await discord.gateway.drop(code)
        await discord.command(query=QUERY, user=str(code))
        await until(lambda number=number: discord.gateway.resumed == number)  # type: ignore[misc]
    engine.gate.release()
    await posted(discord, 4)
    await quiet(discord, options.database_url)
    assert (len(discord.public), discord.gateway.resumed) == (4, 3)
    assert len(discord.gateway.identified) == 1


@pytest.mark.parametrize(("op", "data", "sessions"), [(7, None, 1), (9, True, 1), (9, False, 2)])
async def test_reconnects_and_invalid_sessions(
    bot: Running, discord: Discord, engine: EngineServer, op: int, data: object, sessions: int
) -> None:
    """The bot reconnects, and finishes the requests in flight."""
    engine.gate.hold()
    await discord.command(query=QUERY)
    await until(lambda: engine.asked)
    await discord.gateway.ask(op, data)
    await until(lambda: len(discord.gateway.identified) + discord.gateway.resumed == 2, skipping_s=5)
    engine.gate.release()
    await discord.command(query=QUERY, user="2")
    await posted(discord, 2)
    assert len(discord.gateway.identified) == sessions


async def test_a_lost_heartbeat(open_one: Open, discord: Discord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot leaves a silent gateway, and resumes the session."""
    monkeypatch.setattr(gateway_module, "HEARTBEAT_S", 0.5)
    discord.gateway.heartbeat_s = 0.2
    async with open_one():
        discord.gateway.silent = True
        await until(lambda: discord.gateway.resumed)
        discord.gateway.silent = False
        await discord.command(query=QUERY)
        await posted(discord)


async def test_connections_that_end(open_one: Open, discord: Discord) -> None:
    """The bot reconnects after a fatal close code, but stops if the token is no longer valid."""
    async with open_one() as running:
        await discord.gateway.drop(4013)
        await until(lambda: len(discord.gateway.identified) == 2)
        await discord.command(query=QUERY)
        await posted(discord)
        await discord.gateway.drop(4004)
        with pytest.raises(UnauthorizedError, match="DEEPGIF_DISCORD_TOKEN"):
            await running.supervisor


async def test_events_with_missing_fields(bot: Running, discord: Discord) -> None:
    """They don't end the connection, and the user gets a notice."""
    for missing in ("attachment_size_limit", "data", "version", "member", "channel", "type"):
        before = len(discord.private())
        await discord.command(query=QUERY, without=missing)
        assert replies.PROBLEM in (await told(discord, count=before + 1)).text
    await discord.write(f"<@{BOT}> {QUERY}", author=None)
    for event in ("GUILD_CREATE", "GUILD_DELETE", "CHANNEL_UPDATE", "INTERACTION_CREATE", "MESSAGE_CREATE"):
        for nothing in ({}, None, []):
            await discord.gateway.send(event, nothing)  # type: ignore[arg-type]
    await discord.command(query=QUERY)
    assert "GIF 1" in (await posted(discord)).title
    assert len(discord.gateway.identified) == 1
    await discord.gateway.send("READY", {})  # discord.py itself needs its fields
    await until(lambda: len(discord.gateway.identified) == 2)
    await discord.command(query=QUERY)
    assert "GIF 2" in (await posted(discord, 2)).title


async def test_the_same_query_at_once(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions
) -> None:
    """Twenty users send the same query at the same time: each gets a GIF."""
    engine.gate.hold()
    for number in range(20):
        await discord.command(query=QUERY, user=str(100 + number))
    await until(lambda: len(engine.asked) == 20)
    engine.gate.release()
    await posted(discord, 20)
    await quiet(discord, options.database_url)
    assert len(discord.public) == 20
    assert not any(replies.PROBLEM in one.text for one in discord.said)


async def test_repeated_events(bot: Running, discord: Discord, engine: EngineServer, options: BotOptions) -> None:
    """Commands, buttons and mentions that the gateway repeats are answered once."""
    await discord.command(query=QUERY)
    await discord.again()
    await discord.write(f"<@{BOT}> {QUERY}")
    await discord.again()
    await posted(discord, 2)
    await discord.press(discord.public[0], "next")
    await discord.again()
    await until(lambda: discord.public[0].edits)
    await quiet(discord, options.database_url)
    assert (len(discord.public), discord.public[0].edits, len(engine.asked)) == (2, 1, 3)


@pytest.mark.parametrize("own_databases", [False, True])
async def test_several_replicas(
    open_one: Open, discord: Discord, options: BotOptions, tmp_path: Path, own_databases: bool
) -> None:
    """Each receives every event and one of them answers, even without a shared database."""
    other = f"sqlite+aiosqlite:///{tmp_path}/other.sqlite3" if own_databases else options.database_url
    async with open_one(), open_one(database_url=other):
        await discord.command(query=QUERY)
        said = await posted(discord)
        if not own_databases:  # else they don't know each other's buttons
            await discord.press(said, "next")
            await until(lambda: said.edits == 1)
        assert (await discord.type("fal"))[-1] == "falling"
        await discord.command("deepgif-settings", user="99")
        settings = await told(discord, "99")
        await discord.choose(settings, "rating", ["g"])
        await quiet(discord, options.database_url, other)
    assert (len(discord.public), said.edits) == (1, 0 if own_databases else 1)
    assert len(discord.private("99")) == 1


async def test_buttons_outlive_the_process(open_one: Open, discord: Discord) -> None:
    """Another process with the same database handles them, and an open settings modal."""
    async with open_one():
        await discord.command(query=QUERY)
        said = await posted(discord)
        await discord.command("deepgif-settings", user="99")
        asked = await discord.choose(await told(discord, "99"), "open", [])
        await until(lambda: asked.kind == 9)
    async with open_one():
        await discord.press(said, "next")
        await until(lambda: "GIF 2" in said.title)
        await discord.fill(asked.data, language="fr")
        await heard(discord, replies.SAVED, "99")


async def test_stopping_finishes_what_was_acknowledged(open_one: Open, discord: Discord, engine: EngineServer) -> None:
    """A bot that is stopped during a search posts the GIF first."""
    engine.gate.hold()
    async with open_one():
        await discord.command(query=QUERY)
        await until(lambda: engine.asked)
        release = asyncio.create_task(until(lambda: not discord.gateway.connected()))
        release.add_done_callback(lambda _: engine.gate.release())
    await release
    assert len(discord.public) == 1


async def test_shards(open_one: Open, discord: Discord) -> None:
    """The bot uses as many as Discord recommends, and answers on all of them."""
    discord.gateway.shards = 2
    discord.guilds = [GUILD, str(5 << 22)]
    async with open_one():
        for number, guild in enumerate(discord.guilds, 1):
            await discord.command(query=QUERY, guild=guild)
            await posted(discord, number)
    assert [one["shard"] for one in discord.gateway.identified] == [[0, 2], [1, 2]]


async def test_commands_are_registered_once_per_process(open_one: Open, discord: Discord) -> None:
    """Whatever Discord has is replaced, but not on every reconnect."""
    for starts in (1, 2):
        discord.commands = [{"name": "old"}]
        async with open_one():
            await discord.gateway.drop(4013)
            await until(lambda starts=starts: len(discord.gateway.identified) == 2 * starts)  # type: ignore[misc]
        assert discord.synced == starts
    names = {command["name"]: command for command in discord.commands}
    assert {"deepgif", "deepgif-delete", "deepgif-help", "deepgif-preview", "deepgif-settings"} < set(names)
    assert names["deepgif-settings"]["default_member_permissions"] == str(1 << 5)
    assert (names["deepgif-settings"]["contexts"], names["deepgif-settings"]["integration_types"]) == ([0], [0])
    assert (sorted(names["deepgif"]["contexts"]), names["deepgif"]["integration_types"]) == ([0, 1, 2], [0, 1])
    assert not any(command.get("nsfw") for command in discord.commands)


@pytest.mark.parametrize("everywhere", [False, True])
async def test_429_is_waited_for(bot: Running, discord: Discord, everywhere: bool) -> None:
    """Posts are sent once, after the pause that Discord asks for. A channel takes five posts in five seconds; the bot
    follows the headers that announce it."""
    discord.limited, discord.everywhere = 2, everywhere
    started = time.monotonic()
    await discord.command(query=QUERY)
    await posted(discord)
    assert time.monotonic() - started >= 2
    discord.limited = 1
    await discord.write(f"<@{BOT}> {QUERY}")
    await posted(discord, 2)
    for number in range(6):
        await discord.write(f"<@{BOT}> {QUERY}", user=str(20 + number), channel=NSFW)
    await until(lambda: len(discord.public) == 8)
    assert discord.refused_posts <= 1
    assert time.monotonic() - started >= 6


async def test_server_errors(bot: Running, discord: Discord, options: BotOptions) -> None:
    """A 502 is retried, without a second post if the first one arrived. A reply to a deleted message becomes a
    message."""
    discord.broken = 1
    await discord.command(query=QUERY)
    await posted(discord)
    discord.broken = 1
    await discord.write(f"<@{BOT}> {QUERY}")
    await posted(discord, 2)
    discord.cut = 1
    asked = await discord.write(f"<@{BOT}> {QUERY}")
    discord.gone.add(asked)
    await posted(discord, 3)
    await quiet(discord, options.database_url)
    assert len(discord.public) == 3
    discord.closed.add(CHANNEL)
    await discord.press(discord.public[-1], "next")
    await until(lambda: discord.public[-1].edits == 1)


@pytest.mark.parametrize("how", ["expired", "late"])
async def test_an_interaction_that_can_no_longer_be_answered(
    bot: Running, discord: Discord, options: BotOptions, how: str
) -> None:
    """After 15 minutes, or a late acknowledgement, the answer is a message in the channel."""
    if how == "late":
        discord.late_s = 2 * ACK_S
    else:
        discord.token_s = -1
    await discord.command(query=QUERY)
    said = await posted(discord)
    assert f"Person 1**: {QUERY}" in said.text
    if how == "late":
        await discord.press(said, "next", user="2")
        assert f"@Person 2: {replies.NOT_YOURS}" in (await posted(discord, 2)).text
    discord.closed.add(CHANNEL)
    await discord.command("deepgif-delete")
    discord.late_s = 0
    await quiet(discord, options.database_url)
    assert not said.deleted


async def test_engine_failures(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Three failures are retried; after that the user gets a notice, and buttons keep their GIF."""
    engine.failures = 3
    await discord.command(query=QUERY)
    await until(lambda: discord.public, skipping_s=2)
    said = await posted(discord)
    engine.failures = 100
    await discord.command(query=QUERY, user="2")
    await heard(discord, "reach the search engine", "2")
    await discord.press(said, "next")
    await heard(discord, "reach the search engine")
    assert "GIF 1" in said.title
    await discord.write(f"<@{BOT}> {QUERY}", user="3")
    assert "@Person 3: Can't reach the search engine" in (await posted(discord, 2)).text


async def test_errors_of_discord(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Deleted messages, and channels that the bot can't post in."""
    await discord.command(query=QUERY)
    said = await posted(discord)
    said.deleted = True
    await discord.press(said, "next")
    await heard(discord, replies.CANNOT_EDIT)
    await discord.press(said, "delete")
    await heard(discord, replies.DELETED)
    await discord.command(query=QUERY)
    await posted(discord)
    discord.closed.add(CHANNEL)
    await discord.command("deepgif-delete")
    await heard(discord, CANNOT_DELETE)
    await discord.write(f"<@{BOT}> {QUERY}")
    await quiet(discord, options.database_url)
    assert len(discord.public) == 1  # the bot can't reach the user there


async def test_removing_the_bot_deletes_all_data(
    open_one: Open, discord: Discord, options: BotOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """All data of a server is deleted, also if the bot was offline when it was removed, but not if the server is only
    unavailable."""

    async def rows() -> int:
        async with Database(options.database_url) as database:
            found = [await database.read(sa.select(table)) for table in metadata.sorted_tables]
        return sum(map(len, found))

    async def use(count: int) -> None:
        await discord.command(query=QUERY)
        said = await posted(discord, count)
        await discord.press(said, "star")
        await heard(discord, TEXT.starred)
        await all_done(options.database_url)
        assert await rows() > 3

    async def nothing() -> bool:
        return await rows() == 0

    caplog.set_level(logging.INFO)
    async with open_one():
        # discord.py waits for two quiet seconds; then the bot deletes data of other servers.
        await until(lambda: "Connected to Discord:" in caplog.text, skipping_s=2)
        await use(1)
        await discord.gateway.send("GUILD_DELETE", {"id": GUILD, "unavailable": True})
        await quiet(discord, options.database_url)
        assert await rows() > 3
        await discord.gateway.send("GUILD_DELETE", {"id": GUILD})
        await until(nothing)
        await use(2)
    discord.guilds = []
    async with open_one():
        await until(nothing, skipping_s=2)


async def test_queries_are_encrypted_and_not_logged(
    open_one: Open,
    discord: Discord,
    engine: EngineServer,
    options: BotOptions,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """Tokens are not logged either, even after errors."""
    caplog.set_level(logging.INFO)
    async with open_one():
        engine.failures = 4
        await discord.command(query="quite particular words")
        await heard(discord, "reach the search engine")
        await discord.command(query="more particular words", user="2")
        await discord.write(f"<@{BOT}> particular words")
        await posted(discord, 2)
        await discord.command(query="particular words", user="3", without="version")
        await told(discord, "3")
        await all_done(options.database_url)
    assert "particular" not in caplog.text
    assert TOKEN not in caplog.text
    assert not [asked.token for asked in discord.asked.values() if asked.token in caplog.text]
    async with Database(options.database_url) as database:
        assert {row.encrypted for row in await database.read(sa.select(jobs))} == {""}
        assert len(await database.read(sa.select(sessions))) == 2
    assert b"particular" not in files_in(tmp_path)


async def test_interrupted_jobs(open_one: Open, discord: Discord, options: BotOptions) -> None:
    """If a process died while posting a reply, the user gets a notice. So does a user whose request is an hour old."""
    context = ChatContext("discord", GUILD, CHANNEL, "1", "5")
    mention = Request("1", RequestKind.MENTION, context, QUERY, user_name="Person 1", room=CHANNEL)
    async with Database(options.database_url) as database:
        queue = JobQueue(database, Cipher(options.secret), "discord", lease_s=-1)
        for name, thread in (("1", "5"), ("2", "6"), ("3", "7")):
            assert await queue.enqueue(replace(mention, id=name, context=replace(context, thread=thread)))
        await queue.mark_posting("1")
        async with database.write() as connection:
            await connection.execute(jobs.update().where(jobs.c.id == "3").values(created_at=time.time() - 3600))
    async with open_one(), open_one():
        await posted(discord, 3)
        await all_done(options.database_url)
    texts = {one.reply_to: one.text for one in discord.public}
    assert len(discord.public) == 3
    assert replies.INTERRUPTED in texts["5"]
    assert QUERY in texts["6"]
    assert replies.OFFLINE in texts["7"]


async def test_a_broken_database(bot: Running, discord: Discord, options: BotOptions) -> None:
    """The user gets a notice."""
    async with Database(options.database_url) as database, database.write() as connection:
        await connection.execute(sa.text("DROP TABLE jobs"))
    await discord.command(query=QUERY)
    await heard(discord, replies.PROBLEM)
    await discord.write(f"<@{BOT}> {QUERY}")
    assert replies.PROBLEM in (await posted(discord)).text
    await discord.command(query=QUERY, user="99")
    await heard(discord, replies.PROBLEM, "99")


async def test_metrics(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Durations and outcomes are counted."""
    await discord.command(query=QUERY)
    await posted(discord)
    await all_done(options.database_url)
    async with aiohttp.ClientSession() as http, http.get(f"{bot.url}/metrics") as response:
        text = await response.text()
    for line in (
        'deepgif_bot_requests_total{kind="command",outcome="post"} 1.0',
        'deepgif_bot_acknowledge_duration_seconds_count{kind="command"} 1.0',
        'deepgif_bot_reply_duration_seconds_count{kind="command"} 1.0',
        'deepgif_bot_delivery_duration_seconds_count{kind="command"} 1.0',
    ):
        assert line in text


async def test_a_wrong_token(discord: Discord, options: BotOptions) -> None:
    """The bot does not start."""
    with pytest.raises(UnauthorizedError, match="DEEPGIF_DISCORD_TOKEN"):
        async with open_bot(DiscordOptions("wrong", discord.api_url, port=0), options):
            pass


async def test_200_concurrent_commands(open_one: Open, discord: Discord, engine: EngineServer) -> None:
    """All are acknowledged before the engine answers, and each is answered once."""
    engine.gate.hold()
    async with open_one():
        asked = [
            await discord.command(query=f"{QUERY} {number}", user=f"{number + 100}", channel=str(1000 + number))
            for number in range(200)
        ]
        await until(lambda: all(one.kind for one in asked))
        assert discord.said == []
        engine.gate.release()
        await until(lambda: len(discord.public) >= 200)
    assert all(one.kind == 5 for one in asked)
    assert sorted(one.channel for one in discord.public) == sorted(str(1000 + number) for number in range(200))
