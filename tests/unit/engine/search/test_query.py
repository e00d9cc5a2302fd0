"""Quoted and excluded words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.index.words import split_words
from deepgif.engine.search.query import ParsedQuery, parse_query


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("happy cat", ParsedQuery("happy cat")),
        ('"work week" party', ParsedQuery("work week party", ("work week",))),
        ("\u201cwork week\u201d", ParsedQuery("work week", ("work week",))),
        ("cat -sad -dog", ParsedQuery("cat", (), ("sad", "dog"))),
        ("well-done e-mail", ParsedQuery("well-done e-mail")),
        ("-1 day", ParsedQuery("day", (), ("1",))),
        ("-sad", ParsedQuery("-sad")),
        ('"" cat', ParsedQuery('"" cat')),
        ('he said "hi', ParsedQuery('he said "hi')),
        ("no - way", ParsedQuery("no - way")),
    ],
)
def test_marks(text, parsed):
    """Marks are read where people mean them, and hyphens within words are none."""
    assert parse_query(text) == parsed


@pytest.mark.parametrize(
    ("query", "texts", "admitted"),
    [
        ('"work week"', ["A work week"], True),
        ('"work week"', ["a week of work"], False),
        ('"face palm"', ["Facepalm"], True),
        ('"cat"', ["cats"], True),
        ('"cat"', ["education"], False),
        ("cat -sad", ["a sad cat"], False),
        ("cat -sad", ["a cat"], True),
        ("cat -table", ["two cats, three tables"], False),
    ],
)
def test_who_is_admitted(query, texts, admitted):
    """All quoted words must be there, none of the excluded ones may be."""
    assert parse_query(query).admits(texts) is admitted


@given(st.text(max_size=50))
def test_something_is_always_left_to_search(text):
    """A query that has words keeps some, and reading it twice changes nothing more."""
    parsed = parse_query(text)
    assert bool(split_words(parsed.text)) == bool(split_words(text))
    assert parse_query(parsed.text).required == ()
