"""Separates words that an OCR ran together ("nobodygot"), by how frequent words are in English.

SymSpell's word segmentation (Garbe 2019) over its list of 82,765 words. What it cannot split into common words stays
as it is: names, slang and other languages.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symspellpy import SymSpell

WORDS = "frequency_dictionary_en_82_765.txt"
SHORTEST, LONGEST = 5, 60  # letters of what may be split
KNOWN = 100_000  # times in the list's corpus, from which on a word is left whole
COMMON = 5_000_000  # from which on it is taken for a part
COMMON_SHORT = 400_000_000  # for parts of one or two letters, of which nearly all are words somewhere
# Contractions as OCR and people write them, and interjections: the list has none. As frequent as common words.
_SPOKEN = re.findall(
    r"\w+",
    "aint arent cant couldnt didnt doesnt dont gonna gotta hadnt hasnt havent hey im isnt ive lets oh shouldnt thats "
    "theres theyre wanna wasnt werent whats wont wouldnt yeah youre youve",
)
_LETTERS = re.compile(rf"[A-Za-z]{{{SHORTEST},{LONGEST}}}(?![A-Za-z'’])")


class WordSplitter:
    """Loads its list, of some 70 MB in memory, when the first word needs it. For one thread at a time."""

    def __init__(self) -> None:
        self._speller: SymSpell | None = None

    def split(self, text: str) -> str:
        """The text with spaces where words ran together; letters stay as they are."""
        return _LETTERS.sub(lambda match: self._split_one(match.group()), text)

    def _split_one(self, run: str) -> str:
        speller = self._speller or self._load()
        if speller.words.get(run.lower(), 0) >= KNOWN:
            return run
        parts = speller.word_segmentation(run.lower(), max_edit_distance=0).segmented_string.split()
        if "".join(parts) != run.lower() or not all(
            speller.words.get(part, 0) >= (COMMON if len(part) > 2 else COMMON_SHORT) for part in parts
        ):
            return run
        at, pieces = 0, []
        for part in parts:
            pieces.append(run[at : at + len(part)])
            at += len(part)
        return " ".join(pieces)

    def _load(self) -> SymSpell:
        from symspellpy import SymSpell

        speller = SymSpell(max_dictionary_edit_distance=0, prefix_length=1)
        speller.load_dictionary(str(files("symspellpy") / WORDS), term_index=0, count_index=1)
        for word in _SPOKEN:
            speller.create_dictionary_entry(word, COMMON_SHORT)
        self._speller = speller
        return speller
