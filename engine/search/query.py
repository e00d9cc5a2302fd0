"""What a query demands besides being similar: ``"quoted words"`` must appear, ``-word`` must not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deepgif.engine.index.words import analyze, split_words, stems_of

JOINED = 6  # letters from which a phrase is also found inside words: "ain't nobody" in "aintnobody"
_QUOTED = re.compile(r'["\u201c\u201d\u201e]([^"\u201c\u201d\u201e]+)["\u201c\u201d]')
_EXCLUDED = re.compile(r"(?:^|(?<=\s))-(\w[\w'\u2019]*)")


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """``text`` is what to compare, without the marks and without excluded words."""

    text: str
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def filters(self) -> bool:
        """Whether anything is demanded."""
        return bool(self.required or self.excluded)

    def admits(self, texts: Sequence[str]) -> bool:
        """Whether a GIF with these texts has all that must appear and nothing that must not."""
        if not self.filters:
            return True
        stems = stems_of(texts)
        if any(stem in stems for word in self.excluded for stem in analyze(word).stems):
            return False
        spaced = [f" {' '.join(analyze(text).stems)} " for text in texts]
        letters = [analyze(text).letters for text in texts]
        return all(
            any(f" {' '.join(analyze(phrase).stems)} " in one for one in spaced)
            or (len(analyze(phrase).letters) >= JOINED and any(analyze(phrase).letters in one for one in letters))
            for phrase in self.required
        )


NO_DEMANDS = ParsedQuery("")


def parse_query(text: str) -> ParsedQuery:
    """Reads the marks of a query. A query that only excludes words is taken as it is, since nothing would be left."""
    required = tuple(phrase.strip() for phrase in _QUOTED.findall(text) if split_words(phrase))
    outside = _QUOTED.sub(r" \1 ", text)
    excluded = tuple(word for word in _EXCLUDED.findall(outside) if split_words(word))
    rest = " ".join(_EXCLUDED.sub(" ", outside).split())
    if not split_words(rest) and excluded:
        return ParsedQuery(" ".join(text.split()))
    return ParsedQuery(rest or " ".join(text.split()), required, excluded)
