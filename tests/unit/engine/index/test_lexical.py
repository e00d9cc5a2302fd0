"""BM25 over the texts of GIFs: stems, compounds and typos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.index.words import analyze, split_words, trigrams
from deepgif.engine.types import GifKey, Rating

TEXTS = {
    "cake": ["Happy Birthday", "A cake with candles"],
    "palm": ["Facepalm", "A man hides his face"],
    "thumbs": ["thumbs up", "approval"],
    "work": ["work week", "a long week"],
    "cat": ["cat.gif", "A cat falls off a table"],
}


def key(name):
    return GifKey("test", name)


def add(index, texts, rating=Rating.G):
    index.add({key(name): some for name, some in texts.items()}, {key(name): rating for name in texts})


@pytest.fixture
def index():
    made = LexicalIndex()
    add(made, TEXTS)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("happy birthday", "cake"),
        ("HAPPY BIRTHDAYS!!!", "cake"),
        ("happpy brithday", "cake"),
        ("face palm", "palm"),
        ("facepalms", "palm"),
        ("thumbsup", "thumbs"),
        ("a table that a cat is falling off", "cat"),
        ("fàcepalm", "palm"),
    ],
)
def test_what_people_type(index, query, best):
    """Plurals, typos, joined and split words, accents and shouting find the same GIF."""
    assert index.search(query, 3)[0] == key(best)


@pytest.mark.parametrize("query", ["", "!?", "zebra", "xq"])
def test_words_that_no_text_has(index, query):
    """Nothing is found for them, and nothing breaks."""
    assert index.search(query, 3) == []


def test_words_in_the_picture(index):
    """They are found beside the other texts, stay when those are indexed again, and are removed with their GIF."""
    for caption in ("I HAVE SPOKEN", "ain't nobody got time"):
        index.add_captions({key("cat"): caption, key("only"): caption}, {key("cat"): Rating.G, key("only"): Rating.R})
        assert index.texts([key("cat"), key("only")]) == {
            key("cat"): (*TEXTS["cat"], caption),
            key("only"): (caption,),
        }
    add(index, {"cat": ["a cat"]})
    assert index.texts([key("cat")]) == {key("cat"): ("a cat", "ain't nobody got time")}
    assert index.search("aint nobody", 3, Rating.PG) == [key("cat")]
    assert set(index.search("nobody", 3)) == {key("cat"), key("only")}
    assert index.search("spoken", 3) == []
    index.remove([key("cat"), key("only")])
    assert index.search("nobody", 3) == []
    add(index, {"cat": ["a cat"]})
    assert index.texts([key("cat")]) == {key("cat"): ("a cat",)}


def test_added_again_and_removed(index):
    """New texts replace old ones; what is removed is not found, and its words weigh nothing any more."""
    add(index, {"cake": ["a pie"]})
    assert index.texts([key("cake"), key("never")]) == {key("cake"): ("a pie",)}
    assert index.search("birthday", 3) == []
    assert index.search("pie", 3) == [key("cake")]
    index.remove([key("cake"), key("never")])
    assert index.search("pie", 3) == []
    assert "pie" not in index.frequencies
    assert len(index) == index.frequencies.total == len(TEXTS) - 1


def test_rare_words_weigh_more(index):
    """A word of one text outweighs one of many."""
    add(index, {str(number): ["a week"] for number in range(50)})
    assert index.search("work week", 1) == [key("work")]
    assert index.frequencies.idf("work") > index.frequencies.idf("week") > 0


def test_ratings(index):
    """A GIF above the limit is not found."""
    add(index, {"rude": ["birthday birthday"]}, Rating.R)
    assert index.search("birthday", 5, Rating.PG) == [key("cake")]
    assert set(index.search("birthday", 5)) == {key("cake"), key("rude")}


@given(st.text(max_size=60), st.integers(0, 5))
def test_any_query_is_safe(query, limit):
    """No text is taken for FTS5's query language, and at most ``limit`` GIFs come back, none twice."""
    made = LexicalIndex()
    add(made, TEXTS)
    found = made.search(query, limit)
    made.close()
    assert len(found) == len(set(found)) <= limit


@given(st.text(max_size=60))
def test_analysis_holds_for_any_text(text):
    """Words are folded letters and digits, spaces do not count, and folding again changes nothing."""
    words = split_words(text)
    assert all(word.isalnum() for word in words)
    assert split_words(" ".join(words)) == words
    assert analyze(text).letters == "".join(words)
    assert len(trigrams("".join(words))) <= max(len("".join(words)), 0)
