"""Choices that several processes keep in one database."""

import asyncio

import pytest
import sqlalchemy as sa

from deepgif.bot.store.collections import MAX_FAVOURITES, GifCollections, SavedGif
from deepgif.bot.store.database import Database, preferences
from deepgif.bot.store.preferences import ChatContext, Preferences, PreferenceStore, Scope
from deepgif.engine.types import GifKey, Rating

PLACE = ChatContext("slack", "T1", "C1", "U1")
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
    """Whoever changes whatever of one workspace at the same moment, from the first on: nothing of it is lost."""
    stores = [PreferenceStore(one, Rating.R) for one in replicas]
    for number in range(5):
        workspace = f"T{number}"
        await asyncio.gather(
            *(
                stores[place % len(stores)].change("slack", workspace, **{name: value})
                for place, (name, value) in enumerate(CHANGES.items())
            )
        )
        found = [await store.of_workspace("slack", workspace) for store in stores]
        assert found == [Preferences(**CHANGES)] * len(stores)


async def test_what_one_keeps_counts_for_all_at_once(replicas):
    """No process goes on with what it read before."""
    one, other = (PreferenceStore(database, Rating.R) for database in replicas[:2])
    for preview in (True, False, True):
        await one.change("slack", "T1", preview=preview)
        assert (await other.of(PLACE)).preview is preview
    for scope in (Scope.CHANNEL, Scope.PERSON):
        await one.set_preview(PLACE, scope, False)
        assert await other.preview(PLACE, scope) is False
        assert not (await other.of(PLACE)).preview
        await other.set_preview(PLACE, scope, None)
        assert await one.preview(PLACE, scope) is None
        assert (await one.of(PLACE)).preview
    await one._database.forget_workspace("slack", "T1")
    assert await other.of(PLACE) == Preferences()


async def test_one_choice_by_many_at_once(replicas):
    """One of them counts, for all the same, and none of them meets an error."""
    stores = [PreferenceStore(one, Rating.R) for one in replicas]
    for _ in range(5):
        await asyncio.gather(
            *(
                store.set_preview(PLACE, scope, preview)
                for store, preview in zip(stores, (True, False, None, True), strict=True)
                for scope in (Scope.CHANNEL, Scope.PERSON)
            )
        )
        assert len({await store.preview(PLACE, Scope.CHANNEL) for store in stores}) == 1


async def test_choices_of_a_newer_version_stay(replicas):
    """While replicas are replaced one by one, an older one does not drop what it does not know."""
    key = {"platform": "slack", "workspace": "T1", "scope": "workspace", "subject": ""}
    await replicas[0].put(preferences, **key, chosen={"newer": [1], "language": "de"})
    store = PreferenceStore(replicas[1], Rating.R)
    await store.change("slack", "T1", preview=True)
    (row,) = await replicas[0].read(sa.select(preferences.c.chosen))
    assert row.chosen == {"newer": [1], "language": "de", "preview": True}
    assert await store.of_workspace("slack", "T1") == Preferences(language="de", preview=True)


async def test_a_limit_hides_and_does_not_change(replicas):
    """Where a replica allows less, what a workspace chose counts again as soon as more is allowed."""
    strict, loose = PreferenceStore(replicas[0], Rating.G), PreferenceStore(replicas[1], Rating.R)
    await loose.change("slack", "T1", max_rating=Rating.R)
    await strict.change("slack", "T1", preview=True)
    assert (await strict.of(PLACE)).max_rating is Rating.G
    assert (await loose.of(PLACE)).max_rating is Rating.R


async def test_gifs_at_once(replicas):
    """Starred and blocked by many processes at once, some of them twice: each is there once."""
    shelves = [GifCollections(one) for one in replicas]
    gifs = [SavedGif(GifKey("giphy", str(number)), f"GIF {number}") for number in range(10)]
    await asyncio.gather(*(shelf.star(PLACE, gif) for shelf in shelves for gif in gifs))
    await asyncio.gather(*(shelf.block(PLACE, gif) for shelf in shelves for gif in gifs))
    for shelf in shelves:
        assert {gif.key for gif in await shelf.favourites(PLACE)} == {gif.key for gif in gifs}
        assert len(await shelf.blocked(PLACE)) == len(gifs) <= MAX_FAVOURITES
