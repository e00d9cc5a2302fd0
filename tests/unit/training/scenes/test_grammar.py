"""Articles, verb forms and stems."""

import pytest

from deepgif.training.scenes.grammar import base_form, content_stems, participle, stem, with_article


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("cat", "a cat"),
        ("owl", "an owl"),
        ("unicorn", "a unicorn"),
        ("unhappy emoji", "an unhappy emoji"),
        ("UFO", "a UFO"),
        ("eucalyptus eater", "a eucalyptus eater"),
        ("sushi", "sushi"),
        ("Santa Claus", "Santa Claus"),
    ],
)
def test_article(noun: str, expected: str) -> None:
    """A noun gets the article that it is spoken with, or none."""
    assert with_article(noun) == expected


@pytest.mark.parametrize(
    ("verb", "expected"),
    [("flies", "fly"), ("pushes", "push"), ("catches", "catch"), ("dances", "dance"), ("has", "have"), ("runs", "run")],
)
def test_base_form(verb: str, expected: str) -> None:
    """The third person leads back to the infinitive."""
    assert base_form(verb) == expected


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("runs from a dog", "running from a dog"),
        ("dances", "dancing"),
        ("flees", "fleeing"),
        ("cries", "crying"),
        ("shows up", "showing up"),
        ("weeps", "weeping"),
        ("is on fire", "on fire"),
        ("travels on a pig", "travelling on a pig"),
    ],
)
def test_participle(phrase: str, expected: str) -> None:
    """A verb phrase becomes what follows its subject without a finite verb."""
    assert participle(phrase) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("jumps", "jumping"), ("dances", "dancing"), ("stopped", "stops"), ("cries", "cry"), ("cat", "cat's")],
)
def test_forms_of_a_word_share_their_stem(one: str, other: str) -> None:
    """Number, person and time make no difference."""
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("cat", "car"), ("bed", "bee"), ("king", "kin"), ("glass", "glas")])
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    """Stems stay apart where the words are different ones."""
    assert stem(one) != stem(other)


def test_content_stems_leave_stop_words_out() -> None:
    """Only words that carry meaning count, each part of a hyphenated one by itself."""
    assert content_stems("A heart-shaped cat is jumping over the fires") == {"heart", "shap", "cat", "jump", "fir"}
