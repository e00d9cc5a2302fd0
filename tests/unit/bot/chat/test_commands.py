"""What people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.bot.chat.commands import Command, Verb, parse, words_of_message
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import MAX_WORDS_LENGTH


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command(Verb.HELP)),
        (" \n", Command(Verb.HELP)),
        ("HELP", Command(Verb.HELP)),
        (" settings ", Command(Verb.SETTINGS)),
        ("delete", Command(Verb.DELETE)),
        ("help me", Command(Verb.SEARCH, "help me")),
        ("a  cat\tfalls", Command(Verb.SEARCH, "a cat falls")),
        ("search", Command(Verb.SEARCH, "search")),
    ],
)
def test_commands(text, command):
    """A verb counts only where it stands alone."""
    assert parse(text) == command


def test_too_many_words():
    """They are not cut: the person may have meant something else."""
    with pytest.raises(InvalidRequestError, match="at most 1,000"):
        parse("cat " * 400)


@given(st.text(max_size=6000))
def test_any_message_gives_words_or_a_sentence(text):
    """A message's words fit the engine, whatever they are."""
    try:
        words = words_of_message(text)
    except InvalidRequestError:
        return
    assert 1 <= len(words) <= MAX_WORDS_LENGTH


def test_long_messages_are_cut_between_words():
    """No half words."""
    assert set(words_of_message("word " * 900).split()) == {"word"}
