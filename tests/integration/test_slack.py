"""The Slack bot with the real slack-bolt and slack_sdk, a local Slack and a local engine."""

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
from deepgif.bot.jobs.handler import JobHandler
from deepgif.bot.jobs.queue import JobQueue
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.request import ChatContext, Preferences, Request, RequestKind
from deepgif.bot.slack.app import Running, SlackOptions, open_bot
from deepgif.bot.slack.installations import OAuthOptions
from deepgif.bot.slack.text import ADMINS_ONLY, TEXT, USE_DELETE_BUTTON
from deepgif.bot.store.database import Database, favourites, jobs, metadata, sessions
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import PreferenceStore, Scope
from deepgif.engine.errors import UnauthorizedError
from deepgif.engine.types import Rating
from tests.fakes.engine_server import EngineServer, gif
from tests.fakes.jobs import all_done
from tests.fakes.slack_server import ACK_S, SECRET, Slack
from tests.fakes.waiting import WITHIN_S, skip, until

Open = Callable[..., AbstractAsyncContextManager[Running]]
QUERY = "a cat falling off a table"
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
    """Opens bots that share a database, in Socket Mode unless ``http``."""

    @asynccontextmanager
    async def make(**changes: Any) -> AsyncIterator[Running]:
        chosen = {"bot_token": "xoxb-1", "app_token": "xapp-1", "signing_secret": SECRET, "api_url": slack.api_url}
        lease_s = changes.pop("lease_s", options.lease_s)
        given = SlackOptions(**{**chosen, "port": 0, **changes})
        async with open_bot(given, replace(options, lease_s=lease_s)) as running:
            for listener in running.app._async_listeners:
                listener.ack_timeout = ACK_S  # in place of bolt's own 3 seconds
            if changes.get("http"):
                slack.http_url = f"{running.url}/slack/events"
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


async def told(slack: Slack, user: str = "U1", count: int = 1) -> Any:
    await until(lambda: len(slack.private(user)) >= count)
    return slack.private(user)[-1]


