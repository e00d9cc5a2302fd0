"""Preferences and collections that several processes share."""

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from deepgif.bot.request import ChatContext, Preferences
from deepgif.bot.store.collections import MAX_FAVOURITES, GifCollections, SavedGif
from deepgif.bot.store.database import Database, preferences
from deepgif.bot.store.preferences import PreferenceStore, Scope, format_word_list, parse_word_list
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import GifKey, Rating

CONTEXT = ChatContext("slack", "T1", "C1", "U1")
CHANGES = {
    "max_rating": Rating.G,
    "restricted_rating": Rating.PG,
    "preview": True,
    "language": "de",
    "blocked_words": ("dog", "cat"),
    "off_channels": ("C2",),
    "repeat_hours": 3.0,
}


@pytest.fixture
async def replicas(bot_database):
    """The databases of four processes."""
    opened = [Database(bot_database) for _ in range(4)]
    for one in opened:
        await one.__aenter__()
    yield opened
    for one in opened:
        await one.__aexit__(None, None, None)


async def test_changes_at_once_are_all_kept(replicas):
    """Concurrent changes to different preferences of one workspace are all kept, from the first one on."""
    stores = [PreferenceStore(one, Rating.R) for one in replicas]
    for workspace in ("T1", "T2", "T3", "T4", "T5"):
        await asyncio.gather(
            *(
                stores[number % len(stores)].change("slack", workspace, **{name: value})
                for number, (name, value) in enumerate(CHANGES.items())
            )
        )
        found = [await store.of_workspace("slack", workspace) for store in stores]
        assert found == [Preferences(**CHANGES)] * len(stores)


async def test_a_change_applies_to_all_processes_at_once(replicas):
    """No process uses a stale value."""
    one, other = (PreferenceStore(database, Rating.R) for database in replicas[:2])
    for preview in (True, False, True):
        await one.change("slack", "T1", preview=preview)
        assert (await other.get(CONTEXT)).preview is preview
    for scope in (Scope.CHANNEL, Scope.USER):
        await one.set_preview(CONTEXT, scope, False)
        assert await other.preview(CONTEXT, scope) is False
        assert not (await other.get(CONTEXT)).preview
        await other.set_preview(CONTEXT, scope, None)
        assert await one.preview(CONTEXT, scope) is None
        assert (await one.get(CONTEXT)).preview
    await one._database.delete_workspace("slack", "T1")
    assert await other.get(CONTEXT) == Preferences()


async def test_the_same_choice_by_many_at_once(replicas):
    """One of them wins, for everybody, and none of them fails."""
    stores = [PreferenceStore(one, Rating.R) for one in replicas]
    for _ in range(5):
        await asyncio.gather(
            *(
                store.set_preview(CONTEXT, scope, preview)
                for store, preview in zip(stores, (True, False, None, True), strict=True)
                for scope in (Scope.CHANNEL, Scope.USER)
            )
        )
        assert len({await store.preview(CONTEXT, Scope.CHANNEL) for store in stores}) == 1


async def test_preferences_of_a_newer_version_are_kept(replicas):
    """During a rolling upgrade, an older replica does not drop what it does not know."""
    key = {"platform": "slack", "workspace": "T1", "scope": "workspace", "scope_id": ""}
    await replicas[0].upsert(preferences, **key, choices={"newer": [1], "language": "de"})
    store = PreferenceStore(replicas[1], Rating.R)
    await store.change("slack", "T1", preview=True)
    (row,) = await replicas[0].read(sa.select(preferences.c.choices))
    assert row.choices == {"newer": [1], "language": "de", "preview": True}
    assert await store.of_workspace("slack", "T1") == Preferences(language="de", preview=True)


async def test_a_limit_hides_and_does_not_change(replicas):
    """A stricter limit hides a workspace's choice, and a looser one brings it back."""
    strict, loose = PreferenceStore(replicas[0], Rating.G), PreferenceStore(replicas[1], Rating.R)
    await loose.change("slack", "T1", max_rating=Rating.R)
    await strict.change("slack", "T1", preview=True)
    assert (await strict.get(CONTEXT)).max_rating is Rating.G
    assert (await loose.get(CONTEXT)).max_rating is Rating.R


async def test_gifs_at_once(replicas):
    """GIFs that many processes add at once are stored once each."""
    collections = [GifCollections(one) for one in replicas]
    gifs = [SavedGif(GifKey("giphy", str(number)), f"GIF {number}") for number in range(10)]
    await asyncio.gather(*(one.star(CONTEXT, gif) for one in collections for gif in gifs))
    await asyncio.gather(*(one.block(CONTEXT, gif) for one in collections for gif in gifs))
    for one in collections:
        assert {gif.key for gif in await one.favourites(CONTEXT)} == {gif.key for gif in gifs}
        assert len(await one.blocked(CONTEXT)) == len(gifs) <= MAX_FAVOURITES


@pytest.mark.parametrize(
    ("text", "blocks"),
    [("a DOG barks", True), ("hotdogs", False), ("c++ code", True), ("c code", False), ("nice  ice", True)],
)
def test_blocked_words(text, blocks):
    """They match whole words only, in any case, even if they contain punctuation."""
    preferences = Preferences(blocked_words=parse_word_list("dog, C++,\nice, ice"))
    assert preferences.blocked_words == ("dog", "c++", "ice")
    assert preferences.blocks(text) is blocks


def test_too_many_blocked_words():
    """A list that is too long is refused, not cut."""
    with pytest.raises(InvalidRequestError):
        parse_word_list(",".join(map(str, range(201))))


def test_word_lists_are_formatted_as_they_are_parsed():
    """A list that was saved is shown completely, however long it is."""
    words = tuple(f"word{number}" for number in range(100))
    assert parse_word_list(format_word_list(words, 3000)) == words
    assert parse_word_list(format_word_list(words, 700)) == words
    assert len(format_word_list(words, 700)) <= 700


async def test_the_narrowest_choice_wins(replicas):
    """A user's choice overrides the channel's, which overrides the workspace's."""
    store = PreferenceStore(replicas[0], Rating.PG)
    await store.change("slack", "T1", max_rating=Rating.R, preview=False)
    assert (await store.get(CONTEXT)).max_rating is Rating.PG
    await store.change("slack", "T2", max_rating=Rating.G, restricted_rating=Rating.R)
    adults = ChatContext("slack", "T2", "C1", "U1", age_restricted=True)
    assert (await store.get(adults)).max_rating is Rating.PG
    assert (await store.get(replace(adults, age_restricted=False))).max_rating is Rating.G
    await store.set_preview(CONTEXT, Scope.CHANNEL, True)
    assert (await store.get(CONTEXT)).preview
    await store.set_preview(CONTEXT, Scope.USER, False)
    assert not (await store.get(CONTEXT)).preview
    await store.set_preview(CONTEXT, Scope.USER, None)
    assert (await store.get(CONTEXT)).preview
    assert not (await store.get(ChatContext("discord", "T1", "C1", "U1"))).preview


async def test_favourites_are_bounded(replicas):
    """The newest are kept, once each."""
    collections = GifCollections(replicas[0])
    for number in (*range(MAX_FAVOURITES + 5), 50):
        await collections.star(CONTEXT, SavedGif(GifKey("giphy", str(number)), f"GIF {number}"))
    kept = await collections.favourites(CONTEXT)
    assert len(kept) == MAX_FAVOURITES
    assert kept[0].title == "GIF 50"
