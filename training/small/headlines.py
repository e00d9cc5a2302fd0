"""News headlines and sentences drawn from a small grammar, and texts altered by a word.

The corpus has captions, comments and definitions, but nothing of the kind that newspapers write; and sentences that
differ in one word hardly occur in it, though telling those apart is what a likeness of sentences is for. The teacher
gives both kinds their vectors, so what they say need not be true.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

_GRAMMAR = json.loads(Path(__file__).with_name("headlines.json").read_text(encoding="utf-8"))
_TEMPLATES: list[str] = _GRAMMAR["templates"]
_SLOT = re.compile(r"{(\w+)}")
_CHOICES = {name: tuple(words.split("|")) for name, words in _GRAMMAR["words"].items()}


def headlines(count: int, rng: random.Random) -> Iterator[str]:
    """``count`` lines in groups of two or three that share a template and most of their words."""
    made = 0
    while made < count:
        template = rng.choice(_TEMPLATES)
        slots = _SLOT.findall(template)
        words = [rng.choice(_CHOICES[slot]) for slot in slots]
        for _ in range(min(rng.choice((2, 3)), count - made)):
            yield _filled(template, words, rng)
            made += 1
            place = rng.randrange(len(slots))
            words[place] = rng.choice(_CHOICES[slots[place]])


def altered(texts: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """``count`` of the texts with one word replaced by another of the same ending (so mostly of the same kind), or
    with a word or two left out."""
    pools: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for word in text.split():
            if len(word) > 2 and word.isalpha():
                pools[word[-2:]].append(word)
    for text in rng.choices(texts, k=count):
        words = text.split()
        if len(words) < 3:
            continue
        place = rng.randrange(len(words))
        if rng.random() < 0.7 and (pool := pools.get(words[place][-2:])):
            words[place] = rng.choice(pool)
        else:
            del words[place : place + rng.choice((1, 2))]
        yield " ".join(words)


def _filled(template: str, words: Sequence[str], rng: random.Random) -> str:
    iterator = iter(words)
    line = _SLOT.sub(lambda match: next(iterator), template)
    line = _SLOT.sub(lambda match: rng.choice(_CHOICES[match[1]]), line)
    return line[0].upper() + line[1:]
