"""The Discord bot with the real discord.py, over a local Discord and a local engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bot import replies
from bot.assembly import BotOptions
from bot.database import Database
from bot.discord.run import DiscordOptions, Running, open_bot
from bot.discord.settings import MANAGERS_ONLY
from bot.discord.text import WORDING
from bot.finder import OUT_OF_REACH
from bot.preferences import Preferences, PreferenceStore
from engine.types import Rating
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import BOT, CHANNEL, DM, GROUP, GUILD, NSFW, THREAD, Discord, Said
from tests.fakes.engine_server import EngineServer, gif

Open = Callable[..., AbstractAsyncContextManager[Running]]
WORDS = "a cat falling off a table"
LONG = "@everyone <@7> <@&55> <#11> **bold** _it_ `code` ~~no~~ ||x|| :cat: [a](https://evil.example/) # > - 1. & "


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord() as started:
        yield started
        assert started.wrong == []


@pytest.fixture
async def engine() -> AsyncIterator[EngineServer]:
    async with EngineServer() as started:
        yield started


@pytest.fixture
def options(bot_database: str, engine: EngineServer) -> BotOptions:
    return BotOptions(engine.url, "", bot_database, "a secret", Rating.R, 2.5)


@pytest.fixture
def open_one(discord: Discord, options: BotOptions, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens bots on one database."""
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)

    @asynccontextmanager
    async def make(**changes: Any) -> AsyncIterator[Running]:
        before = len(discord.gateway.sessions)
        given = DiscordOptions(TOKEN, discord.api_url, port=0)
        async with open_bot(given, replace(options, **changes)) as running:
            await discord.until(lambda: len(discord.gateway.sessions) >= before + discord.gateway.shards, 30)
            yield running

    return make


@pytest.fixture
async def bot(open_one: Open) -> AsyncIterator[Running]:
    async with open_one() as running:
        yield running


async def posted(discord: Discord, count: int = 1) -> Said:
    await discord.until(lambda: len(discord.public) >= count)
    return discord.public[-1]


async def told(discord: Discord, person: str = "1", count: int = 1) -> Said:
    await discord.until(lambda: len(discord.private(person)) >= count)
    return discord.private(person)[-1]


async def heard(discord: Discord, text: str, person: str = "1") -> None:
    await discord.until(lambda: any(text in one.text for one in discord.private(person)))


async def prefer(options: BotOptions, **changes: Any) -> None:
    async with Database(options.database_url) as database:
        await PreferenceStore(database, Rating.R).save("discord", GUILD, Preferences(**changes))


async def quiet() -> None:
    """Some time in which everything that was going to be said is said."""
    await asyncio.sleep(0.3)


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
    await discord.until(lambda: engine.told == ["gif1"])


