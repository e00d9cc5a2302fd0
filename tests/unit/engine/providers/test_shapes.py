"""Answers of GIPHY and Klipy: strings for numbers, missing parts, wrong types, hostile values."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.errors import ProviderError
from deepgif.engine.providers import giphy, klipy
from deepgif.engine.types import Candidate, Rating, Rendition

NAMES = st.sampled_from(
    [
        "id",
        "title",
        "alt_text",
        "rating",
        "images",
        "original",
        "url",
        "width",
        "size",
        "tags",
        "analytics",
        "onsent",
        "data",
        "result",
        "file",
        "sm",
        "gif",
        "slug",
        "meta",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


def image(name, **changes):
    return {
        "url": f"https://media.giphy.com/{name}.gif?cid=1",
        "width": "200",
        "height": "113",
        "size": "72000",
        **changes,
    }


def item(**changes):
    made = {
        "id": "abc",
        "title": "Cat GIF",
        "alt_text": "A cat jumps.",
        "rating": "g",
        "images": {
            name: image(name)
            for name in ("original", "fixed_width", "fixed_width_downsampled", "fixed_width_small_still")
        },
    }
    return {**made, **changes}


def read(*items, rating=Rating.R):
    return giphy.read_gifs([{"data": list(items)}], rating)


def test_what_is_shown_and_what_is_looked_at():
    """The small six frames and the small still are for the model, the middle size for people."""
    (one,) = read(item(tags=["cat", 7, "jump"], analytics={"onsent": {"url": "https://x/sent"}}))
    assert (one.gif.url, one.gif.width, one.gif.height) == ("https://media.giphy.com/fixed_width.gif?cid=1", 200, 113)
    assert one.clip == Rendition("https://media.giphy.com/fixed_width_downsampled.gif?cid=1", 200, 113, 72000)
    assert one.still == Rendition("https://media.giphy.com/fixed_width_small_still.gif?cid=1", 200, 113, 72000)
    assert (one.tags, one.pingback_url) == (("cat", "jump"), "https://x/sent")
    assert one.gif.attribution == "Powered by GIPHY"
    assert one.text == "Cat GIF. A cat jumps.. cat. jump"


def test_few_renditions_are_enough():
    """With only the original there is no still, and the original is looked at."""
    (one,) = read(item(images={"original": image("original")}))
    assert (one.still, one.clip.url, one.gif.url) == (None, *["https://media.giphy.com/original.gif?cid=1"] * 2)
    assert (
        read(item(images={"original_mp4": {"mp4": "https://x/y.mp4"}}), item(images={"original": {"url": "ftp://x"}}))
        == []
    )


@pytest.mark.parametrize(
    ("changes", "title", "alt_text"),
    [
        ({"alt_text": ""}, "Cat GIF", "Cat GIF"),
        ({"alt_text": None, "title": ""}, "Untitled GIF", "GIF without a description"),
        ({"alt_text": "", "title": "", "username": "ana"}, "GIF by ana", "GIF by ana"),
        ({"alt_text": "", "title": 7, "tags": ["cat"]}, "Untitled GIF", "cat"),
        ({"title": " a\n b\ud800 "}, "a b?", "A cat jumps."),
    ],
)
def test_every_gif_has_words(changes, title, alt_text):
    """Where alt text or title are missing, the other, the user or the tags stand in."""
    (one,) = read(item(**changes))
    assert (one.gif.title, one.gif.alt_text) == (title, alt_text)


def test_each_item_s_own_rating_counts():
    """Unrated, unknown or too high is left out, whatever was asked of the provider; equal ids come once."""
    items = [item(id=rating or "none", rating=rating) for rating in ("g", "PG", "pg-13", "r", "", "nc-17", None, 3)]
    assert [one.gif.key.id for one in read(*items, items[0], rating=Rating.PG)] == ["g", "PG"]


@pytest.mark.parametrize("value", ["12.5", "-1", "1e9", "٣", "9" * 30, True, None, [], 2**40])
def test_wrong_numbers_are_no_numbers(value):
    """Sizes that make no sense are not believed."""
    (one,) = read(item(images={"original": image("o", width=value, size=value)}))
    assert (one.gif.width, one.clip.size) == (0, None)


@given(st.lists(JSON, max_size=5), st.sampled_from(Rating))
def test_giphy_may_send_anything(items, rating):
    """Whatever comes is GIFs that can be shown, or nothing; never a surprise."""
    for one in giphy.read_gifs([{"data": items}], rating):
        assert isinstance(one, Candidate)
        assert rating.allows(one.gif.rating)
        assert one.gif.url.startswith("http")


@given(st.dictionaries(NAMES, JSON, max_size=5))
def test_klipy_may_send_anything(body):
    """A known shape gives GIFs, any other one sentence."""
    try:
        found = klipy.read_gifs([body], Rating.PG)
    except ProviderError:
        return
    assert all(one.gif.rating is Rating.PG and one.gif.url.startswith("http") for one in found)


def test_klipy():
    """The documented shape; advertisements are no GIFs."""
    good = {
        "id": 7,
        "slug": "cat-jumps",
        "title": "Cat",
        "tags": ["a"],
        "type": "gif",
        "file": {"sm": {"gif": image("sm")}, "xs": {"webp": image("xs")}},
    }
    body = {"result": True, "data": {"data": [good, {**good, "type": "ad"}, {**good, "file": {}}, good]}}
    (one,) = klipy.read_gifs([body], Rating.G)
    assert (one.gif.key, one.gif.alt_text, one.gif.rating) == (("klipy", "cat-jumps"), "Cat", Rating.G)
    assert (one.gif.url, one.clip.url) == (
        "https://media.giphy.com/sm.gif?cid=1",
        "https://media.giphy.com/xs.gif?cid=1",
    )


@given(st.text(max_size=200))
def test_words_are_cut_between_words(words):
    """At most fifty characters, all of them the beginning, whole words where there are any."""
    cut = giphy.shortened(words, 50)
    assert len(cut) <= 50
    assert words.startswith(cut)
    assert len(words) > 50 or cut == words
    if len(words) > 50 and cut and " " in words[:51].strip():
        assert words[len(cut)].isspace() or words[: len(cut) + 1].endswith(" ")


@pytest.mark.data
def test_real_answers(data_dir):
    """Answers as GIPHY gave them are read, every GIF of them."""
    body = json.loads(Path(data_dir / "giphy" / "gifs.json").read_text(encoding="utf-8"))
    found = giphy.read_gifs([body], Rating.R)
    assert len(found) == len(body["data"])
    assert all(one.still and one.clip and one.gif.width for one in found)
