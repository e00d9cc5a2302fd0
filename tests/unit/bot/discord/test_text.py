"""User text is shown literally in Discord, and Discord's references become words for the engine."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    """Mentioned users become names; other references become their labels or nothing."""
    assert plain(text, {7: "Ana", 4242: ""}) == words


@given(st.text(max_size=300), st.integers(2, 100))
def test_literal_text_has_no_meaning_for_discord(text, most):
    """Every punctuation mark is escaped, and the text is otherwise unchanged."""
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
    """URLs that Discord's servers can load."""
    assert can_show(gif(1, url=url)) is shown
