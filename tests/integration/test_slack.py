"""The Slack bot with the real slack-bolt and slack_sdk, over a local Slack and a local engine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
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
from deepgif.bot.jobs.queue import JobQueue, State
from deepgif.bot.request import RequestKind
from deepgif.bot.slack.app import Running, SlackOptions, open_bot
from deepgif.bot.slack.installations import OAuthOptions
from deepgif.bot.slack.request import SlackRequest
from deepgif.bot.slack.text import ADMINS_ONLY, WORDING
from deepgif.bot.store.database import Database, favourites, jobs, metadata, showings
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import ChatContext, Preferences, PreferenceStore, Scope, listed, word_list
from deepgif.engine.errors import UnauthorizedError
from deepgif.engine.types import Rating
from tests.fakes.engine_server import EngineServer, gif
from tests.fakes.journal import all_done
from tests.fakes.slack_server import ACK_S, SECRET, Slack
from tests.fakes.waiting import Clock, skip, until

Open = Callable[..., AbstractAsyncContextManager[Running]]
WORDS = "a cat falling off a table"
LONG = "<!channel> <@U9> *bold* _it_ `code` :cat: https://evil.example/ & "


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with Slack() as started:
        yield started
        assert started.wrong == []


@pytest.fixture
def options(bot_database: str, engine: EngineServer) -> BotOptions:
    return BotOptions(engine.url, "", bot_database, "a secret", Rating.PG_13, 30)


@pytest.fixture
def open_one(slack: Slack, options: BotOptions) -> Open:
    """Opens bots on one database, in Socket Mode unless ``http``."""

    @asynccontextmanager
    async def make(**changes: Any) -> AsyncIterator[Running]:
        chosen = {"bot_token": "xoxb-1", "app_token": "xapp-1", "signing_secret": SECRET, "api_url": slack.api_url}
        lease_s = changes.pop("lease_s", options.lease_s)
        given = SlackOptions(**{**chosen, "port": 0, **changes})
        async with open_bot(given, replace(options, lease_s=lease_s)) as running:
            for listener in running.app._async_listeners:
                listener.ack_timeout = ACK_S  # in place of bolt's own 3 seconds
            if changes.get("http"):
                slack.http_url = f"{running.address}/slack/events"
            else:
                await slack.connected()
            yield running

    return make


@pytest.fixture
async def bot(open_one: Open) -> AsyncIterator[Running]:
    async with open_one() as running:
        yield running


async def posted(slack: Slack, count: int = 1) -> Any:
    await until(lambda: len(slack.public) >= count)
    return slack.public[-1]


async def told(slack: Slack, person: str = "U1", count: int = 1) -> Any:
    await until(lambda: len(slack.private(person)) >= count)
    return slack.private(person)[-1]


async def prefer(options: BotOptions, **changes: Any) -> None:
    async with Database(options.database_url) as database:
        await PreferenceStore(database, Rating.R).change("slack", "T1", **changes)


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_best_gif_is_posted_under_the_persons_name(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """For all: name, words, GIF, alt text, title, attribution. For who asked: the buttons. For the engine: what was
    sent."""
    ack = await slack.command(WORDS)
    assert ack.payload is None
    said = await posted(slack)
    assert f"@name.u1: {WORDS}" in said.shown
    assert said.image["alt_text"] == "What GIF 1 shows"
    assert said.image["title"]["text"] == "GIF 1"
    assert "Powered by GIPHY" in said.shown
    assert list((await told(slack)).buttons) == ["gif:next", "gif:more", "gif:star", "gif:delete"]
    assert engine.asked[0]["query"] == WORDS
    await until(lambda: engine.told == ["gif1"])


async def test_buttons_of_a_posted_gif(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Next and More change the posted message, Star keeps a favourite for the home tab, Delete deletes."""
    await slack.command(WORDS)
    said, buttons = await posted(slack), await told(slack)
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.press(buttons, "more")
    await until(lambda: said.image["title"]["text"] == "GIF 8")
    assert engine.alike == ["gif2"]
    await slack.press(buttons, "star")
    await until(lambda: any(replies.STARRED in one.text for one in slack.private("U1")))
    await slack.event({"type": "app_home_opened", "user": "U1", "tab": "home"})
    await until(lambda: "U1" in slack.homes)
    assert "GIF 8" in str(slack.homes["U1"])
    await slack.press(buttons, "delete")
    await until(lambda: said.deleted)
    assert len(slack.public) == 0
    await until(lambda: replies.DELETED in buttons.shown)


