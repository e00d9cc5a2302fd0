"""The tables of words."""

from collections import Counter

import pytest

from deepgif.training.scenes.grammar import content_stems
from deepgif.training.scenes.moves import FIRST_MOMENTS, MOVES
from deepgif.training.scenes.stage import Glyphs
from deepgif.training.scenes.vocabulary import ACTIONS, SETTINGS, SUBJECTS, Action, Setting, Subject


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_subject_has_other_words(subject: Subject) -> None:
    """There are at least two ways to say it otherwise, which share no content word with the name."""
    assert len(subject.other_words) >= 2
    for words in subject.other_words:
        assert not content_stems(words) & content_stems(subject.name), words


@pytest.mark.parametrize("thing", [*ACTIONS, *SETTINGS], ids=lambda thing: thing.name)
def test_phrases_share_no_word_with_the_title(thing: Action | Setting) -> None:
    """An action or setting can be put in at least two ways that share no content word with the title's."""
    own = content_stems((thing.title if isinstance(thing, Action) else thing.phrase).replace("{o}", ""))
    free = [phrase for phrase in thing.other_phrases if not content_stems(phrase.replace("{o}", "")) & own]
    assert len(free) >= 2 or thing.name == "plain"


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_phrases_have_the_second_noun_where_the_title_has_it(action: Action) -> None:
    """No phrase loses the second noun or names one that is not there, and the action is drawn somehow."""
    expected = 1 if action.objects else 0
    assert {phrase.count("{o}") for phrase in (action.title, *action.other_phrases)} == {expected}
    assert action.name in MOVES


def test_names_and_other_words_tell_things_apart() -> None:
    """No phrase stands for two subjects, and names are unique."""
    phrases = Counter(phrase for subject in SUBJECTS for phrase in (subject.name, *subject.other_words))
    assert [phrase for phrase, count in phrases.items() if count > 1] == []
    assert len({action.name for action in ACTIONS}) == len(ACTIONS) == len(MOVES)
    assert MOVES.keys() >= FIRST_MOMENTS.keys()


def test_font_has_every_drawing(glyphs: Glyphs) -> None:
    """Every code point of every subject has a drawing of its own, not the font's empty box."""
    drawings = [glyphs.sprite(emoji, 64, 64, False).tobytes() for subject in SUBJECTS for emoji in subject.emoji]
    assert len(set(drawings)) == len(drawings)
