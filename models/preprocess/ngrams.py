"""Hashed n-grams: which words and letter groups are in a text, as a sparse unit vector of a fixed size.

The hashing trick (Weinberger et al. 2009) over whole words, pairs of words and the letter groups within words
(fastText; Bojanowski et al. 2017). Exact forms matter for chat ("smh", "<3", "¯\\_(ツ)_/¯"), and letter groups carry a
misspelt word ("facpalm"). The hash is CRC-32, the same on every machine.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 1000  # of one text; the rest is not read
SHORTEST, LONGEST = 3, 5  # characters in a letter group
_INVISIBLE = frozenset("\u200d\ufe0e\ufe0f")  # zero-width joiner and variation selectors
_LETTERS_REPEATED = re.compile(r"(.)\1{2,}")
_TOKEN = re.compile(r"[\w'’]+|[^\w\s]+")


def ngrams(text: str) -> set[str]:
    """The text's words, pairs of words, and letter groups. Case, skin tones and letters repeated more than twice make
    no difference."""
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).casefold()
    plain = "".join(character for character in folded if not _decorates(character))
    tokens = _TOKEN.findall(_LETTERS_REPEATED.sub(r"\1\1", plain))
    groups = {
        padded[start : start + length]
        for padded in (f" {token} " for token in tokens)
        for length in range(SHORTEST, LONGEST + 1)
        for start in range(len(padded) - length + 1)
    }
    return (
        groups
        | {f"word {token}" for token in tokens}
        | {f"pair {first} {second}" for first, second in pairwise(tokens)}
    )


def hashed_ngrams(text: str, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The buckets that are not zero, ascending, and their values, of norm 1. Both are empty for a text without any
    character to read."""
    hashes = [zlib.crc32(gram.encode("utf-8", "surrogatepass")) % buckets for gram in ngrams(text)]
    found, counts = np.unique(np.array(hashes, np.int64), return_counts=True)
    values = counts.astype(np.float32)
    return found, values / np.linalg.norm(values) if len(values) else values


def _decorates(character: str) -> bool:
    return character in _INVISIBLE or "\U0001f3fb" <= character <= "\U0001f3ff"  # the five skin tones