async def test_nothing_is_public_before_send(bot: Running, slack: Slack, options: BotOptions) -> None:
    """In preview mode Next, Previous and More leaf; Send posts what is shown; Cancel leaves nothing."""
    await prefer(options, preview=True)
    await slack.command(WORDS)
    preview = await told(slack)
    assert list(preview.buttons) == ["gif:send", "gif:next", "gif:previous", "gif:more", "gif:cancel"]
    for action, title in (("next", "GIF 2"), ("next", "GIF 3"), ("previous", "GIF 2"), ("previous", "GIF 1")):
        await slack.press(preview, action)
        await until(lambda title=title: preview.image["title"]["text"] == title)  # type: ignore[misc]
    await slack.press(preview, "previous")
    await until(lambda: any(replies.NO_PREVIOUS in one.text for one in slack.private("U1")))
    for action, title in (
        ("next", "GIF 2"),
        ("more", "GIF 8"),
        ("previous", "GIF 2"),
        ("next", "GIF 8"),
        ("more", "GIF 7"),
        ("previous", "GIF 8"),
    ):
        await slack.press(preview, action)
        await until(lambda title=title: preview.image["title"]["text"] == title)  # type: ignore[misc]
    assert slack.public == []
    await slack.press(preview, "send")
    assert (await posted(slack)).image["title"]["text"] == "GIF 8"
    await until(lambda: "gif:delete" in preview.buttons)
    await slack.command(WORDS, person="U2")
    other = await told(slack, "U2")
    await slack.press(other, "cancel", person="U2")
    await until(lambda: other.deleted)
    assert len(slack.public) == 1


async def test_mentions_are_answered_in_their_thread(bot: Running, slack: Slack) -> None:
    """In a channel the answer opens a thread, in a thread it stays there, in a direct message it needs none."""
    slack.member.add("C1")
    mention = {"type": "app_mention", "channel": "C1", "user": "U1", "text": f"<@UBOT> {WORDS}"}
    await slack.event({**mention, "ts": "5.1"})
    said = await posted(slack)
    assert (said.thread, said.channel) == ("5.1", "C1")
    assert f"@Person U1: {WORDS}" in said.shown
    buttons = await told(slack)
    assert (list(buttons.buttons), buttons.thread) == (["gif:next", "gif:delete"], "5.1")
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.event({**mention, "ts": "6.2", "thread_ts": "6.1"})
    assert (await posted(slack, 2)).thread == "6.1"
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": WORDS})
    said = await posted(slack, 3)
    assert (said.channel, said.thread) == ("D1", "")


