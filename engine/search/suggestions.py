"""Completes the word being typed from the words in GIFs' texts."""

from __future__ import annotations

import heapq
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable

MAX_WORDS = 50_000
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP_WORDS = frozenset((
    "and", "are", "animated", "for", "from", "gif", "gifs", "giphy", "has", "her", "his", "into", "its",
    "sticker", "that", "the", "their", "this", "with",
))  # fmt: skip


class Suggestions:
    """Counts words, at most ``MAX_WORDS``: beyond that, the rarer half is dropped. Thread-safe."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by the first letter
        self._size = 0
        self._lock = threading.Lock()

    def add(self, texts: Iterable[str]) -> None:
        """Counts each word of each text once."""
        with self._lock:
            for text in texts:
                for word in set(_WORD.findall(text.casefold())) - _STOP_WORDS:
                    self._size += word not in self._counts[word[0]]
                    self._counts[word[0]][word] += 1
            if self._size > MAX_WORDS:
                self._trim(MAX_WORDS // 2)

    def complete(self, prefix: str, limit: int) -> list[str]:
        """The most frequent words that begin with ``prefix``; ties are in alphabetical order."""
        prefix = prefix.casefold()
        with self._lock:
            some = [self._counts.get(prefix[0], Counter())] if prefix else list(self._counts.values())
            found = [(-count, word) for words in some for word, count in words.items() if word.startswith(prefix)]
        return [word for _, word in heapq.nsmallest(limit, found)]

    def _trim(self, most: int) -> None:
        kept = heapq.nlargest(most, ((n, word) for words in self._counts.values() for word, n in words.items()))
        self._counts.clear()
        for count, word in kept:
            self._counts[word[0]][word] = count
        self._size = len(kept)
