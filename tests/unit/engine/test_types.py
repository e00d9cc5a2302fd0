"""Whatever people type becomes words that can be searched with, or one clear sentence."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import MAX_QUERY_LENGTH, normalize_query


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("  a cat\n\tjumps  ", "a cat jumps"),
        ("cat\x00\x07dog", "cat dog"),
        ("e\u0301cole", "\u00e9cole"),
        ("\u202ecat\u202c", "cat"),
        ("\ud800cat", "cat"),
        ("<b>cat</b> & dog", "<b>cat</b> & dog"),
        ("🐱🔥", "🐱🔥"),
        ("חתול קופץ", "חתול קופץ"),
        ("…", "…"),
        ("x" * MAX_QUERY_LENGTH, "x" * MAX_QUERY_LENGTH),
        (" " * 10_000 + "cat", "cat"),
    ],
)
def test_words_are_tidied(typed, words):
    """Spaces and control characters are tidied; everything that means something stays."""
    assert normalize_query(typed) == words


@pytest.mark.parametrize("typed", ["", " \n\t ", "\x00\x01", "\u200b\u202e", "\ud800"])
def test_no_words(typed):
    """Where nothing is left to search for, the person is asked for a few words."""
    with pytest.raises(InvalidRequestError, match="in a few words"):
        normalize_query(typed)


@pytest.mark.parametrize("length", [MAX_QUERY_LENGTH + 1, 10_000, 5_000_000])
def test_too_many_words(length):
    """Too long a text is refused with its length and the limit."""
    with pytest.raises(InvalidRequestError, match=f"That is {length:,} characters.*at most 1,000"):
        normalize_query("x" * length)


@given(st.text())
def test_any_text(typed):
    """Any text is refused, or comes out encodable and without control characters; cleaning again changes nothing."""
    try:
        words = normalize_query(typed)
    except InvalidRequestError:
        return
    words.encode("utf-8")
    assert not any(unicodedata.category(character) == "Cc" for character in words)
    assert normalize_query(words) == words
