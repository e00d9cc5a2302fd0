"""What users type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.bot.chat.commands import Command, Verb, parse, query_from_message
from deepgif.bot.chat.replies import NO_TEXT
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import MAX_QUERY_LENGTH


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command(Verb.HELP)),
        (" \n", Command(Verb.HELP)),
        ("HELP", Command(Verb.HELP)),
        (" settings ", Command(Verb.SETTINGS)),
        ("delete", Command(Verb.DELETE)),
        ("help me", Command(query="help me")),
        ("a  cat\tfalls", Command(query="a cat falls")),
        ("search", Command(query="search")),
    ],
)
def test_commands(text, command):
    """A verb must be the only word."""
    assert parse(text) == command


def test_too_long():
    """A long query is refused, not cut: its end may matter."""
    with pytest.raises(InvalidRequestError, match="at most 1,000"):
        parse("cat " * 400)


@given(st.text(max_size=6000))
def test_any_message_becomes_a_query(text):
    """The query is valid for the engine, whatever the message."""
    try:
        query = query_from_message(text)
    except InvalidRequestError:
        return
    assert 1 <= len(query) <= MAX_QUERY_LENGTH


def test_long_messages_are_cut_between_words():
    """A query has no half words."""
    assert set(query_from_message("word " * 900).split()) == {"word"}


def test_a_message_without_text():
    """The error tells the user what to do instead."""
    with pytest.raises(InvalidRequestError, match=NO_TEXT):
        query_from_message(" \u200b ")
