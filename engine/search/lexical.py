"""Lexical evidence: how many of the query's words, and of its letters, a GIF's texts have.

Three shares, each in [0, 1], over all texts of a GIF (title, alt text, tags, words in the picture):

    words     of the query's words, weighted by inverse document frequency; one that is misspelt counts ``MISSPELT``
    trigrams  of the trigrams of its letters, without spaces, in the text that has most
    exact     Dice's coefficient of both sets of trigrams, for the best text: 1 if the query is that text
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from deepgif.engine.index.lexical import LONG, SHORT, Frequencies
from deepgif.engine.index.words import analyze, split_words, stem, stems_of

MISSPELT = 0.8
WORDS, TRIGRAMS, EXACT = range(3)


@dataclass(frozen=True, slots=True)
class _Term:
    """One word of a query: its stem, the stems of which one is enough as well, and its weight."""

    word: str
    stem: str
    weight: float


def lexical_evidence(query: str, documents: Sequence[Sequence[str]], frequencies: Frequencies) -> NDArray[np.float32]:
    """The three shares for each of ``documents``, the texts of one GIF each: (N, 3) float32."""
    words = split_words(query)
    evidence = np.zeros((len(documents), 3), np.float32)
    if not words:
        return evidence
    asked = analyze(query).trigrams
    terms = [_Term(word, stem(word), frequencies.idf(stem(word))) for word in dict.fromkeys(words)]
    total = sum(term.weight for term in terms)
    joined = [stem(first + second) for first, second in itertools.pairwise(words)]
    for row, texts in enumerate(documents):
        stems = stems_of(texts)
        pairs = {word for place, term in enumerate(joined) if term in stems for word in words[place : place + 2]}
        got = sum(term.weight * (1.0 if term.word in pairs else _share(term, stems)) for term in terms)
        evidence[row, WORDS] = got / total
        for text in texts:
            has = analyze(text).trigrams
            common = len(asked & has)
            evidence[row, TRIGRAMS] = max(evidence[row, TRIGRAMS], common / len(asked))
            evidence[row, EXACT] = max(evidence[row, EXACT], 2 * common / (len(asked) + len(has)))
    return evidence


def _share(term: _Term, stems: frozenset[str]) -> float:
    if term.stem in stems:
        return 1.0
    if len(term.stem) < SHORT:
        return 0.0
    edits = 2 if len(term.stem) >= LONG else 1
    near = any(
        abs(len(one) - len(term.stem)) <= edits and OSA.distance(term.stem, one, score_cutoff=edits) <= edits
        for one in stems
    )
    return MISSPELT if near else 0.0
