"""Words that ran together are split; others stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("symspellpy", reason="needs the extra ocr")

from deepgif.engine.media.word_splitter import WordSplitter

SPLITTER = WordSplitter()


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("forthat", "for that"),
        ("NOTCOOL.", "NOT COOL."),
        ("NOWAY", "NO WAY"),
        ("WHATTHE HELL", "WHAT THE HELL"),
        ("aintnobodygottimeforthat", "aint nobody got time for that"),
        ("Idontcare", "I dont care"),
    ],
)
def test_run_together_words_are_split(text, split):
    assert SPLITTER.split(text) == split


@pytest.mark.parametrize(
    "text", ["birthday", "HAPPENING", "Lukaku", "Pikachu", "kthxbye", "gifsoup", "don't", "für", ""]
)
def test_words_and_names_stay(text):
    assert SPLITTER.split(text) == text


@given(st.text(max_size=80) | st.from_regex(r"[a-zA-Z' ]{0,80}", fullmatch=True))
def test_only_spaces_are_added(text):
    assert SPLITTER.split(text).replace(" ", "") == text.replace(" ", "")
