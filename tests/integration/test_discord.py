"""The Discord bot with the real discord.py, over a local Discord and a local engine."""

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
from deepgif.bot.chat.search import OUT_OF_REACH
from deepgif.bot.discord import commands
from deepgif.bot.discord import gateway as gateway_module
from deepgif.bot.discord.app import DiscordOptions, Running, open_bot
from deepgif.bot.discord.request import DiscordRequest
from deepgif.bot.discord.responder import UNCHANGED, UNDELETED
from deepgif.bot.discord.settings import MANAGERS_ONLY
from deepgif.bot.discord.text import WORDING
from deepgif.bot.jobs.queue import JobQueue, State
from deepgif.bot.request import RequestKind
from deepgif.bot.store.database import Database, jobs, metadata, showings
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import Preferences, PreferenceStore
from deepgif.engine.errors import UnauthorizedError
from deepgif.engine.types import Rating
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import ACK_S, BOT, CHANNEL, DM, GROUP, GUILD, NSFW, THREAD, Discord, Said
from tests.fakes.engine_server import EngineServer, gif
from tests.fakes.journal import all_done
from tests.fakes.waiting import skip, until

Open = Callable[..., AbstractAsyncContextManager[Running]]
WORDS = "a cat falling off a table"
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
    """Opens bots on one database."""
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


async def told(discord: Discord, person: str = "1", count: int = 1) -> Said:
    await until(lambda: len(discord.private(person)) >= count)
    return discord.private(person)[-1]


async def heard(discord: Discord, text: str, person: str = "1") -> None:
    await until(lambda: any(text in one.text for one in discord.private(person)))


async def prefer(options: BotOptions, **changes: Any) -> None:
    async with Database(options.database_url) as database:
        await PreferenceStore(database, Rating.R).change("discord", GUILD, **changes)


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def quiet(discord: Discord, *urls: str) -> None:
    """Waits until the bot has heard of all that happened, which comes to it in order, and has done what it took."""
    await discord.type("")
    await all_done(*urls)


async def test_the_best_gif_is_posted_under_the_persons_name(
    bot: Running, discord: Discord, engine: EngineServer
) -> None:
    """For all: name, words, GIF, alt text, title, attribution, and the buttons. For the engine: what was sent."""
    asked = await discord.command(query=WORDS)
    said = await posted(discord)
    assert (asked.kind, asked.data) == (5, {})
    assert f"@Person 1: {WORDS}" in said.text.replace("**", "")
    assert said.image["description"] == "What GIF 1 shows"
    assert "GIF 1 · Powered by GIPHY" in said.title
    assert list(said.buttons) == ["next", "more", "star", "delete", "report"]
    assert engine.asked[0]["query"] == WORDS
    await until(lambda: engine.told == ["gif1"])


