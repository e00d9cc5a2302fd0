"""Words as they are compared: folded, stemmed, and cut into letter trigrams.

"Face palms" and "facepalm" share nearly all trigrams of their letters, which are taken without spaces; so do
"brithday" and "birthday". Stems are Porter's (1980), by snowballstemmer.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

CACHED = 65_536  # texts and words whose analysis is kept
MAX_WORDS = 256  # of one text; titles and captions have far fewer
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHE = re.compile("['\u2018\u2019\u02bc`]")
_REPEATED = re.compile(r"(.)\1{2,}")
_stemmer = snowballstemmer.stemmer("porter")


def spell_out(text: str) -> str:
    """``text`` with the names of its emoji in their place: a cake emoji is "birthday cake"."""
    if text.isascii():
        return text
    return "".join(f" {unicodedata.name(char, '')} " if unicodedata.category(char) == "So" else char for char in text)


def split_words(text: str) -> list[str]:
    """The words of ``text``: case and accents folded, apostrophes dropped, "soooo" shortened to "soo"; at most
    ``MAX_WORDS``."""
    folded = unicodedata.normalize("NFKD", _APOSTROPHE.sub("", spell_out(text))).casefold()
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return _WORD.findall(_REPEATED.sub(r"\1\1", plain))[:MAX_WORDS]


@lru_cache(CACHED)
def stem(word: str) -> str:
    """Porter's stem of a folded word."""
    return str(_stemmer.stemWord(word))


def trigrams(letters: str) -> frozenset[str]:
    """The trigrams of ``letters`` with an edge on either side; empty for an empty text."""
    edged = f"^{letters}$"
    return frozenset(edged[place : place + 3] for place in range(len(edged) - 2)) if letters else frozenset()


@dataclass(frozen=True, slots=True)
class Analyzed:
    """One text: its stems in order, its letters without spaces, and their trigrams."""

    stems: tuple[str, ...]
    letters: str
    trigrams: frozenset[str]


@lru_cache(CACHED)
def analyze(text: str) -> Analyzed:
    """Splits ``text`` into what is compared."""
    words = split_words(text)
    letters = "".join(words)
    return Analyzed(tuple(stem(word) for word in words), letters, trigrams(letters))


def stems_of(texts: Sequence[str]) -> frozenset[str]:
    """The stems of several texts of one GIF together, and each pair of neighbours joined ("face palm" is also
    "facepalm")."""
    found: set[str] = set()
    for text in texts:
        stems, words = analyze(text).stems, split_words(text)
        found.update(stems)
        found.update(stem(first + second) for first, second in itertools.pairwise(words))
    return frozenset(found)
