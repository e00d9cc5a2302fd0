"""Word vectors in the formats of word2vec (Mikolov et al. 2013), and vocabulary expansion (Kiros et al. 2015, section
2.2): a linear regression from word2vec's space to an encoder's gives vectors to words that the encoder was not trained
on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from deepgif.models.networks.skip_thoughts import Words, WordTable

MAX_WORD_BYTES, MAX_DIMENSION = 1000, 10_000


class Word2VecError(Exception):
    """A file is not in word2vec's format; the message says why."""


def read_word2vec(path: Path, most: int = 1_000_000) -> Words:
    """The first ``most`` words of a binary file (``.bin``) or a text file. Raises ``Word2VecError``."""
    try:
        with path.open("rb") as file:
            count, dimension = map(int, file.readline(100).split())
            if not 0 < dimension <= MAX_DIMENSION or count < 0:
                raise ValueError("its header is out of bounds")
            read = _binary(file, dimension) if path.suffix == ".bin" else _text(file, dimension)
            rows: dict[str, int] = {}
            vectors: list[NDArray[np.float32]] = []
            for _, (word, vector) in zip(range(min(count, most)), read, strict=False):
                if word not in rows:
                    rows[word] = len(vectors)
                    vectors.append(vector)
    except (OSError, ValueError) as error:
        raise Word2VecError(f"{path} is not a word2vec file: {error}") from error
    if len(rows) < min(count, most) and not rows:
        raise Word2VecError(f"{path} has no words.")
    return Words(rows, np.stack(vectors))


def expand(trained: WordTable, wide: WordTable) -> Words:
    """The words of both, in the space of ``trained``: its own rows unchanged, the others by a regression over the
    shared words. Raises ``ValueError`` if they share too few."""
    shared = [word for word in trained.rows if word in wide.rows]
    if len(shared) < wide.vectors.shape[1]:
        raise ValueError(f"only {len(shared)} words are shared; at least {wide.vectors.shape[1]} are needed")
    given = wide.vectors[[wide.rows[word] for word in shared]]
    wanted = trained.vectors[[trained.rows[word] for word in shared]]
    matrix, *_ = np.linalg.lstsq(given, wanted, rcond=None)  # (W, E), unregularised
    others = [word for word in wide.rows if word not in trained.rows]
    rows = dict(trained.rows)
    size = len(trained.vectors)
    rows.update((word, size + place) for place, word in enumerate(others))
    more = wide.vectors[[wide.rows[word] for word in others]] @ matrix
    return Words(rows, np.concatenate([trained.vectors, more.astype(np.float32)]))


def _binary(file: BinaryIO, dimension: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    while True:
        word = b""
        while (byte := file.read(1)) not in (b" ", b""):
            word += byte
            if len(word) > MAX_WORD_BYTES:
                raise ValueError("a word is too long")
        if not byte:
            return
        content = file.read(4 * dimension)
        if len(content) < 4 * dimension:
            raise ValueError("it is cut off")
        yield word.strip().decode("utf-8", "replace"), np.frombuffer(content, "<f4").astype(np.float32)


def _text(file: BinaryIO, dimension: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for line in file:
        word, *numbers = line.decode("utf-8", "replace").rstrip().split(" ")
        if len(numbers) != dimension:
            raise ValueError(f"a word has {len(numbers)} numbers instead of {dimension}")
        yield word, np.array(numbers, np.float32)
