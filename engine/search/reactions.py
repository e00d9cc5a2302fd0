"""Reactions as evidence: which reaction a query asks for, and whether a GIF's texts show the same one.

Shapes: N texts, B of a sentence vector, M GIFs, K kinds of reactions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from deepgif.models.networks.reaction import REACTIONS, ReactionHead, agreement, search_term

CACHED_TEXTS = 100_000  # in memory, about 30 MB
TEXTS_AT_ONCE = 128
LIKELY = 0.5  # the least probability at which a query counts as a reaction
SENTENCE = 3  # words; providers understand shorter queries as they are
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QueryReaction:
    """The ``probabilities`` (K,) of the reactions that a query asks for, and of asking for a reaction of any kind."""

    probabilities: Floats
    is_reaction: float

    def term_for(self, query: str) -> str | None:
        """The likeliest reaction as a provider's search term, if ``query`` is a sentence that asks for a reaction."""
        if self.is_reaction < LIKELY or len(query.split()) < SENTENCE:
            return None
        term = search_term(REACTIONS[int(self.probabilities.argmax())])
        return term if term != query.casefold() else None


class ReactionReader:
    """Reads the reactions in queries and in GIFs' texts. ``encode`` makes unit sentence vectors. Without ``compare``,
    GIFs are not read and no GIF agrees with a query: that is for rankings in which agreement has no weight. Methods
    block and are thread-safe."""

    def __init__(
        self,
        head: ReactionHead,
        encode: Callable[[Sequence[str]], Floats],
        *,
        compare: bool,
        cached: int = CACHED_TEXTS,
    ) -> None:
        self._head = head
        self._encode = encode
        self._compare = compare
        self._max_cached = cached
        self._cached: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._lock = Lock()

    def queries(self, texts: Sequence[str], sentence_vectors: Floats) -> list[QueryReaction]:
        """The reaction that each query asks for, by its text and its unit sentence vector (N, B)."""
        scores = self._head.predict(sentence_vectors, texts)
        return [QueryReaction(*row) for row in zip(scores.probabilities, scores.is_reaction.tolist(), strict=True)]

    def evidence(self, query: QueryReaction | None, texts_of_gifs: Sequence[Sequence[str]]) -> Floats:
        """(M,) in [0, 1]: how likely the query asks for a reaction, times how well each GIF agrees."""
        if query is None or not self._compare:
            return np.zeros(len(texts_of_gifs), np.float32)
        evidence: Floats = query.is_reaction * agreement(query.probabilities, self._gifs(texts_of_gifs))
        return evidence

    def _gifs(self, texts_of_gifs: Sequence[Sequence[str]]) -> Floats:
        """(M, K): the mean over each GIF's texts, as ``gif_probabilities`` computes it."""
        known = self._texts({text for texts in texts_of_gifs for text in texts if text.strip()})
        pooled = np.zeros((len(texts_of_gifs), len(REACTIONS)), np.float32)
        for row, texts in zip(pooled, texts_of_gifs, strict=True):
            rows = [known[text] for text in texts if text.strip()]
            if rows:
                row[:] = np.mean(rows, axis=0, dtype=np.float32)
        return pooled

    def _texts(self, texts: set[str]) -> dict[str, NDArray[np.float16]]:
        """The probabilities (K,) of each text; only those that are not cached are computed. Texts are cached one by
        one, as many GIFs share their tags."""
        known = {}
        with self._lock:
            for text in texts:
                if text in self._cached:
                    self._cached.move_to_end(text)
                    known[text] = self._cached[text]
        new = sorted(texts - known.keys(), key=lambda text: (len(text), text))  # texts of a length need little padding
        for start in range(0, len(new), TEXTS_AT_ONCE):
            part = new[start : start + TEXTS_AT_ONCE]
            rows = self._head.predict(self._encode(part), part).probabilities
            known |= {text: row.astype(np.float16) for text, row in zip(part, rows, strict=True)}
        with self._lock:
            self._cached.update((text, known[text]) for text in new)
            while len(self._cached) > self._max_cached:
                self._cached.popitem(last=False)
        return known