async def test_what_is_not_asked_is_not_answered(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Messages of bots, edits and messages in channels lead to nothing."""
    message = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": WORDS}
    await slack.event({**message, "bot_id": "B9"})
    await slack.event({**message, "subtype": "message_changed"})
    await slack.event({**message, "channel_type": "channel"})
    mention = {"type": "app_mention", "channel": "C1", "text": WORDS}
    for change in ({}, {"user": "U1", "bot_id": "B9"}, {"user": "U1", "edited": {"user": "U1"}}):
        await slack.event({**mention, **change})
    for person, tab in (("U1", "messages"), ("U2", "home")):
        await slack.event({"type": "app_home_opened", "user": person, "tab": tab})
    await until(lambda: "U2" in slack.homes)
    await all_done(options.database_url)
    assert (engine.asked, slack.said, list(slack.homes)) == ([], [], ["U2"])


async def test_a_message_is_answered_with_a_gif(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """ "React with a GIF" takes the message's words, however many, and answers in its thread."""
    await slack.react("It is <@U9|raining> <https://cats.example/|cats> &amp; dogs", ts="7.1")
    assert (await posted(slack)).thread == "7.1"
    assert engine.asked[0]["query"] == "It is raining cats & dogs"
    await slack.react("long words " * 400, ts="8.2", thread="8.1")
    assert (await posted(slack, 2)).thread == "8.1"
    assert len(engine.asked[1]["query"]) <= 1000
    await slack.react("", ts="9.1")
    await until(lambda: any("what the GIF should show" in one.text for one in slack.private("U1")))


async def test_what_is_acknowledged_is_kept(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has its receipt is on the disk by then, so that no kill loses it: commands, messages, buttons in the
    journal, and settings."""

    def slowly(keep: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def kept(*given: Any, **named: Any) -> Any:
            await asyncio.sleep(0.1)  # in which a receipt comes that does not wait for it
            return await keep(*given, **named)

        return kept

    await slack.command(WORDS)
    buttons = await told(slack)
    monkeypatch.setattr(JobQueue, "accept", slowly(JobQueue.accept))
    monkeypatch.setattr(PreferenceStore, "change", slowly(PreferenceStore.change))
    mention = {"type": "app_mention", "channel": "C1", "user": "U1", "text": f"<@UBOT> {WORDS}"}
    direct = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": WORDS}
    async with Database(options.database_url) as database:
        for number, ask in enumerate(
            (
                lambda: slack.command(WORDS),
                lambda: slack.react(WORDS),
                lambda: slack.press(buttons, "next"),
                lambda: slack.event(mention),
                lambda: slack.event(direct),
            ),
            2,
        ):
            await ask()
            assert len(await database.read(sa.select(jobs))) == number
        await slack.command("settings", person="UADMIN")
        await until(lambda: slack.views)
        await slack.submit(slack.views[0], {"language": {"value": "de"}}, "UADMIN")
        assert (await PreferenceStore(database, Rating.R).of_workspace("slack", "T1")).language == "de"


async def test_help_and_delete(bot: Running, slack: Slack) -> None:
    """Help comes with the receipt; /deepgif delete takes back one's own newest GIF in the channel only."""
    for text in ("", "  ", "help", "Help"):
        ack = await slack.command(text)
        assert replies.HELP[0] in str(ack.payload)
        assert ack.payload["response_type"] == "ephemeral"
    await slack.command("delete")
    assert replies.NOTHING_TO_DELETE in (await told(slack)).text
    await slack.command(WORDS)
    said = await posted(slack)
    await slack.command("delete", person="U2")
    assert replies.NOTHING_TO_DELETE in (await told(slack, "U2")).text
    await slack.command("delete", channel="C2")
    await slack.command("delete")
    await until(lambda: said.deleted)
    slack.member.add("C1")
    for text, says in (("help", replies.HELP[1]), ("settings", WORDING.settings)):
        await slack.event({"type": "app_mention", "channel": "C1", "user": "U3", "text": f"<@UBOT> {text}"})
        await until(lambda says=says: any(says in one.shown for one in slack.private("U3")))  # type: ignore[misc]


async def test_only_who_asked_uses_the_buttons(bot: Running, slack: Slack) -> None:
    """Others are told so; made-up buttons and buttons of other workspaces do nothing."""
    await slack.command(WORDS)
    said, buttons = await posted(slack), await told(slack)
    await slack.press(buttons, "delete", person="U2")
    assert replies.NOT_YOURS in (await told(slack, "U2")).text
    value = buttons.buttons["gif:delete"]["value"]
    for wrong in (value[:-2] + "xx", "x", "", "é.é", f"{value}.x"):
        buttons.buttons["gif:delete"]["value"] = wrong
        before = len(slack.private("U1"))
        await slack.press(buttons, "delete")
        assert replies.TOO_OLD in (await told(slack, count=before + 1)).text
    buttons.buttons["gif:delete"]["value"] = value
    before = len(slack.private("U1"))
    await slack.press(buttons, "delete", team="T9")
    assert replies.TOO_OLD in (await told(slack, count=before + 1)).text
    assert not said.deleted


async def test_a_reported_gif_is_not_shown_again_until_an_admin_allows_it(
    bot: Running, slack: Slack, engine: EngineServer
) -> None:
    """Anybody who sees a GIF can report it: it goes, and stays away from the workspace."""
    engine.gifs = engine.gifs[:1]
    await slack.command(WORDS)
    said = await posted(slack)
    await slack.press(said, "report", person="U2")
    await until(lambda: said.deleted)
    assert replies.REPORTED in (await told(slack, "U2")).text
    await slack.command(WORDS, channel="C2", person="U3")
    assert replies.NOTHING_FOUND in (await told(slack, "U3")).text
    await slack.command("settings", person="UADMIN")
    await until(lambda: slack.views)
    option = slack.views[0]["blocks"][-1]["element"]["options"][0]
    assert option["text"]["text"] == "GIF 1"
    await slack.submit(slack.views[0], {"unblock": {"selected_options": [option]}}, "UADMIN")
    await slack.command(WORDS, channel="C2", person="U3")
    await posted(slack)


async def test_settings(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Admins set what counts for all, in a modal that shows what is set; others their own previews only."""
    await slack.command("settings", person="U1")
    await until(lambda: len(slack.views) == 1)
    assert [block["block_id"] for block in slack.views[0]["blocks"]] == ["person"]
    preview = {"selected_option": {"value": "preview"}}
    await slack.submit(slack.views[0], {"person": preview}, "U1")
    await slack.command("settings", person="UADMIN")
    await until(lambda: len(slack.views) == 2)
    view = slack.views[1]
    for wrong, block in (("english", "language"), (",".join(map(str, range(300))), "words")):
        ack = await slack.submit(view, {block: {"value": wrong}}, "UADMIN")
        assert (ack.payload["response_action"], list(ack.payload["errors"])) == ("errors", [block])
    chosen: dict[str, Any] = {
        "rating": {"selected_option": {"value": "g"}},
        "language": {"value": "de"},
        "words": {"value": "Dog, mother-in-law"},
        "hours": {"value": "0"},
        "off": {"selected_conversations": ["COFF"]},
    }
    refused = await slack.submit(view, chosen, "U1")
    assert refused.payload["errors"] == {"workspace": ADMINS_ONLY}
    assert (await slack.submit(view, chosen, "UADMIN")).payload is None
    await slack.command(WORDS, person="U2")
    await posted(slack)
    assert (engine.asked[-1]["language"], engine.asked[-1]["max_rating"]) == ("de", "g")
    await slack.command(WORDS, person="U2")  # repeated at once, as it was set
    assert (await posted(slack, 2)).image["title"]["text"] == "GIF 1"
    for words, channel, says in (
        ("hot DOG", "C1", replies.BLOCKED_WORDS),
        ("my mother-in-law", "C1", replies.BLOCKED_WORDS),
        (WORDS, "COFF", replies.OFF_HERE),
    ):
        await slack.command(words, person="U4", channel=channel)
        await until(lambda says=says: any(says in one.text for one in slack.private("U4")))  # type: ignore[misc]
    await slack.command("hotdogs", person="U2")
    await posted(slack, 3)
    await slack.command("settings", person="UADMIN")
    await until(lambda: len(slack.views) == 3)
    assert "mother-in-law" in str(slack.views[2])
    assert "COFF" in str(slack.views[2])


async def test_two_admins_at_once(bot: Running, slack: Slack, options: BotOptions) -> None:
    """Each saves what they changed, and not what their modal showed of the rest."""
    await prefer(options, blocked_words=("dog",), repeat_hours=1.6)
    for count in (1, 2):
        await slack.command("settings", person="UADMIN")
        await until(lambda count=count: len(slack.views) == count)  # type: ignore[misc]
    one, other = slack.views
    preview = {"selected_option": {"value": "preview"}}
    await slack.submit(one, {"words": {"value": "cat"}, "channel": preview, "person": preview}, "UADMIN")
    await slack.submit(other, {"language": {"value": "de"}, "off": {"selected_conversations": ["COFF"]}}, "UADMIN")
    async with Database(options.database_url) as database:
        store = PreferenceStore(database, Rating.R)
        assert await store.of_workspace("slack", "T1") == Preferences(
            blocked_words=("cat",), language="de", off_channels=("COFF",), repeat_hours=1.6
        )
        place = ChatContext("slack", "T1", one["private_metadata"], "UADMIN")
        assert [await store.preview(place, scope) for scope in (Scope.CHANNEL, Scope.PERSON)] == [True, True]


async def test_a_gif_is_not_repeated_in_a_channel(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Another one comes in its place; when all were shown, a sentence does. Other channels are other channels."""
    engine.gifs = engine.gifs[:2]
    for number in (1, 2):
        await slack.command(WORDS, person=f"U{number}")
        assert (await posted(slack, number)).image["title"]["text"] == f"GIF {number}"
    await slack.command(WORDS, person="U3")
    assert replies.NOTHING_NEW in (await told(slack, "U3")).text
    await slack.command(WORDS, channel="C2")
    assert (await posted(slack, 3)).image["title"]["text"] == "GIF 1"


async def test_where_the_bot_is_no_member(bot: Running, slack: Slack) -> None:
    """In a private channel the command's own address is used, with the buttons in the message."""
    slack.closed.add("C1")
    await slack.command(WORDS)
    said = await posted(slack)
    assert set(said.buttons) == {"gif:report", "gif:next", "gif:more", "gif:star", "gif:delete"}
    await slack.press(said, "delete", person="U2")
    assert replies.NOT_YOURS in (await told(slack, "U2")).text
    await slack.press(said, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.command("delete")
    assert "Delete button below" in (await told(slack)).text
    await slack.press(said, "star")
    await told(slack, count=2)
    await slack.press(said, "delete")
    await until(lambda: said.deleted)


@pytest.mark.parametrize(
    "words", [LONG, "```a``` <https://evil.example|here>", "&lt;!here&gt; <#C1|general> <!subteam^S1>"]
)
async def test_words_never_ping_or_format(bot: Running, slack: Slack, words: str) -> None:
    """The local Slack refuses mrkdwn with references in it; words stand in plain text only, emoji off."""
    await slack.command(words)
    said = await posted(slack)
    section = said.blocks[0]["text"]
    assert (section["type"], section["emoji"]) == ("plain_text", False)
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": words})
    await posted(slack, 2)


async def test_words_that_are_too_many(bot: Running, slack: Slack) -> None:
    """4,000 characters get one sentence, however they come."""
    ack = await slack.command(LONG * 60)
    assert "please say what the GIF should show in at most" in ack.payload["text"]
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": LONG * 60})
    assert "at most" in (await told(slack)).text
    assert slack.public == []


async def test_titles_from_outside(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Whatever a provider calls its GIFs, Slack takes the message; what Slack cannot fetch is passed over."""
    engine.gifs = [
        gif(1, url="http://127.0.0.1/a.gif"),
        gif(2, url="https://media.giphy.com/a.webp"),
        gif(3, url="https://engine.internal/a.gif"),
        gif(4, title=LONG * 100, alt_text="x" * 5000, attribution=""),
        gif(5, title="", alt_text=""),
    ]
    await slack.command(WORDS)
    assert (await posted(slack)).image["image_url"].endswith("gif4/200w.gif?cid=1")
    await slack.command(WORDS)
    assert (await posted(slack, 2)).image["alt_text"] == "A GIF"
    engine.gifs = engine.gifs[:3]
    await slack.command(WORDS, person="U2")
    assert OUT_OF_REACH in (await told(slack, "U2")).text


async def test_retried_deliveries_post_once(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Slack sends again what it saw no receipt of: a command, an event, a button; whether the first is done or not."""
    engine.gate.hold()
    for _ in range(2):
        await slack.command(WORDS, trigger_id="same")
    engine.gate.release()
    await posted(slack)
    await slack.command(WORDS, trigger_id="same")
    event = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": WORDS, "ts": "3.1"}
    for _ in range(3):
        await slack.event(event, event_id="Ev-same")
    await posted(slack, 2)
    buttons = next(one for one in slack.private("U1") if one.channel == "C1")
    pressed = [slack.press(buttons, "next", trigger="same-too") for _ in range(2)]
    await asyncio.gather(*pressed)
    await until(lambda: slack.public[0].image["title"]["text"] == "GIF 2")
    await all_done(options.database_url)
    assert len(slack.public) == 2
    assert slack.public[0].image["title"]["text"] == "GIF 2"


async def test_429_is_waited_for(bot: Running, slack: Slack) -> None:
    """The GIF comes once, as late as Slack says."""
    slack.limited = 2
    started = time.monotonic()
    await slack.command(WORDS)
    await posted(slack)
    assert time.monotonic() - started >= 2
    assert slack.calls.count("chat.postMessage") == 3
    await told(slack)
    slack.limited_urls = 1
    await slack.command("delete", person="U2")
    assert replies.NOTHING_TO_DELETE in (await told(slack, "U2")).text
    assert "chat.postEphemeral" not in slack.calls


async def test_the_engine_is_asked_again_and_then_spoken_of(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Three failures are not seen; an engine that stays away is a sentence; buttons do not lose their GIF."""
    engine.failures = 3
    await slack.command(WORDS)
    await until(lambda: slack.public, skipping_s=2)
    said, buttons = await posted(slack), await told(slack)
    engine.failures = 100
    await slack.command(WORDS, person="U2")
    await until(lambda: slack.private("U2"), skipping_s=2)
    assert "does not answer at the moment" in (await told(slack, "U2")).text
    assert engine.failures == 96
    await slack.press(buttons, "next")
    await until(lambda: len(slack.private("U1")) == 2, skipping_s=2)
    assert said.image["title"]["text"] == "GIF 1"
    engine.failures = 0
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")


async def test_buttons_outlive_the_process(open_one: Open, slack: Slack) -> None:
    """Another process, on the same database, goes on with them."""
    async with open_one():
        await slack.command(WORDS)
        said, buttons = await posted(slack), await told(slack)
    async with open_one():
        await slack.press(buttons, "next")
        await until(lambda: said.image["title"]["text"] == "GIF 2")


async def _renewed(database: Database, lease: float) -> bool:
    (row,) = await database.read(sa.select(jobs.c.lease))
    return bool(row.lease > lease)


async def test_long_work_is_not_taken_over(
    open_one: Open, slack: Slack, engine: EngineServer, options: BotOptions, clock: Clock
) -> None:
    """A replica that searches for longer than its lease gives signs of life; the others leave it its work."""
    engine.gate.hold()
    async with open_one(lease_s=8), open_one(lease_s=8), Database(options.database_url) as database:
        await slack.command(WORDS)
        await until(lambda: engine.asked)
        for _ in range(12):  # three leases
            (before,) = await database.read(sa.select(jobs.c.lease))
            clock.ahead_s += 2
            skip(2)
            await until(lambda before=before: _renewed(database, before.lease))
        engine.gate.release()
        await posted(slack)
        await all_done(options.database_url)
    assert (len(engine.asked), len(slack.public)) == (1, 1)


async def test_stopping_finishes_what_was_acknowledged(open_one: Open, slack: Slack, engine: EngineServer) -> None:
    """A stop in the middle of a search posts its GIF first."""
    engine.gate.hold()
    async with open_one():
        await slack.command(WORDS)
        await until(lambda: engine.asked)
        release = asyncio.create_task(until(lambda: not slack.listening()))
        release.add_done_callback(lambda _: engine.gate.release())
    await release
    assert len(slack.public) == 1


async def test_nothing_of_a_workspace_is_left(bot: Running, slack: Slack, options: BotOptions) -> None:
    """Removing the app deletes all that was kept; a person's own token going does not."""
    await slack.command(WORDS)
    buttons = await told(slack)
    await slack.press(buttons, "star")
    await told(slack, count=2)
    async with Database(options.database_url) as database:
        await all_done(options.database_url)
        await slack.event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}})
        assert len(await database.read(sa.select(favourites))) == 1
        await slack.event({"type": "app_uninstalled"})
        for table in metadata.sorted_tables:
            assert await database.read(sa.select(table)) == [], table.name


async def test_what_is_kept_cannot_be_read(bot: Running, slack: Slack, options: BotOptions, tmp_path: Path) -> None:
    """Nobody's words lie on the disk in the clear, and what was done is erased from the journal."""
    await slack.command("quite particular words")
    await told(slack)
    await all_done(options.database_url)
    async with Database(options.database_url) as database:
        assert [row.sealed for row in await database.read(sa.select(jobs))] == [""]
        assert len(await database.read(sa.select(showings))) == 1
    assert b"particular" not in files_in(tmp_path)


async def test_words_are_not_logged(
    open_one: Open, slack: Slack, engine: EngineServer, caplog: pytest.LogCaptureFixture
) -> None:
    """At the default level no line has anybody's words or a token, whatever goes wrong."""
    caplog.set_level(logging.INFO)
    async with open_one():
        engine.failures = 4
        await slack.command("quite particular words")
        await until(lambda: slack.private("U1"), skipping_s=2)
        await slack.command("more particular words", person="U2")
        await posted(slack)
    assert "particular" not in caplog.text
    assert "xoxb-1" not in caplog.text


async def test_who_was_interrupted_while_posting_is_told(open_one: Open, slack: Slack, options: BotOptions) -> None:
    """Nobody knows whether that GIF was posted: it is not posted again, and the person is told once. Who asked an hour
    ago is told, and not surprised with a GIF."""
    task = SlackRequest(RequestKind.COMMAND, "T1", "", "C1", "U1", words=WORDS, response_url=slack.url("C1", "U1"))
    async with Database(options.database_url) as database:
        journal = JobQueue(database, Cipher(options.secret), "slack", lease_s=-1)
        assert await journal.accept(replace(task.job("1"), state=State.POSTING))
        assert await journal.accept(task.job("2"))
        assert await journal.accept(task.job("3"))
        async with database.write() as connection:
            await connection.execute(jobs.update().where(jobs.c.name.endswith("3")).values(at=time.time() - 3600))
    async with open_one(), open_one():
        await until(lambda: {replies.INTERRUPTED, replies.AWAY} <= {one.text for one in slack.private("U1")})
        await posted(slack)
        await all_done(options.database_url)
    assert len(slack.public) == 1
    assert sum(replies.INTERRUPTED in one.text for one in slack.said) == 1


async def heard(slack: Slack, text: str, person: str = "U1") -> None:
    await until(lambda: any(text in one.shown for one in slack.private(person)))


async def test_what_slack_refuses_is_said(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Messages that others deleted, channels that are closed, addresses that are used up."""
    await slack.command(WORDS)
    said, buttons = await posted(slack), await told(slack)
    said.deleted = True
    await slack.press(buttons, "next")
    await heard(slack, "cannot be changed any more")
    await slack.press(buttons, "delete")
    await heard(slack, replies.DELETED)
    slack.closed.add("C7")
    await slack.event({"type": "app_mention", "channel": "C7", "user": "U7", "text": "<@UBOT> a cat", "ts": "1.1"})
    await all_done(options.database_url)
    assert slack.private("U7") == []  # there is no way to say anything there
    slack.member.add("C7")
    await slack.command(WORDS, person="U8", response_url=f"{slack.origin}/gone")
    await heard(slack, "is posted", "U8")  # by method, where the address does not work
    await slack.command(WORDS, person="U9", response_url="http://127.0.0.1:9/")
    await heard(slack, "is posted", "U9")


async def test_the_end_of_the_gifs(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Next says when there is nothing left; a GIF that the engine lost cannot be gone back to."""
    engine.gifs = engine.gifs[:2]
    await slack.command(WORDS)
    said, buttons = await posted(slack), await told(slack)
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.press(buttons, "next")
    await heard(slack, replies.NOTHING_NEW)
    engine.gifs = []
    await slack.command(WORDS, channel="C2")
    await heard(slack, replies.NOTHING_FOUND)


async def test_a_preview_whose_gif_is_gone(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Send says so, and posts nothing else in its place."""
    await prefer(options, preview=True)
    await slack.command(WORDS)
    preview = await told(slack)
    engine.gifs = engine.gifs[1:]
    await slack.press(preview, "send")
    await heard(slack, replies.TOO_OLD)
    assert slack.public == []


async def test_what_cannot_be_kept_is_refused(bot: Running, slack: Slack, options: BotOptions) -> None:
    """Without its database the bot says that something is wrong, where it can; Slack gets its receipt."""
    async with Database(options.database_url) as database, database.write() as connection:
        await connection.execute(sa.text("DROP TABLE jobs"))
    ack = await slack.command(WORDS)
    assert ack.payload["text"] == replies.PROBLEM
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": WORDS})
    assert slack.public == []


async def test_metrics(bot: Running, slack: Slack, options: BotOptions) -> None:
    """What the operator sees: times and outcomes."""
    await slack.command(WORDS)
    await told(slack)
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


async def test_a_wrong_token_is_said_at_the_start(open_one: Open, slack: Slack) -> None:
    """Not at the first command."""
    with pytest.raises(UnauthorizedError, match="DEEPGIF_SLACK_BOT_TOKEN"):
        async with open_one(bot_token="xoxb-wrong"):
            pass


async def test_http_mode(open_one: Open, slack: Slack, options: BotOptions) -> None:
    """The same over signed requests; wrong signatures, old ones and replays are refused or do nothing."""
    async with open_one(http=True):
        await slack.command(WORDS)
        said, buttons = await posted(slack), await told(slack)
        await slack.press(buttons, "next")
        await until(lambda: said.image["title"]["text"] == "GIF 2")
        payload = {
            "command": "/deepgif", "text": WORDS, "team_id": "T1", "channel_id": "C2", "user_id": "U2",
            "user_name": "u2", "trigger_id": "t-once", "response_url": slack.url("C2", "U2"),
        }  # fmt: skip
        await slack.post("slash_commands", payload, secret="wrong", expect=401)
        await slack.post("slash_commands", payload, at=time.time() - 600, expect=401)
        for _ in range(3):
            await slack.post("slash_commands", payload)
        await posted(slack, 2)
        await all_done(options.database_url)
        assert len(slack.public) == 2


async def test_many_workspaces(open_one: Open, slack: Slack, options: BotOptions, tmp_path: Path) -> None:
    """Another workspace installs the app, is answered with its own token, and is forgotten when it removes it. Its
    token does not lie on the disk in the clear."""
    slack.tokens["xoxb-2"] = ("T2", slack.tokens["xoxb-1"][1])
    oauth = OAuthOptions(
        "C.1", "app-secret", "https://gifs.example.org/slack/oauth_redirect", "https://slack.example/auth"
    )
    async with open_one(http=True, bot_token="", oauth=oauth) as running:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            async with http.get(f"{running.address}/slack/install") as response:
                page = await response.text()
                cookie = {"slack-app-oauth-state": response.cookies["slack-app-oauth-state"].value}
            assert "https://slack.example/auth?" in page
            assert "chat%3Awrite" in page or "chat:write" in page
            back = f"{running.address}/slack/oauth_redirect"
            state = cookie["slack-app-oauth-state"]
            async with http.get(back, params={"code": "the-code", "state": "made-up"}, cookies=cookie) as response:
                assert response.status == 400
            async with http.get(back, params={"code": "the-code", "state": state}, cookies=cookie) as response:
                assert response.status == 200
        await slack.command(WORDS, team_id="T2")
        await posted(slack)
        assert b"xoxb-2" not in files_in(tmp_path)
        await all_done(options.database_url)
        await slack.event({"type": "app_uninstalled"}, team="T2")
        await slack.command(WORDS, team_id="T2", trigger_id="later")
        await all_done(options.database_url)
        assert len(slack.public) == 1


async def test_two_hundred_at_once(open_one: Open, slack: Slack, engine: EngineServer) -> None:
    """Every receipt comes before the engine has answered anybody, and every answer once."""
    engine.gate.hold()
    async with open_one():
        await asyncio.gather(
            *(slack.command(f"{WORDS} {number}", person=f"U{number}", channel=f"C{number}") for number in range(200))
        )
        assert slack.said == []
        engine.gate.release()
        await until(lambda: len(slack.public) >= 200)
        await until(lambda: sum(1 for one in slack.said if one.to) >= 200)
    assert sorted(one.channel for one in slack.public) == sorted(f"C{number}" for number in range(200))


def test_words_are_listed_as_they_are_read() -> None:
    """However long the list, nothing of it is lost."""
    words = tuple(f"word{number}" for number in range(100))
    assert word_list(listed(words, 3000)) == words
    assert word_list(listed(words, 700)) == words
    assert len(listed(words, 700)) <= 700


async def test_preferences_of_a_place(options: BotOptions) -> None:
    """A person's choice counts more than the channel's, and that more than the workspace's."""
    async with Database(options.database_url) as database:
        store = PreferenceStore(database, Rating.PG)
        place = ChatContext("slack", "T1", "C1", "U1")
        await store.change("slack", "T1", max_rating=Rating.R, preview=False)
        assert (await store.of(place)).max_rating is Rating.PG
        await store.change("slack", "T2", max_rating=Rating.G, restricted_rating=Rating.R)
        adults = ChatContext("slack", "T2", "C1", "U1", age_restricted=True)
        assert (await store.of(adults)).max_rating is Rating.PG
        assert (await store.of(replace(adults, age_restricted=False))).max_rating is Rating.G
        await store.set_preview(place, Scope.CHANNEL, True)
        assert (await store.of(place)).preview
        await store.set_preview(place, Scope.PERSON, False)
        assert not (await store.of(place)).preview
        await store.set_preview(place, Scope.PERSON, None)
        assert (await store.of(place)).preview
        assert not (await store.of(ChatContext("discord", "T1", "C1", "U1"))).preview
