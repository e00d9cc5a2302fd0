"""The words a person typed, made safe to search with."""

from __future__ import annotations

import unicodedata

from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import MAX_WORDS_LENGTH

# Control characters, lone surrogates, and what is not assigned or private: they have no meaning to search for.
_WITHOUT_MEANING = {"Cc", "Cs", "Cn", "Co"}
# Marks that only turn the direction of writing (Unicode 16, section 23.2) or are not seen at all.
_UNSEEN = frozenset(
    "\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


def normalize_query(text: str) -> str:
    """``text`` in Unicode's composed form, without control characters and with single spaces.

    Raises ``InvalidRequestError`` where nothing is left, or more than ``MAX_WORDS_LENGTH`` characters are.
    """
    if len(text) > 100 * MAX_WORDS_LENGTH:  # not worth a look at each character
        raise _too_long(len(text))
    seen = "".join(
        " " if character in _UNSEEN or unicodedata.category(character) in _WITHOUT_MEANING else character
        for character in text
    )
    words = " ".join(unicodedata.normalize("NFC", seen).split())
    if not words:
        raise InvalidRequestError("Please say in a few words what the GIF should show.")
    if len(words) > MAX_WORDS_LENGTH:
        raise _too_long(len(words))
    return words


def _too_long(length: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"That is {length:,} characters; please say what the GIF should show in at most {MAX_WORDS_LENGTH:,}."
    )