async def test_buttons_of_a_posted_gif(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Next and More change the posted message, Star keeps a favourite, Delete deletes."""
    await discord.command(query=WORDS)
    said = await posted(discord)
    await discord.press(said, "next")
    await until(lambda: "GIF 2" in said.title)
    assert f"Person 1**: {WORDS}" in said.text
    await discord.press(said, "more")
    await until(lambda: "GIF 8" in said.title)
    assert engine.alike == ["gif2"]
    await discord.press(said, "star")
    await heard(discord, replies.STARRED)
    await discord.press(said, "delete")
    await until(lambda: said.deleted)
    await heard(discord, replies.DELETED)
    assert discord.public == []


async def test_nothing_is_public_before_send(bot: Running, discord: Discord) -> None:
    """In preview mode Next, Previous and More leaf; Send posts what is shown; Cancel leaves nothing."""
    await discord.command("deepgif-preview", mode="Show me a preview first")
    await heard(discord, "Saved")
    asked = await discord.command(query=WORDS)
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
    assert f"Person 1**: {WORDS}" in said.text
    await until(lambda: preview.deleted)
    await discord.press(said, "next")
    await until(lambda: "GIF 7" in said.title)
    await discord.command(query=WORDS)
    other = await told(discord, count=3)
    await discord.press(other, "cancel")
    await until(lambda: other.deleted)
    assert len(discord.public) == 1


async def test_mentions_are_answered(bot: Running, discord: Discord) -> None:
    """With a reply in a channel, in a thread, and in a direct message, where no mention is needed."""
    for number, (channel, text) in enumerate(
        ((CHANNEL, f"<@{BOT}> {WORDS}"), (THREAD, f"{WORDS} <@!{BOT}>"), (DM, WORDS), (CHANNEL, f"<@&55> {WORDS}")), 1
    ):
        asked = await discord.write(text, channel=channel, **({"mention_roles": ["55"]} if "<@&" in text else {}))
        said = await posted(discord, number)
        assert (said.channel, said.reply_to) == (channel, asked)
        assert f"Person 1**: {WORDS}" in said.text
        assert list(said.buttons) == ["next", "delete", "report"]
    await discord.press(said, "next")
    await until(lambda: said.edits == 1)
    await discord.press(said, "delete", person="2")
    await heard(discord, replies.NOT_YOURS, "2")
    await discord.press(said, "delete")
    await until(lambda: said.deleted)
    for text, says in (("help", replies.HELP[1]), ("settings", WORDING.settings), ("", replies.HELP[0])):
        await discord.write(f"<@{BOT}> {text}", channel=THREAD)
        await until(lambda says=says: says in discord.said[-1].text)  # type: ignore[misc]


async def test_a_mention_in_preview_mode(bot: Running, discord: Discord) -> None:
    """A message cannot be seen by one person only: it asks to look, and what is sent replies to the mention."""
    await discord.command("deepgif-preview", mode="Show me a preview first")
    asked = await discord.write(f"<@{BOT}> {WORDS}")
    prompt = await posted(discord)
    assert (list(prompt.buttons), prompt.reply_to) == (["show", "cancel"], asked)
    await discord.press(prompt, "show", person="2")
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
    await discord.write(f"<@{BOT}> {WORDS}")
    prompt = await posted(discord, 2)
    await discord.press(prompt, "cancel")
    await until(lambda: prompt.deleted)


async def test_what_is_not_asked_is_not_answered(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions
) -> None:
    """Messages of bots, of webhooks and of Discord itself, messages that do not mention the bot, and answers to its
    own that only ping it."""
    mention = f"<@{BOT}> {WORDS}"
    await discord.write(WORDS)
    await discord.write(f"<@7> {WORDS}")
    await discord.write(WORDS, mentions=[{"id": BOT, "username": "x", "discriminator": "0", "avatar": None}])
    await discord.write(mention, author={"id": "8", "username": "b", "discriminator": "0", "avatar": None, "bot": True})
    await discord.write(mention, type=7)
    await discord.write(WORDS, channel=DM, person=BOT)
    await quiet(discord, options.database_url)
    assert (engine.asked, discord.said) == ([], [])


async def test_a_message_is_answered_with_a_gif(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """ "React with a GIF" takes the message's words, however many."""
    await discord.react("It is <a:raining_cats:123> &amp; <t:123:R> <#11> </deepgif:1> dogs")
    said = await posted(discord)
    assert engine.asked[0]["query"] == "It is raining cats &amp; deepgif dogs"
    assert said.to == ""
    await discord.react("long words " * 180)
    await posted(discord, 2)
    assert len(engine.asked[1]["query"]) <= 1000
    await discord.react("")
    await heard(discord, "no words")


async def test_help_and_delete(bot: Running, discord: Discord) -> None:
    """Help comes at once; delete takes back one's own newest GIF in the channel only."""
    for name, given in (("deepgif-help", {}), ("deepgif", {"query": "help"}), ("deepgif", {"query": " "})):
        asked = await discord.command(name, **given)
        await until(lambda asked=asked: asked.kind == 4)  # type: ignore[misc]
        assert replies.HELP[0] in discord.private()[-1].text
        assert replies.STORED in discord.private()[-1].text
    await discord.command("deepgif-delete")
    await heard(discord, replies.NOTHING_TO_DELETE)
    await discord.command(query=WORDS)
    said = await posted(discord)
    await discord.command("deepgif-delete", person="2")
    await heard(discord, replies.NOTHING_TO_DELETE, "2")
    await discord.command("deepgif-delete", channel=NSFW)
    await discord.command(query="delete")
    await until(lambda: said.deleted)
    await heard(discord, replies.DELETED)


async def test_only_who_asked_uses_the_buttons(bot: Running, discord: Discord) -> None:
    """Others are told so; made-up buttons and buttons of other guilds do nothing."""
    await discord.command(query=WORDS)
    said = await posted(discord)
    await discord.press(said, "delete", person="2")
    await heard(discord, replies.NOT_YOURS, "2")
    row = next(one for one in said.parts if one["type"] == 1)
    real = row["components"][3]["custom_id"]
    for number, wrong in enumerate((real[:-2] + "xx", "gif:delete:x", "gif:delete:x.y"), 1):
        row["components"][3]["custom_id"] = wrong
        await discord.press(said, "delete")
        assert replies.TOO_OLD in (await told(discord, count=number)).text
    row["components"][3]["custom_id"] = real
    await discord.press(said, "delete", guild=str(5 << 22))
    assert replies.TOO_OLD in (await told(discord, count=4)).text
    assert not said.deleted


async def test_a_reported_gif_is_not_shown_again_until_an_admin_allows_it(
    bot: Running, discord: Discord, engine: EngineServer
) -> None:
    """Anybody who sees a GIF can report it: it goes, and stays away from the guild."""
    engine.gifs = engine.gifs[:1]
    await discord.command(query=WORDS)
    said = await posted(discord)
    await discord.press(said, "report", person="2")
    await until(lambda: said.deleted)
    await heard(discord, replies.REPORTED, "2")
    await discord.command(query=WORDS, channel=NSFW, person="3")
    await heard(discord, replies.NOTHING_FOUND, "3")
    await discord.command("deepgif-settings", person="99")
    settings = await told(discord, "99")
    menu = next(one for one in settings.parts if one.get("custom_id") == "set:unblock")
    assert menu["options"][0]["label"] == "GIF 1"
    await discord.choose(settings, "unblock", [menu["options"][0]["value"]])
    await until(lambda: not any(one.get("custom_id") == "set:unblock" for one in settings.parts))
    await discord.command(query=WORDS, channel=NSFW, person="3")
    await posted(discord)


async def test_settings(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Who manages the guild sets what counts for all; each choice is saved and shown."""
    await discord.command("deepgif-settings", person="1")
    await heard(discord, MANAGERS_ONLY)
    await discord.command("deepgif-settings", person="99")
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
    await discord.fill(asked.data, person="1", words="x")
    await until(lambda: sum(MANAGERS_ONLY in one.text for one in discord.private("1")) == 2)
    await discord.fill(asked.data, words="Dog, mother-in-law", language="de", hours="0")
    await heard(discord, "Saved.", "99")
    asked = await discord.choose(settings, "open", [])
    await until(lambda: asked.kind == 9)
    assert [label["component"].get("value") for label in asked.data["components"]] == ["dog, mother-in-law", "de", "0"]
    await discord.command(query=WORDS, person="2")
    preview = await told(discord, "2")
    assert "send" in preview.buttons
    assert (engine.asked[-1]["language"], engine.asked[-1]["max_rating"]) == ("de", "g")
    for words, channel, says in (
        ("hot DOG", CHANNEL, replies.BLOCKED_WORDS), ("my mother-in-law", CHANNEL, replies.BLOCKED_WORDS),
        (WORDS, NSFW, replies.OFF_HERE), (WORDS, THREAD, replies.OFF_HERE),
    ):  # fmt: skip
        await discord.command(query=words, person="4", channel=channel)
        await heard(discord, says, "4")
    await discord.choose(settings, "rating", ["r"])  # which is not offered
    await discord.command(query="a bird", person="5")
    await told(discord, "5")
    assert engine.asked[-1]["max_rating"] == "pg-13"
    for name, forged in (("rating", ["x"]), ("workspace", []), ("restricted", ["x"])):
        before = sum(replies.PROBLEM in one.text for one in discord.private("99"))
        await discord.choose(settings, name, forged)
        await until(
            lambda before=before: sum(replies.PROBLEM in one.text for one in discord.private("99")) > before  # type: ignore[misc]
        )
    await discord.choose(settings, "rating", ["g"], person="1")
    await until(lambda: sum(MANAGERS_ONLY in one.text for one in discord.private("1")) == 3)


async def test_two_managers_at_once(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Each saves what they changed, and not what their modal showed of the rest."""
    await prefer(options, blocked_words=("dog",), language="en", repeat_hours=1.25)
    await discord.command("deepgif-settings", person="99")
    settings = await told(discord, "99")
    asked = [await discord.choose(settings, "open", []) for _ in range(2)]
    await until(lambda: all(one.kind == 9 for one in asked))
    await discord.choose(settings, "rating", ["g"])
    await discord.fill(asked[0].data, words="dog, cat")
    await discord.fill(asked[1].data, language="")
    await until(lambda: sum("Saved." in one.text for one in discord.private("99")) == 2)
    async with Database(options.database_url) as database:
        assert await PreferenceStore(database, Rating.R).of_workspace("discord", GUILD) == Preferences(
            max_rating=Rating.G, blocked_words=("dog", "cat"), repeat_hours=1.25
        )


async def test_age_restricted_channels(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions
) -> None:
    """Only there, and in their threads, the guild's higher limit counts; nowhere without one."""
    await prefer(options, restricted_rating=Rating.R)
    engine.gifs = [gif(1, rating=Rating.R), gif(2, rating=Rating.PG_13), gif(3, rating=Rating.PG_13)]
    for channel, title in ((CHANNEL, "GIF 2"), (NSFW, "GIF 1"), (THREAD, "GIF 3")):
        await discord.command(query=WORDS, channel=channel, person=channel)
        said = await posted(discord, len(discord.public) + 1)
        assert (said.channel, title in said.title) == (channel, True)
        limit = "pg-13" if channel == CHANNEL else "r"
        assert engine.asked[-1]["max_rating"] == limit
        if channel != THREAD:  # where both of the others were posted, the thread's channel being theirs
            await discord.press(said, "next", person=channel)
            await until(lambda said=said: said.edits == 1)  # type: ignore[misc]
            assert engine.asked[-1]["max_rating"] == limit
    await discord.write(f"<@{BOT}> {WORDS}", channel=NSFW, person="5")
    await until(lambda: engine.asked[-1]["max_rating"] == "r")
    for channel in (DM, GROUP):
        await discord.command(query=WORDS, channel=channel, person="6", owner="6")
        await until(lambda channel=channel: discord.public[-1].channel == channel)  # type: ignore[misc]
        assert engine.asked[-1]["max_rating"] == "pg-13"


async def test_installed_for_a_person(bot: Running, discord: Discord, options: BotOptions) -> None:
    """In guilds that the bot is not in, in direct and group messages: answers, buttons and previews by token only."""
    own = {"owner": "1", "abroad": True}
    await prefer(options, preview=True)  # the guild's choice does not count abroad
    for number, (channel, where) in enumerate(((CHANNEL, own), (GROUP, {"owner": "1"}), (DM, {"owner": "1"})), 1):
        await discord.command(query=WORDS, channel=channel, **where)
        said = await posted(discord, number)
        assert said.channel == channel
        await discord.press(said, "next", **where)
        await until(lambda said=said: said.edits == 1)  # type: ignore[misc]
        await discord.press(said, "delete", person="2", **where)
        await heard(discord, replies.NOT_YOURS, "2")
    await discord.press(said, "delete", **where)
    await until(lambda: said.deleted)
    await discord.command("deepgif-preview", mode="Show me a preview first", **own)
    await heard(discord, "Saved")
    before = len(discord.private())
    await discord.command(query=WORDS, **own)
    preview = await told(discord, count=before + 1)
    for _ in range(7):
        await discord.press(preview, "next", **own)
        await quiet(discord, options.database_url)
    await discord.press(preview, "send", **own)
    await posted(discord, 3)
    assert not any("/channels/" in call for call in discord.calls)


async def test_completions(bot: Running, discord: Discord, engine: EngineServer, options: BotOptions) -> None:
    """First what the person searched for of late, then words of known GIFs; no blocked words, nobody else's."""
    await prefer(options, blocked_words=("dog",))
    for number, words in enumerate(("a cat falls", "two dogs", "x" * 101), 1):
        await discord.command(query=words)
        await posted(discord, number)
    assert await discord.type("A Cat") == ["a cat falls", "A cat"]
    assert await discord.type("a f") == ["a falls", "a falling"]
    assert (await discord.type(""))[:2] == ["two dogs", "a cat falls"]
    assert "dog" not in await discord.type("d")
    assert await discord.type("falls") == ["a cat falls", "falls"]
    assert await discord.type("falls", person="2") == ["falls"]
    engine.gate.hold()
    task = asyncio.create_task(discord.type("fall"))
    await until(lambda: "fall" in engine.begun)
    skip(commands.COMPLETE_S)
    assert await asyncio.wait_for(task, 20) == []  # and not when the client gives up
    engine.gate.release()
    engine.words_status = 503
    assert await discord.type("a") == []


@pytest.mark.parametrize("words", [LONG, "```a``` [x](https://evil.example)", "\\*a\\* ***b*** -# small ## big"])
async def test_words_never_ping_or_format(bot: Running, discord: Discord, words: str) -> None:
    """The local Discord refuses texts that are not escaped and messages that may ping."""
    await discord.command(query=words)
    said = await posted(discord)
    assert " ".join(words.split()).replace("\\", "") in said.text
    await discord.write(words, channel=DM)
    await posted(discord, 2)
    await discord.react(words)
    await posted(discord, 3)


async def test_words_that_are_too_many(bot: Running, discord: Discord) -> None:
    """4,000 characters get one sentence, however they come; 1,000 of the worst fit."""
    await discord.command(query=LONG * 40)
    await heard(discord, "at most")
    await discord.write(LONG * 40, channel=DM)
    assert "at most" in (await posted(discord)).text
    await discord.command(query="*" * 1000)
    await posted(discord, 2)
    await discord.react("_" * 4000)
    await posted(discord, 3)


async def test_titles_from_outside(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Whatever a provider calls its GIFs, Discord takes the message; what it cannot fetch is passed over."""
    engine.gifs = [
        gif(1, url="http://127.0.0.1/a.gif"),
        gif(3, url="https://engine.internal/a.gif"),
        gif(4, title=LONG * 100, alt_text="x" * 5000, attribution=""),
        gif(5, title="", alt_text=" ", attribution=""),
    ]
    await discord.command(query=WORDS)
    assert (await posted(discord)).image["media"]["url"].endswith("gif4/200w.gif?cid=1")
    await discord.command(query=WORDS)
    assert (await posted(discord, 2)).image["description"] == "A GIF"
    engine.gifs = engine.gifs[:2]
    await discord.command(query=WORDS, person="2")
    await heard(discord, OUT_OF_REACH, "2")


async def test_a_dropped_gateway(bot: Running, discord: Discord, engine: EngineServer, options: BotOptions) -> None:
    """In the middle of an interaction: what happened meanwhile comes when the session is resumed, and nothing twice."""
    engine.gate.hold()
    await discord.command(query=WORDS)
    await until(lambda: engine.asked)
    for number, code in enumerate((4000, 4009, 1006), 1):
        await discord.gateway.drop(code)
        await discord.command(query=WORDS, person=str(code))
        await until(lambda number=number: discord.gateway.resumed == number)  # type: ignore[misc]
    engine.gate.release()
    await posted(discord, 4)
    await quiet(discord, options.database_url)
    assert (len(discord.public), discord.gateway.resumed) == (4, 3)
    assert len(discord.gateway.identified) == 1


@pytest.mark.parametrize(("op", "data", "sessions"), [(7, None, 1), (9, True, 1), (9, False, 2)])
async def test_what_discord_orders(
    bot: Running, discord: Discord, engine: EngineServer, op: int, data: object, sessions: int
) -> None:
    """To connect anew, or that the session is invalid: the bot goes on, and what it was doing is done."""
    engine.gate.hold()
    await discord.command(query=WORDS)
    await until(lambda: engine.asked)
    await discord.gateway.ask(op, data)
    await until(lambda: len(discord.gateway.identified) + discord.gateway.resumed == 2, skipping_s=5)
    engine.gate.release()
    await discord.command(query=WORDS, person="2")
    await posted(discord, 2)
    assert len(discord.gateway.identified) == sessions


async def test_a_lost_heartbeat(open_one: Open, discord: Discord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that says nothing any more is left, and its session resumed."""
    monkeypatch.setattr(gateway_module, "HEARTBEAT_S", 0.5)
    discord.gateway.heartbeat_s = 0.2
    async with open_one():
        discord.gateway.silent = True
        await until(lambda: discord.gateway.resumed)
        discord.gateway.silent = False
        await discord.command(query=WORDS)
        await posted(discord)


async def test_a_connection_that_ends_is_opened_anew(open_one: Open, discord: Discord) -> None:
    """With a close code that discord.py does not mend; a token that counts no more is said."""
    async with open_one() as running:
        await discord.gateway.drop(4013)
        await until(lambda: len(discord.gateway.identified) == 2)
        await discord.command(query=WORDS)
        await posted(discord)
        await discord.gateway.drop(4004)
        with pytest.raises(UnauthorizedError, match="DEEPGIF_DISCORD_TOKEN"):
            await running.supervisor


async def test_events_with_missing_fields(bot: Running, discord: Discord) -> None:
    """They end nothing, and whoever sent them is told."""
    for missing in ("attachment_size_limit", "data", "version", "member", "channel", "type"):
        before = len(discord.private())
        await discord.command(query=WORDS, without=missing)
        assert replies.PROBLEM in (await told(discord, count=before + 1)).text
    await discord.write(f"<@{BOT}> {WORDS}", author=None)
    assert replies.PROBLEM in (await posted(discord)).text
    for event in ("GUILD_CREATE", "GUILD_DELETE", "CHANNEL_UPDATE", "INTERACTION_CREATE", "MESSAGE_CREATE"):
        for nothing in ({}, None, []):
            await discord.gateway.send(event, nothing)  # type: ignore[arg-type]
    await discord.command(query=WORDS)
    assert "GIF 1" in (await posted(discord, 2)).title
    assert len(discord.gateway.identified) == 1
    await discord.gateway.send("READY", {})  # which discord.py itself cannot do without
    await until(lambda: len(discord.gateway.identified) == 2)
    await discord.command(query=WORDS)
    assert "GIF 2" in (await posted(discord, 3)).title


async def test_the_same_gif_at_once(bot: Running, discord: Discord, engine: EngineServer, options: BotOptions) -> None:
    """Twenty people ask for the same at the same moment: each gets a GIF, and nobody an error."""
    engine.gate.hold()
    for number in range(20):
        await discord.command(query=WORDS, person=str(100 + number))
    await until(lambda: len(engine.asked) == 20)
    engine.gate.release()
    await posted(discord, 20)
    await quiet(discord, options.database_url)
    assert len(discord.public) == 20
    assert not any(replies.PROBLEM in one.text for one in discord.said)


async def test_what_comes_twice_is_answered_once(
    bot: Running, discord: Discord, engine: EngineServer, options: BotOptions
) -> None:
    """Whatever the gateway repeats: a command, a button, a mention."""
    await discord.command(query=WORDS)
    await discord.again()
    await discord.write(f"<@{BOT}> {WORDS}")
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
    """Each hears everything, one answers, and nothing is left for the others; even where they share nothing."""
    other = f"sqlite+aiosqlite:///{tmp_path}/other.sqlite3" if own_databases else options.database_url
    async with open_one(), open_one(database_url=other):
        await discord.command(query=WORDS)
        said = await posted(discord)
        if not own_databases:  # which know nothing of each other's buttons
            await discord.press(said, "next")
            await until(lambda: said.edits == 1)
        assert (await discord.type("fal"))[-1] == "falling"
        await discord.command("deepgif-settings", person="99")
        settings = await told(discord, "99")
        await discord.choose(settings, "rating", ["g"])
        await quiet(discord, options.database_url, other)
    assert (len(discord.public), said.edits) == (1, 0 if own_databases else 1)
    assert len(discord.private("99")) == 1


async def test_buttons_outlive_the_process(open_one: Open, discord: Discord) -> None:
    """Another process, on the same database, goes on with them; as it does with settings that are open."""
    async with open_one():
        await discord.command(query=WORDS)
        said = await posted(discord)
        await discord.command("deepgif-settings", person="99")
        asked = await discord.choose(await told(discord, "99"), "open", [])
        await until(lambda: asked.kind == 9)
    async with open_one():
        await discord.press(said, "next")
        await until(lambda: "GIF 2" in said.title)
        await discord.fill(asked.data, language="fr")
        await heard(discord, "Saved.", "99")


async def test_stopping_finishes_what_was_acknowledged(open_one: Open, discord: Discord, engine: EngineServer) -> None:
    """A stop in the middle of a search posts its GIF first."""
    engine.gate.hold()
    async with open_one():
        await discord.command(query=WORDS)
        await until(lambda: engine.asked)
        release = asyncio.create_task(until(lambda: not discord.gateway.connected()))
        release.add_done_callback(lambda _: engine.gate.release())
    await release
    assert len(discord.public) == 1


async def test_shards(open_one: Open, discord: Discord) -> None:
    """As many as Discord says; guilds on each are answered."""
    discord.gateway.shards = 2
    discord.guilds = [GUILD, str(5 << 22)]
    async with open_one():
        for number, guild in enumerate(discord.guilds, 1):
            await discord.command(query=WORDS, guild=guild)
            await posted(discord, number)
    assert [one["shard"] for one in discord.gateway.identified] == [[0, 2], [1, 2]]


async def test_commands_are_registered_where_they_changed(open_one: Open, discord: Discord) -> None:
    """Not at every start; and again where Discord has other ones."""
    for change, synced in ((None, 1), (None, 1), ("description", 2), ("options", 3)):
        if change:
            discord.commands[0][change] = "something else" if change == "description" else []
        async with open_one():
            pass
        assert discord.synced == synced
    names = {command["name"]: command for command in discord.commands}
    assert {"deepgif", "deepgif-delete", "deepgif-help", "deepgif-preview", "deepgif-settings"} < set(names)
    assert names["deepgif-settings"]["default_member_permissions"] == str(1 << 5)
    assert (names["deepgif-settings"]["contexts"], names["deepgif-settings"]["integration_types"]) == ([0], [0])
    assert (sorted(names["deepgif"]["contexts"]), names["deepgif"]["integration_types"]) == ([0, 1, 2], [0, 1])
    assert not any(command.get("nsfw") for command in discord.commands)


@pytest.mark.parametrize("everywhere", [False, True])
async def test_429_is_waited_for(bot: Running, discord: Discord, everywhere: bool) -> None:
    """The GIF comes once, as late as Discord says; so does a reply in a channel, of which there are five in five
    seconds at most: what the headers say is heeded before a 429 has to say it."""
    discord.limited, discord.everywhere = 2, everywhere
    started = time.monotonic()
    await discord.command(query=WORDS)
    await posted(discord)
    assert time.monotonic() - started >= 2
    discord.limited = 1
    await discord.write(f"<@{BOT}> {WORDS}")
    await posted(discord, 2)
    for number in range(6):
        await discord.write(f"<@{BOT}> {WORDS}", person=str(20 + number), channel=NSFW)
    await until(lambda: len(discord.public) == 8)
    assert discord.refused_posts <= 1
    assert time.monotonic() - started >= 6


async def test_errors_of_discord_itself(bot: Running, discord: Discord, options: BotOptions) -> None:
    """A 502 is tried again, and posts once, whether the message had come or not. A reply to what is gone meanwhile
    is a message."""
    discord.broken = 1
    await discord.command(query=WORDS)
    await posted(discord)
    discord.broken = 1
    await discord.write(f"<@{BOT}> {WORDS}")
    await posted(discord, 2)
    discord.cut = 1
    asked = await discord.write(f"<@{BOT}> {WORDS}")
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
    """After 15 minutes, or where the receipt came after three seconds: the answer is a message in the channel."""
    if how == "late":
        discord.late_s = 2 * ACK_S
    else:
        discord.token_s = -1
    await discord.command(query=WORDS)
    said = await posted(discord)
    assert f"Person 1**: {WORDS}" in said.text
    if how == "late":
        await discord.press(said, "next", person="2")
        assert f"@Person 2: {replies.NOT_YOURS}" in (await posted(discord, 2)).text
    discord.closed.add(CHANNEL)
    await discord.command("deepgif-delete")
    discord.late_s = 0
    await quiet(discord, options.database_url)
    assert not said.deleted


async def test_the_engine_is_asked_again_and_then_spoken_of(
    bot: Running, discord: Discord, engine: EngineServer
) -> None:
    """Three failures are not seen; an engine that stays away is a sentence; buttons do not lose their GIF."""
    engine.failures = 3
    await discord.command(query=WORDS)
    await until(lambda: discord.public, skipping_s=2)
    said = await posted(discord)
    engine.failures = 100
    await discord.command(query=WORDS, person="2")
    await heard(discord, "does not answer at the moment", "2")
    await discord.press(said, "next")
    await heard(discord, "does not answer at the moment")
    assert "GIF 1" in said.title
    await discord.write(f"<@{BOT}> {WORDS}", person="3")
    assert "@Person 3: The search engine does not answer" in (await posted(discord, 2)).text


async def test_what_discord_refuses_is_said(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Messages that moderators deleted, channels the bot may not write in."""
    await discord.command(query=WORDS)
    said = await posted(discord)
    said.deleted = True
    await discord.press(said, "next")
    await heard(discord, UNCHANGED)
    await discord.press(said, "delete")
    await heard(discord, replies.DELETED)
    await discord.command(query=WORDS)
    await posted(discord)
    discord.closed.add(CHANNEL)
    await discord.command("deepgif-delete")
    await heard(discord, UNDELETED)
    await discord.write(f"<@{BOT}> {WORDS}")
    await quiet(discord, options.database_url)
    assert len(discord.public) == 1  # there is no way to say anything there


async def test_nothing_of_a_guild_is_left(
    open_one: Open, discord: Discord, options: BotOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """When the bot is removed all that was kept goes, even where that happened while it was away; not where the guild
    is only unavailable."""

    async def rows() -> int:
        async with Database(options.database_url) as database:
            found = [await database.read(sa.select(table)) for table in metadata.sorted_tables]
        return sum(map(len, found))

    async def use(count: int) -> None:
        await discord.command(query=WORDS)
        said = await posted(discord, count)
        await discord.press(said, "star")
        await heard(discord, replies.STARRED)
        await all_done(options.database_url)
        assert await rows() > 3

    async def nothing() -> bool:
        return await rows() == 0

    caplog.set_level(logging.INFO)
    async with open_one():
        # What discord.py waits two seconds of quiet for forgets guilds, too.
        await until(lambda: "Connected to Discord" in caplog.text, skipping_s=2)
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


async def test_words_are_neither_kept_nor_logged_in_the_clear(
    open_one: Open,
    discord: Discord,
    engine: EngineServer,
    options: BotOptions,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """Nor is a token, whatever goes wrong."""
    caplog.set_level(logging.INFO)
    async with open_one():
        engine.failures = 4
        await discord.command(query="quite particular words")
        await heard(discord, "does not answer")
        await discord.command(query="more particular words", person="2")
        await discord.write(f"<@{BOT}> particular words")
        await posted(discord, 2)
        await discord.command(query="particular words", person="3", without="version")
        await told(discord, "3")
        await all_done(options.database_url)
    assert "particular" not in caplog.text
    assert TOKEN not in caplog.text
    assert not [asked.token for asked in discord.asked.values() if asked.token in caplog.text]
    async with Database(options.database_url) as database:
        assert {row.sealed for row in await database.read(sa.select(jobs))} == {""}
        assert len(await database.read(sa.select(showings))) == 2
    assert b"particular" not in files_in(tmp_path)


async def test_who_was_interrupted_while_posting_is_told(open_one: Open, discord: Discord, options: BotOptions) -> None:
    """Nobody knows whether that reply was posted: the person is told once. What edits a deferred answer is done."""
    where = {"workspace": GUILD, "channel": CHANNEL, "room": CHANNEL, "person": "1", "person_name": "Person 1"}
    mention = DiscordRequest(RequestKind.MENTION, "1", **where, reply_to="5", words=WORDS)
    async with Database(options.database_url) as database:
        journal = JobQueue(database, Cipher(options.secret), "discord", lease_s=-1)
        assert await journal.accept(replace(mention.job(), state=State.POSTING))
        assert await journal.accept(replace(mention, name="2", reply_to="6").job())
        assert await journal.accept(replace(mention, name="3", reply_to="7").job())
        async with database.write() as connection:
            await connection.execute(jobs.update().where(jobs.c.name == "3").values(at=time.time() - 3600))
    async with open_one(), open_one():
        await posted(discord, 3)
        await all_done(options.database_url)
    texts = {one.reply_to: one.text for one in discord.public}
    assert len(discord.public) == 3
    assert replies.INTERRUPTED in texts["5"]
    assert WORDS in texts["6"]
    assert replies.AWAY in texts["7"]


async def test_what_cannot_be_kept_is_refused(bot: Running, discord: Discord, options: BotOptions) -> None:
    """Without its database the bot says that something is wrong."""
    async with Database(options.database_url) as database, database.write() as connection:
        await connection.execute(sa.text("DROP TABLE jobs"))
    await discord.command(query=WORDS)
    await heard(discord, replies.PROBLEM)
    await discord.write(f"<@{BOT}> {WORDS}")
    assert replies.PROBLEM in (await posted(discord)).text
    await discord.command(query=WORDS, person="99")
    await heard(discord, replies.PROBLEM, "99")


async def test_metrics(bot: Running, discord: Discord, options: BotOptions) -> None:
    """What the operator sees: times and outcomes."""
    await discord.command(query=WORDS)
    await posted(discord)
    await all_done(options.database_url)
    async with aiohttp.ClientSession() as http, http.get(f"{bot.address}/metrics") as response:
        text = await response.text()
    for line in (
        'deepgif_bot_outcomes_total{kind="command",outcome="post"} 1.0',
        'deepgif_bot_acknowledge_seconds_count{kind="command"} 1.0',
        'deepgif_bot_answer_seconds_count{kind="command"} 1.0',
        'deepgif_bot_post_seconds_count{kind="command"} 1.0',
    ):
        assert line in text


async def test_a_wrong_token_is_said_at_the_start(discord: Discord, options: BotOptions) -> None:
    """Not at the first command."""
    with pytest.raises(UnauthorizedError, match="DEEPGIF_DISCORD_TOKEN"):
        async with open_bot(DiscordOptions("wrong", discord.api_url, port=0), options):
            pass


async def test_two_hundred_at_once(open_one: Open, discord: Discord, engine: EngineServer) -> None:
    """Every receipt comes before the engine has answered anybody, and every answer once."""
    engine.gate.hold()
    async with open_one():
        asked = [
            await discord.command(query=f"{WORDS} {number}", person=f"{number + 100}", channel=str(1000 + number))
            for number in range(200)
        ]
        await until(lambda: all(one.kind for one in asked))
        assert discord.said == []
        engine.gate.release()
        await until(lambda: len(discord.public) >= 200)
    assert all(one.kind == 5 for one in asked)
    assert sorted(one.channel for one in discord.public) == sorted(str(1000 + number) for number in range(200))
