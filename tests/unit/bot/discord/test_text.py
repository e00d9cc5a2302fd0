"""Discord's texts: people's words mean nothing to Discord, and Discord's references are words for the engine."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.bot.discord.commands import _same
from deepgif.bot.discord.components import can_show
from deepgif.bot.discord.text import literal, plain
from tests.fakes.engine_server import gif


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<@4242> a cat", " a cat"),
        ("<@!7> and <@8>", "Ana and "),
        ("<#11> <@&55> @everyone", "  @everyone"),
        ("<:party_cat:1> <a:dance:2>", "party cat dance"),
        ("</deepgif:3> <t:1700000000:R>", "deepgif "),
        ("a < b > c <3 <@x>", "a < b > c <3 <@x>"),
    ],
)
def test_plain(text, words):
    """Names in place of people, nothing in place of other references."""
    assert plain(text, {7: "Ana", 4242: ""}) == words


@given(st.text(max_size=300), st.integers(2, 100))
def test_literal_text_says_nothing_to_discord(text, most):
    """Each punctuation mark stands behind a backslash, so none has a meaning; without them it is the same text."""
    shown = literal(text, most)
    assert re.fullmatch(r"(?:\\[!-/:-@\[-`{-~]|[^!-/:-@\[-`{-~])*", shown)
    whole = " ".join(text.split())
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) in (whole, " ".join(f"{text[: most - 1]}…".split()))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://media.giphy.com/a.gif?x=1", True),
        ("https://media.giphy.com/a.webp", True),
        ("http://127.0.0.1:8710/v1/media/a/b", False),
        ("https://media.giphy.com/" + "a" * 2048, False),
        ("http://[broken/a.gif", False),
    ],
)
def test_what_discord_can_show(url, shown):
    """Addresses that Discord's own servers can fetch."""
    assert can_show(gif(1, url=url)) is shown


@pytest.mark.parametrize(
    ("sent", "there", "same"),
    [
        ({"name": "a", "nsfw": False}, {"name": "a", "id": "1"}, True),
        ({"name": "a", "options": []}, {"name": "a"}, True),
        ({"default_member_permissions": 32}, {"default_member_permissions": "32"}, True),
        ({"contexts": [0, 1]}, {"contexts": [1, 0]}, True),
        ({"contexts": [0, 1]}, {"contexts": [1]}, False),
        ({"options": [{"name": "a"}, {"name": "b"}]}, {"options": [{"name": "b"}, {"name": "a"}]}, False),
        ({"options": [{"name": "a"}]}, {"options": [{"name": "a", "required": False}]}, True),
        ({"description": "x"}, {"description": "y"}, False),
        ({"description": "x"}, None, False),
    ],
)
def test_commands_that_discord_knows(sent, there, same):
    """It adds keys, leaves out what is empty, writes big numbers as texts, and keeps no order of plain lists."""
    assert _same(sent, there) is same