async def test_buttons_of_a_posted_gif(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Next and More change the posted message, Star keeps a favourite, Delete deletes."""
    await discord.command(query=WORDS)
    said = await posted(discord)
    await discord.press(said, "next")
    await discord.until(lambda: "GIF 2" in said.title)
    assert f"Person 1**: {WORDS}" in said.text
    await discord.press(said, "more")
    await discord.until(lambda: "GIF 8" in said.title)
    assert engine.alike == ["gif2"]
    await discord.press(said, "star")
    await heard(discord, replies.STARRED)
    await discord.press(said, "delete")
    await discord.until(lambda: said.deleted)
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
        await discord.until(lambda title=title: title in preview.title)  # type: ignore[misc]
    await discord.press(preview, "previous")
    await heard(discord, replies.NO_PREVIOUS)
    assert "GIF 1" in preview.title
    for action, title in (("next", "GIF 2"), ("more", "GIF 8"), ("previous", "GIF 2"), ("next", "GIF 8")):
        await discord.press(preview, action)
        await discord.until(lambda title=title: title in preview.title)  # type: ignore[misc]
    assert discord.public == []
    await discord.press(preview, "send")
    said = await posted(discord)
    assert "GIF 8" in said.title
    assert f"Person 1**: {WORDS}" in said.text
    await discord.until(lambda: preview.deleted)
    await discord.press(said, "next")
    await discord.until(lambda: "GIF 7" in said.title)
    await discord.command(query=WORDS)
    other = await told(discord, count=3)
    await discord.press(other, "cancel")
    await discord.until(lambda: other.deleted)
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
    await discord.until(lambda: said.edits == 1)
    await discord.press(said, "delete", person="2")
    await heard(discord, replies.NOT_YOURS, "2")
    await discord.press(said, "delete")
    await discord.until(lambda: said.deleted)
    for text, says in (("help", replies.HELP[1]), ("settings", WORDING.settings), ("", replies.HELP[0])):
        await discord.write(f"<@{BOT}> {text}")
        await discord.until(lambda says=says: says in discord.said[-1].text)  # type: ignore[misc]


async def test_a_mention_in_preview_mode(bot: Running, discord: Discord) -> None:
    """A message cannot be seen by one person only: it asks to look, and what is sent replies to the mention."""
    await discord.command("deepgif-preview", mode="Show me a preview first")
    asked = await discord.write(f"<@{BOT}> {WORDS}")
    prompt = await posted(discord)
    assert (list(prompt.buttons), prompt.reply_to) == (["show", "cancel"], asked)
    await discord.press(prompt, "show", person="2")
    await heard(discord, replies.NOT_YOURS, "2")
    await discord.press(prompt, "show")
    await discord.until(lambda: prompt.deleted)
    preview = await told(discord, count=2)
    assert "GIF 1" in preview.title
    await discord.press(preview, "send")
    said = await posted(discord)
    assert ("GIF 1" in said.title, said.reply_to) == (True, asked)
    await discord.until(lambda: preview.deleted)
    await discord.write(f"<@{BOT}> {WORDS}")
    prompt = await posted(discord, 2)
    await discord.press(prompt, "cancel")
    await discord.until(lambda: prompt.deleted)


async def test_what_is_not_asked_is_not_answered(bot: Running, discord: Discord, engine: EngineServer) -> None:
    """Messages of bots, of webhooks and of Discord itself, messages that do not mention the bot, and answers to its
    own that only ping it."""
    mention = f"<@{BOT}> {WORDS}"
    await discord.write(WORDS)
    await discord.write(f"<@7> {WORDS}")
    await discord.write(WORDS, mentions=[{"id": BOT, "username": "x", "discriminator": "0", "avatar": None}])
    await discord.write(mention, author={"id": "8", "username": "b", "discriminator": "0", "avatar": None, "bot": True})
    await discord.write(mention, type=7)
    await discord.write(WORDS, channel=DM, person=BOT)
    await quiet()
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
        await discord.until(lambda asked=asked: asked.kind == 4)  # type: ignore[misc]
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
    await discord.until(lambda: said.deleted)
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
    await discord.until(lambda: said.deleted)
    await heard(discord, replies.REPORTED, "2")
    await discord.command(query=WORDS, channel=NSFW, person="3")
    await heard(discord, replies.NOTHING_FOUND, "3")
    await discord.command("deepgif-settings", person="99")
    settings = await told(discord, "99")
    menu = next(one for one in settings.parts if one.get("custom_id") == "set:unblock")
    assert menu["options"][0]["label"] == "GIF 1"
    await discord.choose(settings, "unblock", [menu["options"][0]["value"]])
    await discord.until(lambda: not any(one.get("custom_id") == "set:unblock" for one in settings.parts))
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
        await discord.until(lambda asked=asked: asked.kind == 7)  # type: ignore[misc]
    chosen = {one["custom_id"]: one for one in settings.parts if one["type"] in (3, 8)}
    for name, value in (("rating", "g"), ("restricted", "r"), ("workspace", "direct"), ("channel", "preview")):
        assert [one["value"] for one in chosen[f"set:{name}"]["options"] if one.get("default")] == [value]
    assert chosen["set:off"]["default_values"] == [{"id": int(NSFW), "type": "channel"}]
    assert "r" not in [one["value"] for one in chosen["set:rating"]["options"]]
    asked = await discord.choose(settings, "open", [])
    await discord.until(lambda: asked.kind == 9)
    for wrong, says in (
        ({"language": "english"}, "language"), ({"words": ",".join(map(str, range(300)))}, "words"),
        ({"hours": "many"}, "number"), ({"hours": "-1"}, "number"), ({"hours": "nan"}, "number"),
    ):  # fmt: skip
        await discord.fill(asked.data, **wrong)
        await heard(discord, says, "99")
    await discord.fill(asked.data, person="1", words="x")
    await discord.until(lambda: sum(MANAGERS_ONLY in one.text for one in discord.private("1")) == 2)
    await discord.fill(asked.data, words="Dog, mother-in-law", language="de", hours="0")
    await heard(discord, "Saved.", "99")
    asked = await discord.choose(settings, "open", [])
    await discord.until(lambda: asked.kind == 9)
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
    await discord.choose(settings, "rating", ["g"], person="1")
    await discord.until(lambda: sum(MANAGERS_ONLY in one.text for one in discord.private("1")) == 3)


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
            await discord.until(lambda said=said: said.edits == 1)  # type: ignore[misc]
            assert engine.asked[-1]["max_rating"] == limit
    await discord.write(f"<@{BOT}> {WORDS}", channel=NSFW, person="5")
    await discord.until(lambda: engine.asked[-1]["max_rating"] == "r")
    for channel in (DM, GROUP):
        await discord.command(query=WORDS, channel=channel, person="6", owner="6")
        await discord.until(lambda channel=channel: discord.public[-1].channel == channel)  # type: ignore[misc]
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
        await discord.until(lambda said=said: said.edits == 1)  # type: ignore[misc]
        await discord.press(said, "delete", person="2", **where)
        await heard(discord, replies.NOT_YOURS, "2")
    await discord.command("deepgif-preview", mode="Show me a preview first", **own)
    await heard(discord, "Saved")
    before = len(discord.private())
    await discord.command(query=WORDS, **own)
    preview = await told(discord, count=before + 1)
    for _ in range(7):
        await discord.press(preview, "next", **own)
        await quiet()
    await discord.press(preview, "send", **own)
    await posted(discord, 4)
    assert not any("/channels/" in call for call in discord.calls)


async def test_completions(bot: Running, discord: Discord, engine: EngineServer, options: BotOptions) -> None:
    """First what the person searched for of late, then words of known GIFs; no blocked words, nobody else's."""
    await prefer(options, blocked_words=("dog",))
    for words in ("a cat falls", "two dogs", "x" * 101):
        await discord.command(query=words)
    await posted(discord, 3)
    assert await discord.type("A Cat") == ["a cat falls", "A cat"]
    assert await discord.type("a f") == ["a falls", "a falling"]
    assert (await discord.type(""))[:2] == ["two dogs", "a cat falls"]
    assert "dog" not in await discord.type("d")
    assert await discord.type("a cat f", person="2") == ["a cat falls", "a cat falling"]
    engine.failures = 0
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
