"""Words to complete what somebody types."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.search import suggestions
from deepgif.engine.search.suggestions import Suggestions

TEXTS = ["A cat falls off the table", "Cat and dog", "The CAT's table, a tablet", "cat cat gif"]


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("c", ["cat"]),
        ("C", ["cat"]),
        ("ta", ["table", "tablet"]),
        ("", ["cat", "table", "dog"]),
        ("the", []),
        ("gi", []),
        ("z", []),
        ("é", []),
    ],
)
def test_the_most_frequent_come_first(prefix, words):
    """A word counts once in a text; of equals the first by alphabet; words that say nothing are left out."""
    known = Suggestions()
    known.add(TEXTS)
    assert known.complete(prefix, 3) == words


def test_the_rarer_half_is_forgotten(monkeypatch):
    """However many texts come, no more words are kept."""
    monkeypatch.setattr(suggestions, "MAX_WORDS", 4)
    known = Suggestions()
    known.add(["ant bee", "ant bee", "ant cow dog eel"])
    assert known.complete("", 10) == ["ant", "bee"]
    known.add(["cow"])
    assert known.complete("c", 10) == ["cow"]


@given(st.lists(st.text("abcé ", max_size=20), max_size=20), st.text("abcé", max_size=2))
def test_as_counted_one_by_one(texts, prefix):
    """Against a plain count."""
    counts = Counter(word for text in texts for word in set(text.split()) if len(word) >= 3)
    expected = sorted((word for word in counts if word.startswith(prefix)), key=lambda word: (-counts[word], word))
    known = Suggestions()
    known.add(texts)
    assert known.complete(prefix, 50) == expected[:50]
