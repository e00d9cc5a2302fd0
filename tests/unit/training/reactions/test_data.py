"""The phrases that the reaction head learns from and is judged by."""

import json
import re
from collections import Counter

import numpy as np
import pytest

from deepgif.models.networks.reaction import CLASSES, LITERAL, OTHER, REACTIONS
from deepgif.training.reactions.data import DEV, TRAIN, read_comments, read_emoji, read_gifs, read_phrases


def plain(text):
    """What is left without punctuation, case and repeated letters."""
    folded = text.casefold()
    return re.sub(r"(.)\1+", r"\1", re.sub(r"\W+", "", folded)) or folded


def test_enough_phrases_of_every_kind():
    """At least 30 to learn from and 10 to judge by, and 200 scenes."""
    for split, least, scenes in ((TRAIN, 30, 200), (DEV, 10, 60)):
        count = Counter(dict(zip(CLASSES, (read_phrases(split).targets > 0).sum(axis=0).tolist(), strict=True)))
        assert min(count[kind] for kind in (*REACTIONS, OTHER)) >= least
        assert count[LITERAL] >= scenes


def test_no_phrase_is_judged_that_was_learnt():
    """Not even with other punctuation or more of a letter; nor is any written twice."""
    train, dev = read_phrases(TRAIN), read_phrases(DEV)
    assert not {plain(text) for text in train.texts} & {plain(text) for text in dev.texts}
    assert max(Counter(text.casefold() for text in train.texts + dev.texts).values()) == 1


def test_several_reactions_share_a_phrase():
    """ "when the build passes" asks for any of three; "a lion yawning" is also a scene."""
    dev = read_phrases(DEV)
    target = dev.targets[dev.texts.index("when the build passes")]
    assert {CLASSES[place] for place in np.flatnonzero(target)} == {"win", "applause", "happy_dance"}
    assert np.isclose(target.sum(), 1)
    both = dev.texts.index("a lion yawning")
    assert not dev.is_literal[both]
    assert not dev.is_reaction[both]
    assert dev.is_literal[dev.texts.index("a dog runs on a beach")]


def test_gifs_of_every_kind():
    """Each kind has a GIF told by its title and one told by its picture's words alone."""
    texts, labelled = read_gifs()
    assert len(texts) == len(labelled.texts)
    shown = (labelled.targets > 0).sum(axis=0)
    assert min(shown[CLASSES.index(kind)] for kind in (*REACTIONS, LITERAL)) >= 2


@pytest.fixture
def data(tmp_path):
    """A data folder with three comments, and two emoji of two reactions."""
    (tmp_path / "text").mkdir()
    (tmp_path / "reactions").mkdir()
    (tmp_path / "text" / "goemotions-labels.txt").write_text("joy\nsadness\nneutral")
    comments = ("I am so glad\t0\tid1", "It is a table\t2\tid2", "Oh dear\t0,1\tid3", f"{'long ' * 40}\t0\tid4")
    (tmp_path / "text" / "goemotions-train.tsv").write_text("\n".join(comments) + "\n")
    (tmp_path / "reactions" / "goemotions.csv").write_text("Reaction,Joy,Sadness\nwin,1,0\nsigh,0,1\nhug,1,1\n")
    return tmp_path


def test_comments_are_weak_labels(data):
    """Each class gets the likelihood of the comment's emotions; neutral and long comments are left out."""
    comments = read_comments(data, 10)
    assert sorted(comments.texts) == ["I am so glad", "Oh dear"]
    likelihood = dict(zip(CLASSES, comments.targets[comments.texts.index("I am so glad")].tolist(), strict=True))
    assert likelihood["win"] == 1
    assert likelihood["hug"] == 0.5
    assert likelihood["sigh"] == likelihood[LITERAL] == 0
    assert 0 < likelihood[OTHER] < 0.5
    assert len(read_comments(data, 1).texts) == 1


def test_emoji_by_name_and_keywords(tmp_path, monkeypatch):
    """Each emoji of a reaction gives itself, its name and its keywords as texts."""
    (tmp_path / "text").mkdir()
    (tmp_path / "emoji.csv").write_text("emoji,reaction\n👏,applause\n🤷,shrug idk\n", encoding="utf-8")
    keywords = {"👏": ["clapping_hands", "praise"], "🤷": ["person_shrugging"], "🍕": ["pizza"]}
    (tmp_path / "text" / "emoji-keywords.json").write_text(json.dumps(keywords), encoding="utf-8")
    monkeypatch.setattr("deepgif.training.reactions.data.HERE", tmp_path)
    emoji = read_emoji(tmp_path)
    assert emoji.texts == ("👏", "clapping hands", "clapping hands praise", "🤷", "person shrugging")
    assert emoji.targets[0, CLASSES.index("applause")] == 1
    assert emoji.targets[3, CLASSES.index("idk")] == 0.5