async def prefer(options: BotOptions, **changes: Any) -> None:
    async with Database(options.database_url) as database:
        await PreferenceStore(database, Rating.R).change("slack", "T1", **changes)


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_best_gif_is_posted(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Everybody sees the name, query, GIF, alt text, title and attribution; the user sees the buttons. The engine
    learns of it."""
    ack = await slack.command(QUERY)
    assert ack.payload is None
    said = await posted(slack)
    assert f"@name.u1: {QUERY}" in said.shown
    assert said.image["alt_text"] == "What GIF 1 shows"
    assert said.image["title"]["text"] == "GIF 1"
    assert "Powered by GIPHY" in said.shown
    assert list((await told(slack)).buttons) == ["gif:next", "gif:more", "gif:star", "gif:delete"]
    assert engine.asked[0]["query"] == QUERY
    await until(lambda: engine.told == ["gif1"])


async def test_buttons_of_a_posted_gif(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Next and More change the post, favourites are shown in the Home tab, Delete deletes."""
    await slack.command(QUERY)
    said, buttons = await posted(slack), await told(slack)
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.press(buttons, "more")
    await until(lambda: said.image["title"]["text"] == "GIF 8")
    assert engine.alike == ["gif2"]
    await slack.press(buttons, "star")
    await until(lambda: any(TEXT.starred in one.text for one in slack.private("U1")))
    await slack.event({"type": "app_home_opened", "user": "U1", "tab": "home"})
    await until(lambda: "U1" in slack.homes)
    assert "GIF 8" in str(slack.homes["U1"])
    await slack.press(buttons, "delete")
    await until(lambda: said.deleted)
    assert len(slack.public) == 0
    await until(lambda: replies.DELETED in buttons.shown)


async def test_nothing_is_public_before_send(bot: Running, slack: Slack, options: BotOptions) -> None:
    """In a preview, Next, Previous and More change the GIF, Send posts it, and Cancel removes the preview."""
    await prefer(options, preview=True)
    await slack.command(QUERY)
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
    await slack.command(QUERY, user="U2")
    other = await told(slack, "U2")
    await slack.press(other, "cancel", user="U2")
    await until(lambda: other.deleted)
    assert len(slack.public) == 1


async def test_mentions_are_answered_in_their_thread(bot: Running, slack: Slack) -> None:
    """The answer to a mention is in its thread; a direct message needs no thread."""
    slack.member.add("C1")
    mention = {"type": "app_mention", "channel": "C1", "user": "U1", "text": f"<@UBOT> {QUERY}"}
    await slack.event({**mention, "ts": "5.1"})
    said = await posted(slack)
    assert (said.thread, said.channel) == ("5.1", "C1")
    assert f"@Person U1: {QUERY}" in said.shown
    buttons = await told(slack)
    assert (list(buttons.buttons), buttons.thread) == (["gif:next", "gif:delete"], "5.1")
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.event({**mention, "ts": "6.2", "thread_ts": "6.1"})
    assert (await posted(slack, 2)).thread == "6.1"
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": QUERY})
    said = await posted(slack, 3)
    assert (said.channel, said.thread) == ("D1", "")


async def test_messages_that_are_not_for_the_bot(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Messages of bots, edits, and messages without a mention in channels are ignored."""
    message = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": QUERY}
    await slack.event({**message, "bot_id": "B9"})
    await slack.event({**message, "subtype": "message_changed"})
    await slack.event({**message, "channel_type": "channel"})
    mention = {"type": "app_mention", "channel": "C1", "text": QUERY}
    for change in ({}, {"user": "U1", "bot_id": "B9"}, {"user": "U1", "edited": {"user": "U1"}}):
        await slack.event({**mention, **change})
    for user, tab in (("U1", "messages"), ("U2", "home")):
        await slack.event({"type": "app_home_opened", "user": user, "tab": tab})
    await until(lambda: "U2" in slack.homes)
    await all_done(options.database_url)
    assert (engine.asked, slack.said, list(slack.homes)) == ([], [], ["U2"])


async def test_a_message_is_answered_with_a_gif(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """ "React with a GIF" searches for the message's text and posts in its thread."""
    await slack.react("It is <@U9|raining> <https://cats.example/|cats> &amp; dogs", ts="7.1")
    assert (await posted(slack)).thread == "7.1"
    assert engine.asked[0]["query"] == "It is raining cats & dogs"
    await slack.react("long words " * 400, ts="8.2", thread="8.1")
    assert (await posted(slack, 2)).thread == "8.1"
    assert len(engine.asked[1]["query"]) <= 1000
    await slack.react("", ts="9.1")
    await until(lambda: any(replies.NO_TEXT in one.text for one in slack.private("U1")))


async def test_requests_are_stored_before_they_are_acknowledged(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is acknowledged is on disk, so that no kill loses it: commands, messages and buttons in the queue,
    and settings."""

    def slowly(keep: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def kept(*given: Any, **named: Any) -> Any:
            await asyncio.sleep(0.1)  # enough for an acknowledgement that does not wait
            return await keep(*given, **named)

        return kept

    await slack.command(QUERY)
    buttons = await told(slack)
    monkeypatch.setattr(JobQueue, "enqueue", slowly(JobQueue.enqueue))
    monkeypatch.setattr(PreferenceStore, "change", slowly(PreferenceStore.change))
    mention = {"type": "app_mention", "channel": "C1", "user": "U1", "text": f"<@UBOT> {QUERY}"}
    direct = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": QUERY}
    async with Database(options.database_url) as database:
        for number, ask in enumerate(
            (
                lambda: slack.command(QUERY),
                lambda: slack.react(QUERY),
                lambda: slack.press(buttons, "next"),
                lambda: slack.event(mention),
                lambda: slack.event(direct),
            ),
            2,
        ):
            await ask()
            assert len(await database.read(sa.select(jobs))) == number
        await slack.command("settings", user="UADMIN")
        await until(lambda: slack.views)
        await slack.submit(slack.views[0], {"language": {"value": "de"}}, "UADMIN")
        assert (await PreferenceStore(database, Rating.R).of_workspace("slack", "T1")).language == "de"


async def test_help_and_delete(bot: Running, slack: Slack) -> None:
    """Help is part of the acknowledgement. /deepgif delete removes the user's latest GIF in this channel."""
    for text in ("", "  ", "help", "Help"):
        ack = await slack.command(text)
        assert replies.HELP[0] in str(ack.payload)
        assert ack.payload["response_type"] == "ephemeral"
    await slack.command("delete")
    assert replies.NOTHING_TO_DELETE in (await told(slack)).text
    await slack.command(QUERY)
    said = await posted(slack)
    await slack.command("delete", user="U2")
    assert replies.NOTHING_TO_DELETE in (await told(slack, "U2")).text
    await slack.command("delete", channel="C2")
    await slack.command("delete")
    await until(lambda: said.deleted)
    slack.member.add("C1")
    for text, says in (("help", replies.HELP[1]), ("settings", TEXT.fill(replies.OPEN_SETTINGS))):
        await slack.event({"type": "app_mention", "channel": "C1", "user": "U3", "text": f"<@UBOT> {text}"})
        await until(lambda says=says: any(says in one.shown for one in slack.private("U3")))  # type: ignore[misc]


async def test_only_the_owner_uses_the_buttons(bot: Running, slack: Slack) -> None:
    """Others get a notice; forged buttons and those of other workspaces have expired."""
    await slack.command(QUERY)
    said, buttons = await posted(slack), await told(slack)
    await slack.press(buttons, "delete", user="U2")
    assert replies.NOT_YOURS in (await told(slack, "U2")).text
    value = buttons.buttons["gif:delete"]["value"]
    for wrong in (value[:-2] + "xx", "x", "", "é.é", f"{value}.x"):
        buttons.buttons["gif:delete"]["value"] = wrong
        before = len(slack.private("U1"))
        await slack.press(buttons, "delete")
        assert replies.EXPIRED in (await told(slack, count=before + 1)).text
    buttons.buttons["gif:delete"]["value"] = value
    before = len(slack.private("U1"))
    await slack.press(buttons, "delete", team="T9")
    assert replies.EXPIRED in (await told(slack, count=before + 1)).text
    assert not said.deleted


async def test_a_reported_gif_is_not_shown_again_until_an_admin_allows_it(
    bot: Running, slack: Slack, engine: EngineServer
) -> None:
    """Anybody can report a GIF, after a confirmation: it is deleted and hidden from the workspace."""
    engine.gifs = engine.gifs[:1]
    await slack.command(QUERY)
    said = await posted(slack)
    buttons = await told(slack)
    assert "confirm" in said.buttons["gif:report"]
    await slack.press(said, "report", user="U2")
    await until(lambda: said.deleted)
    assert TEXT.fill(replies.REPORTED) in (await told(slack, "U2")).text
    await slack.press(buttons, "next")
    await heard(slack, replies.REMOVED)
    await slack.command(QUERY, channel="C2", user="U3")
    assert replies.NOTHING_FOUND in (await told(slack, "U3")).text
    await slack.command("settings", user="UADMIN")
    await until(lambda: slack.views)
    option = slack.views[0]["blocks"][-1]["element"]["options"][0]
    assert option["text"]["text"] == "GIF 1"
    await slack.submit(slack.views[0], {"unblock": {"selected_options": [option]}}, "UADMIN")
    await slack.command(QUERY, channel="C2", user="U3")
    await posted(slack)


async def test_settings(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Admins change the settings of the workspace in a modal that shows them; others only their own."""
    await slack.command("settings", user="U1")
    await until(lambda: len(slack.views) == 1)
    assert [block["block_id"] for block in slack.views[0]["blocks"]] == ["user"]
    preview = {"selected_option": {"value": "preview"}}
    await slack.submit(slack.views[0], {"user": preview}, "U1")
    await slack.command("settings", user="UADMIN")
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
    await slack.command(QUERY, user="U2")
    await posted(slack)
    assert (engine.asked[-1]["language"], engine.asked[-1]["max_rating"]) == ("de", "g")
    await slack.command(QUERY, user="U2")  # may be repeated at once
    assert (await posted(slack, 2)).image["title"]["text"] == "GIF 1"
    for words, channel, says in (
        ("hot DOG", "C1", replies.BLOCKED_WORDS),
        ("my mother-in-law", "C1", replies.BLOCKED_WORDS),
        (QUERY, "COFF", replies.CHANNEL_OFF),
    ):
        await slack.command(words, user="U4", channel=channel)
        await until(lambda says=says: any(says in one.text for one in slack.private("U4")))  # type: ignore[misc]
    await slack.command("hotdogs", user="U2")
    await posted(slack, 3)
    await slack.command("settings", user="UADMIN")
    await until(lambda: len(slack.views) == 3)
    assert "mother-in-law" in str(slack.views[2])
    assert "COFF" in str(slack.views[2])


async def test_two_admins_at_once(bot: Running, slack: Slack, options: BotOptions) -> None:
    """Each saves only what they changed, not what their modal showed."""
    await prefer(options, blocked_words=("dog",), repeat_hours=1.6)
    for count in (1, 2):
        await slack.command("settings", user="UADMIN")
        await until(lambda count=count: len(slack.views) == count)  # type: ignore[misc]
    one, other = slack.views
    preview = {"selected_option": {"value": "preview"}}
    await slack.submit(one, {"words": {"value": "cat"}, "channel": preview, "user": preview}, "UADMIN")
    await slack.submit(other, {"language": {"value": "de"}, "off": {"selected_conversations": ["COFF"]}}, "UADMIN")
    async with Database(options.database_url) as database:
        store = PreferenceStore(database, Rating.R)
        assert await store.of_workspace("slack", "T1") == Preferences(
            blocked_words=("cat",), language="de", off_channels=("COFF",), repeat_hours=1.6
        )
        place = ChatContext("slack", "T1", one["private_metadata"], "UADMIN")
        assert [await store.preview(place, scope) for scope in (Scope.CHANNEL, Scope.USER)] == [True, True]


async def test_a_gif_is_not_repeated_in_a_channel(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """The next best one is posted, or a notice if there is none. Each channel counts for itself."""
    engine.gifs = engine.gifs[:2]
    for number in (1, 2):
        await slack.command(QUERY, user=f"U{number}")
        assert (await posted(slack, number)).image["title"]["text"] == f"GIF {number}"
    await slack.command(QUERY, user="U3")
    assert replies.NOTHING_NEW in (await told(slack, "U3")).text
    await slack.command(QUERY, channel="C2")
    assert (await posted(slack, 3)).image["title"]["text"] == "GIF 1"


async def test_private_channels(bot: Running, slack: Slack) -> None:
    """Where the bot is not a member, it posts through response_url, with the buttons in the post."""
    slack.closed.add("C1")
    await slack.command(QUERY)
    said = await posted(slack)
    assert set(said.buttons) == {"gif:report", "gif:next", "gif:more", "gif:star", "gif:delete"}
    await slack.press(said, "delete", user="U2")
    assert replies.NOT_YOURS in (await told(slack, "U2")).text
    await slack.press(said, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.command("delete")
    assert USE_DELETE_BUTTON in (await told(slack)).text
    await slack.press(said, "star")
    await told(slack, count=2)
    await slack.press(said, "delete")
    await until(lambda: said.deleted)


@pytest.mark.parametrize(
    "words", [LONG, "```a``` <https://evil.example|here>", "&lt;!here&gt; <#C1|general> <!subteam^S1>"]
)
async def test_queries_never_ping_or_format(bot: Running, slack: Slack, words: str) -> None:
    """Queries are plain text without emoji. The local Slack rejects mrkdwn with references."""
    await slack.command(words)
    said = await posted(slack)
    section = said.blocks[0]["text"]
    assert (section["type"], section["emoji"]) == ("plain_text", False)
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": words})
    await posted(slack, 2)


async def test_long_queries(bot: Running, slack: Slack) -> None:
    """4,000 characters get a notice, from a command and from a message."""
    ack = await slack.command(LONG * 60)
    assert "Describe the GIF in at most" in ack.payload["text"]
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": LONG * 60})
    assert "at most" in (await told(slack)).text
    assert slack.public == []


async def test_titles_from_providers(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Slack accepts the post whatever the title. GIFs that Slack can't load are skipped."""
    engine.gifs = [
        gif(1, url="http://127.0.0.1/a.gif"),
        gif(2, url="https://media.giphy.com/a.webp"),
        gif(3, url="https://engine.internal/a.gif"),
        gif(4, title=LONG * 100, alt_text="x" * 5000, attribution=""),
        gif(5, title="", alt_text=""),
    ]
    await slack.command(QUERY)
    assert (await posted(slack)).image["image_url"].endswith("gif4/200w.gif?cid=1")
    await slack.command(QUERY)
    assert (await posted(slack, 2)).image["alt_text"] == "A GIF"
    engine.gifs = engine.gifs[:3]
    await slack.command(QUERY, user="U2")
    assert TEXT.fill(replies.OUT_OF_REACH) in (await told(slack, "U2")).text


async def test_retried_deliveries_post_once(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Slack may deliver commands, events and buttons again, before or after the first one was answered."""
    engine.gate.hold()
    for _ in range(2):
        await slack.command(QUERY, trigger_id="same")
    engine.gate.release()
    await posted(slack)
    await slack.command(QUERY, trigger_id="same")
    event = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": QUERY, "ts": "3.1"}
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
    """The GIF is posted once, after the pause that Slack asks for."""
    slack.limited = 2
    started = time.monotonic()
    await slack.command(QUERY)
    await posted(slack)
    assert time.monotonic() - started >= 2
    assert slack.calls.count("chat.postMessage") == 3
    await told(slack)
    slack.limited_urls = 1
    await slack.command("delete", user="U2")
    assert replies.NOTHING_TO_DELETE in (await told(slack, "U2")).text
    assert "chat.postEphemeral" not in slack.calls


async def test_engine_failures(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Three failures are retried; after that the user gets a notice, and buttons keep their GIF."""
    engine.failures = 3
    await slack.command(QUERY)
    await until(lambda: slack.public, skipping_s=2)
    said, buttons = await posted(slack), await told(slack)
    engine.failures = 100
    await slack.command(QUERY, user="U2")
    await until(lambda: slack.private("U2"), skipping_s=2)
    assert "reach the search engine" in (await told(slack, "U2")).text
    assert engine.failures == 96
    await slack.press(buttons, "next")
    await until(lambda: len(slack.private("U1")) == 2, skipping_s=2)
    assert said.image["title"]["text"] == "GIF 1"
    engine.failures = 0
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")


async def test_buttons_outlive_the_process(open_one: Open, slack: Slack) -> None:
    """Another process with the same database handles them."""
    async with open_one():
        await slack.command(QUERY)
        said, buttons = await posted(slack), await told(slack)
    async with open_one():
        await slack.press(buttons, "next")
        await until(lambda: said.image["title"]["text"] == "GIF 2")


async def _renewed(database: Database, lease: float) -> bool:
    (row,) = await database.read(sa.select(jobs.c.leased_until))
    return bool(row.leased_until > lease)


async def test_long_work_is_not_taken_over(
    open_one: Open, slack: Slack, engine: EngineServer, options: BotOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that searches for longer than its lease renews it, several times before it runs out."""
    polls = []

    def often(queue: JobQueue, handler: JobHandler, poll_s: float) -> Worker:
        polls.append(poll_s)
        return Worker(queue, handler, poll_s=2.0)

    monkeypatch.setattr("deepgif.bot.slack.app.Worker", often)
    engine.gate.hold()
    async with open_one(lease_s=WITHIN_S), open_one(lease_s=WITHIN_S), Database(options.database_url) as database:
        await slack.command(QUERY)
        await until(lambda: engine.asked)
        for _ in range(3):
            async with database.write() as connection:  # as if half of it were over
                await connection.execute(jobs.update().values(leased_until=jobs.c.leased_until - WITHIN_S / 2))
            (before,) = await database.read(sa.select(jobs.c.leased_until))
            skip(2)
            await until(lambda before=before: _renewed(database, before.leased_until))
        engine.gate.release()
        await posted(slack)
        await all_done(options.database_url)
    assert (len(engine.asked), len(slack.public)) == (1, 1)
    assert max(polls) <= WITHIN_S / 3


async def test_stopping_finishes_what_was_acknowledged(open_one: Open, slack: Slack, engine: EngineServer) -> None:
    """A bot that is stopped during a search posts the GIF first."""
    engine.gate.hold()
    async with open_one():
        await slack.command(QUERY)
        await until(lambda: engine.asked)
        release = asyncio.create_task(until(lambda: not slack.listening()))
        release.add_done_callback(lambda _: engine.gate.release())
    await release
    assert len(slack.public) == 1


async def test_removing_the_app_deletes_all_data(bot: Running, slack: Slack, options: BotOptions) -> None:
    """A revoked user token does not."""
    await slack.command(QUERY)
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


async def test_queries_are_stored_encrypted(bot: Running, slack: Slack, options: BotOptions, tmp_path: Path) -> None:
    """Requests are erased once they are answered."""
    await slack.command("quite particular words")
    await told(slack)
    await all_done(options.database_url)
    async with Database(options.database_url) as database:
        assert [row.encrypted for row in await database.read(sa.select(jobs))] == [""]
        assert len(await database.read(sa.select(sessions))) == 1
    assert b"particular" not in files_in(tmp_path)


async def test_queries_are_not_logged(
    open_one: Open, slack: Slack, engine: EngineServer, caplog: pytest.LogCaptureFixture
) -> None:
    """At the default level, no line contains a query or a token, even after errors."""
    caplog.set_level(logging.INFO)
    async with open_one():
        engine.failures = 4
        await slack.command("quite particular words")
        await until(lambda: slack.private("U1"), skipping_s=2)
        await slack.command("more particular words", user="U2")
        await posted(slack)
    assert "particular" not in caplog.text
    assert "xoxb-1" not in caplog.text


async def test_interrupted_jobs(open_one: Open, slack: Slack, options: BotOptions) -> None:
    """If a process died while posting, the GIF is not posted again, and the user gets a notice. So does a user whose
    request is an hour old."""
    context = ChatContext("slack", "T1", "C1", "U1")
    request = Request("1", RequestKind.COMMAND, context, QUERY, callback=slack.url("C1", "U1"))
    async with Database(options.database_url) as database:
        queue = JobQueue(database, Cipher(options.secret), "slack", lease_s=-1)
        for name in ("1", "2", "3"):
            assert await queue.enqueue(replace(request, id=name))
        await queue.mark_posting("1")
        async with database.write() as connection:
            await connection.execute(jobs.update().where(jobs.c.id == "3").values(created_at=time.time() - 3600))
    async with open_one(), open_one():
        await until(lambda: {replies.INTERRUPTED, replies.OFFLINE} <= {one.text for one in slack.private("U1")})
        await posted(slack)
        await all_done(options.database_url)
    assert len(slack.public) == 1
    assert sum(replies.INTERRUPTED in one.text for one in slack.said) == 1


async def heard(slack: Slack, text: str, user: str = "U1") -> None:
    await until(lambda: any(text in one.shown for one in slack.private(user)))


async def test_errors_of_slack(bot: Running, slack: Slack, engine: EngineServer, options: BotOptions) -> None:
    """Deleted messages, private channels, and a response_url that no longer works."""
    await slack.command(QUERY)
    said, buttons = await posted(slack), await told(slack)
    said.deleted = True
    await slack.press(buttons, "next")
    await heard(slack, replies.CANNOT_EDIT)
    await slack.press(buttons, "delete")
    await heard(slack, replies.DELETED)
    slack.closed.add("C7")
    await slack.event({"type": "app_mention", "channel": "C7", "user": "U7", "text": "<@UBOT> a cat", "ts": "1.1"})
    await all_done(options.database_url)
    assert slack.private("U7") == []  # the bot can't reach them there
    slack.member.add("C7")
    await slack.command(QUERY, user="U8", response_url=f"{slack.origin}/gone")
    await heard(slack, "Only you can see these buttons", "U8")  # through the Web API
    await slack.command(QUERY, user="U9", response_url="http://127.0.0.1:9/")
    await heard(slack, "Only you can see these buttons", "U9")


async def test_the_end_of_the_gifs(bot: Running, slack: Slack, engine: EngineServer) -> None:
    """Next gives a notice after the last GIF, and so does a search that finds none."""
    engine.gifs = engine.gifs[:2]
    await slack.command(QUERY)
    said, buttons = await posted(slack), await told(slack)
    await slack.press(buttons, "next")
    await until(lambda: said.image["title"]["text"] == "GIF 2")
    await slack.press(buttons, "next")
    await heard(slack, replies.NOTHING_NEW)
    engine.gifs = []
    await slack.command(QUERY, channel="C2")
    await heard(slack, replies.NOTHING_FOUND)


async def test_a_preview_whose_gif_is_gone(
    bot: Running, slack: Slack, engine: EngineServer, options: BotOptions
) -> None:
    """Send gives a notice, and posts nothing."""
    await prefer(options, preview=True)
    await slack.command(QUERY)
    preview = await told(slack)
    engine.gifs = engine.gifs[1:]
    await slack.press(preview, "send")
    await heard(slack, replies.UNAVAILABLE)
    assert slack.public == []


async def test_a_broken_database(bot: Running, slack: Slack, options: BotOptions) -> None:
    """The user gets a notice if possible, and Slack an acknowledgement."""
    async with Database(options.database_url) as database, database.write() as connection:
        await connection.execute(sa.text("DROP TABLE jobs"))
    ack = await slack.command(QUERY)
    assert ack.payload["text"] == replies.PROBLEM
    await slack.event({"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": QUERY})
    assert slack.public == []


async def test_metrics(bot: Running, slack: Slack, options: BotOptions) -> None:
    """Durations and outcomes are counted."""
    await slack.command(QUERY)
    await told(slack)
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


async def test_a_wrong_token(open_one: Open, slack: Slack) -> None:
    """The bot does not start."""
    with pytest.raises(UnauthorizedError, match="DEEPGIF_SLACK_BOT_TOKEN"):
        async with open_one(bot_token="xoxb-wrong"):
            pass


async def test_http_mode(open_one: Open, slack: Slack, options: BotOptions) -> None:
    """Signed requests work; wrong and old signatures are rejected, and replays do nothing."""
    async with open_one(http=True):
        await slack.command(QUERY)
        said, buttons = await posted(slack), await told(slack)
        await slack.press(buttons, "next")
        await until(lambda: said.image["title"]["text"] == "GIF 2")
        payload = {
            "command": "/deepgif", "text": QUERY, "team_id": "T1", "channel_id": "C2", "user_id": "U2",
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
    """A workspace that installs the app is answered with its own token, which is stored encrypted and deleted when it
    removes the app."""
    slack.tokens["xoxb-2"] = ("T2", slack.tokens["xoxb-1"][1])
    oauth = OAuthOptions(
        "C.1", "app-secret", "https://gifs.example.org/slack/oauth_redirect", "https://slack.example/auth"
    )
    async with open_one(http=True, bot_token="", oauth=oauth) as running:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            async with http.get(f"{running.url}/slack/install") as response:
                page = await response.text()
                cookie = {"slack-app-oauth-state": response.cookies["slack-app-oauth-state"].value}
            assert "https://slack.example/auth?" in page
            assert "chat%3Awrite" in page or "chat:write" in page
            back = f"{running.url}/slack/oauth_redirect"
            state = cookie["slack-app-oauth-state"]
            async with http.get(back, params={"code": "the-code", "state": "made-up"}, cookies=cookie) as response:
                assert response.status == 400
            async with http.get(back, params={"code": "the-code", "state": state}, cookies=cookie) as response:
                assert response.status == 200
        await slack.command(QUERY, team_id="T2")
        await posted(slack)
        assert b"xoxb-2" not in files_in(tmp_path)
        await all_done(options.database_url)
        await slack.event({"type": "app_uninstalled"}, team="T2")
        await slack.command(QUERY, team_id="T2", trigger_id="later")
        await all_done(options.database_url)
        assert len(slack.public) == 1


async def test_200_concurrent_commands(open_one: Open, slack: Slack, engine: EngineServer) -> None:
    """All are acknowledged before the engine answers, and each is answered once."""
    engine.gate.hold()
    async with open_one():
        await asyncio.gather(
            *(slack.command(f"{QUERY} {number}", user=f"U{number}", channel=f"C{number}") for number in range(200))
        )
        assert slack.said == []
        engine.gate.release()
        await until(lambda: len(slack.public) >= 200)
        await until(lambda: sum(1 for one in slack.said if one.to) >= 200)
    assert sorted(one.channel for one in slack.public) == sorted(f"C{number}" for number in range(200))
