"""Lexical search: BM25 (Robertson & Zaragoza 2009) in SQLite's FTS5 over the texts of all indexed GIFs, in memory.

A query word that no text has is replaced by the indexed words nearest to it: those within one edit (two for eight
letters or more), or the two that it is made of.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from threading import Lock

from rapidfuzz import process
from rapidfuzz.distance import OSA

from deepgif.engine.index.words import split_words, stem, stems_of
from deepgif.engine.types import GifKey, Rating

OVERFETCH = 4  # times the GIFs that are wanted, since ratings are checked afterwards
MAX_ALTERNATIVES = 4  # words that stand in for one that is not indexed
LONG = 8  # letters from which two edits are allowed
SHORT = 4  # letters below which none is
_TABLE = "CREATE VIRTUAL TABLE texts USING fts5(stems, tokenize = 'unicode61')"


class Frequencies:
    """In how many texts each stem occurs, of how many."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.total = 0

    def __contains__(self, term: str) -> bool:
        return term in self._counts

    def add(self, terms: Iterable[str]) -> None:
        """Counts one text."""
        self._counts.update(terms)
        self.total += 1

    def remove(self, terms: Iterable[str]) -> None:
        """Takes one text off."""
        for term in terms:
            self._counts[term] -= 1
            if self._counts[term] <= 0:
                del self._counts[term]
        self.total -= 1

    def idf(self, term: str) -> float:
        """BM25's inverse document frequency, above zero for common words too; unknown words weigh most."""
        count = self._counts.get(term, 0)
        return math.log(1 + (self.total - count + 0.5) / (count + 0.5))

    def alternatives(self, term: str) -> list[str]:
        """Terms that may be meant by one that does not occur, nearest first."""
        if len(term) < SHORT:
            return []
        edits = 2 if len(term) >= LONG else 1
        near = process.extract(
            term, self._counts.keys(), scorer=OSA.distance, score_cutoff=edits, limit=MAX_ALTERNATIVES
        )
        return [str(word) for word, _, _ in sorted(near, key=lambda one: (one[1], -self._counts[one[0]]))]

    def halves(self, word: str) -> tuple[str, str] | None:
        """The two indexed words that a word is made of, the most frequent such pair."""
        pairs = ((stem(word[:cut]), stem(word[cut:])) for cut in range(3, len(word) - 2))
        known = [pair for pair in pairs if pair[0] in self and pair[1] in self]
        return max(known, key=lambda pair: min(self._counts[pair[0]], self._counts[pair[1]]), default=None)


class LexicalIndex:
    """The texts of indexed GIFs, found by their stems. Thread-safe; every call is short."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._database.execute(_TABLE)
        self._rows: dict[GifKey, int] = {}
        self._keys: dict[int, GifKey] = {}
        self._texts: dict[GifKey, tuple[tuple[str, ...], Rating]] = {}
        self._captions: dict[GifKey, str] = {}
        self._next = 1
        self._lock = Lock()
        self.frequencies = Frequencies()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, texts: Mapping[GifKey, Sequence[str]], ratings: Mapping[GifKey, Rating]) -> None:
        """Indexes GIFs by all their texts, in place of those that were indexed for them; captions stay."""
        with self._lock:
            self._add(texts, ratings)

    def add_captions(self, captions: Mapping[GifKey, str], ratings: Mapping[GifKey, Rating]) -> None:
        """Indexes GIFs by the words in their frames too."""
        with self._lock:
            texts = {key: self._own_texts(key) for key in captions}
            self._captions.update(captions)
            self._add(texts, ratings)

    def remove(self, keys: Iterable[GifKey]) -> None:
        """Drops GIFs; those that are not indexed are ignored."""
        with self._lock:
            for key in keys:
                self._captions.pop(key, None)
            self._remove(keys)

    def texts(self, keys: Iterable[GifKey]) -> dict[GifKey, tuple[str, ...]]:
        """The texts of those of ``keys`` that are indexed, captions last."""
        with self._lock:
            return {key: self._texts[key][0] for key in keys if key in self._texts}

    def search(self, query: str, limit: int, max_rating: Rating = Rating.R) -> list[GifKey]:
        """The at most ``limit`` best allowed GIFs that share a word with ``query``, by BM25, best first."""
        with self._lock:
            terms = dict.fromkeys(term for word in split_words(query) for term in self._terms(word))
            if not terms or limit < 1:
                return []
            match = " OR ".join(f'"{term}"' for term in terms)
            statement = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank, rowid LIMIT ?"
            rows = self._database.execute(statement, (match, OVERFETCH * limit))
            keys = (self._keys[row] for (row,) in rows)
            return [key for key in keys if max_rating.allows(self._texts[key][1])][:limit]

    def close(self) -> None:
        """Frees its memory."""
        with self._lock, closing(self._database):
            self._rows.clear()

    def _terms(self, word: str) -> list[str]:
        term = stem(word)
        if term in self.frequencies:
            return [term]
        return [*self.frequencies.alternatives(term), *(self.frequencies.halves(word) or ())]

    def _own_texts(self, key: GifKey) -> tuple[str, ...]:
        """The indexed texts of a GIF, without its caption."""
        texts, _ = self._texts.get(key, ((), None))
        return texts[:-1] if key in self._captions else texts

    def _add(self, texts: Mapping[GifKey, Sequence[str]], ratings: Mapping[GifKey, Rating]) -> None:
        self._remove(texts)
        rows = []
        for key, own in texts.items():
            some = (*own, self._captions[key]) if key in self._captions else tuple(own)
            stems = stems_of(some)
            rows.append((self._next, " ".join(sorted(stems))))
            self._rows[key], self._keys[self._next] = self._next, key
            self._texts[key] = some, ratings[key]
            self._next += 1
            self.frequencies.add(stems)
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO texts (rowid, stems) VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def _remove(self, keys: Iterable[GifKey]) -> None:
        gone = [key for key in keys if key in self._rows]
        self._database.executemany("DELETE FROM texts WHERE rowid = ?", [(self._rows[key],) for key in gone])
        for key in gone:
            del self._keys[self._rows.pop(key)]
            self.frequencies.remove(stems_of(self._texts.pop(key)[0]))
