"""Headlines and altered texts."""

import random
from itertools import pairwise

from deepgif.training.small.headlines import altered, headlines


def lines(count=400, seed=0):
    return list(headlines(count, random.Random(seed)))


def test_every_slot_is_filled_and_a_seed_gives_the_same():
    """As many lines as asked for, none with a brace or a slot's name left, the same for the same seed."""
    assert len(lines()) == 400
    assert not any("{" in line or "}" in line for line in lines())
    assert lines() == lines() != lines(seed=1)


def test_neighbours_differ_little():
    """Of two lines in a row at least one in three share most of their words: what a likeness must tell apart."""
    close = [len(set(a.split()) & set(b.split())) >= 0.6 * len(set(a.split())) for a, b in pairwise(lines())]
    assert sum(close) > len(close) / 3


def test_altered_texts_differ_by_a_word_or_two():
    """Each has a source of which at most two words are missing and at most one is new, of the same ending."""
    texts = ["a man is riding a horse", "a woman was hiding a house", "two dogs are biting a mouse", "no"]
    found = list(altered(texts, 300, random.Random(0)))
    assert 200 < len(found) < 300  # of "no" nothing can be left out
    for text in found:
        words = text.split()
        sources = [source.split() for source in texts if len(source.split()) - len(words) in (0, 1, 2)]
        assert any(len(set(words) - set(source)) <= 1 for source in sources)
    swapped = {text for text in found if len(text.split()) == 6} - set(texts)
    assert "a man is hiding a horse" in swapped
    assert not any("horse riding" in text for text in swapped)
