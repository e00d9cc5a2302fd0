"""Skip-Thoughts sentence vectors: uni-skip, bi-skip and combine-skip (Kiros et al. 2015, "Skip-Thought Vectors").

A sentence is the last state of a GRU over its words' vectors. uni-skip runs forwards; bi-skip runs
forwards and, with a second GRU, backwards; combine-skip concatenates both, each normalised (so the norm is sqrt 2).
The GRU is that of section 2, equations 1 to 4:

    r, u = sigmoid(x W + b + h U)        c = tanh(x Wx + bx + r * (h Ux))        h' = u * h + (1 - u) * c

which is ``torch.nn.GRU`` with the recurrent biases at 0.

Shapes: N texts, L words of the longest with the end mark, E dimensions of a word (620), D of a state (2400 for
uni-skip, 1200 for each half of bi-skip).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

UNKNOWN, END = "UNK", "<eos>"
FINAL_PUNCTUATION = (".", "!", "?")
MAX_WORDS = 100  # of one text; the rest is ignored
TEXTS_AT_ONCE = 128


class WordTable(Protocol):
    """Word vectors: rows of one array, which may be memory-mapped."""

    @property
    def rows(self) -> Mapping[str, int]:
        """The row of each word; ``UNK`` and ``<eos>`` are among them."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(V, E)"""


@dataclass(frozen=True, slots=True)
class Words:
    """A ``WordTable`` in two parts."""

    rows: Mapping[str, int]
    vectors: NDArray[np.float32]


def tokenize(text: str) -> list[str]:
    """The Penn Treebank tokens of a text, case preserved; at most ``MAX_WORDS``."""
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    sentences, words = PunktSentenceTokenizer().tokenize(text), NLTKWordTokenizer()
    return [word for sentence in sentences for word in words.tokenize(sentence)][:MAX_WORDS]


def with_end(words: Sequence[str]) -> list[str]:
    """The words with the end mark, unless they end in punctuation; an empty text is the end mark alone."""
    return [*words] if words and words[-1] in FINAL_PUNCTUATION else [*words, END]


def embed_words(words: Sequence[str], table: WordTable) -> Tensor:
    """(L, E) of L words; unknown words become ``UNK``."""
    unknown = table.rows[UNKNOWN]
    rows = [table.rows.get(word, unknown) for word in words]
    return torch.from_numpy(np.asarray(table.vectors[rows], np.float32))


def gru_of(arrays: Mapping[str, NDArray[np.float32]], prefix: str = "encoder_") -> nn.GRU:
    """The GRU whose parameters the published files hold under ``prefix``: ``W`` (E, 2D), ``U`` (D, 2D) and ``b`` (2D)
    of both gates, reset first, and ``Wx`` (E, D), ``Ux`` (D, D) and ``bx`` (D). Raises ``KeyError``."""
    part = {name: torch.from_numpy(np.asarray(arrays[prefix + name])) for name in ("W", "U", "b", "Wx", "Ux", "bx")}
    width, size = part["Wx"].shape
    gru = nn.GRU(width, size, batch_first=True)
    bias = torch.cat([part["b"], part["bx"]])
    gru.load_state_dict(
        {
            "weight_ih_l0": torch.cat([part["W"].T, part["Wx"].T]),
            "weight_hh_l0": torch.cat([part["U"].T, part["Ux"].T]),
            "bias_ih_l0": bias,
            "bias_hh_l0": torch.zeros_like(bias),
        }
    )
    return gru


def last_states(gru: nn.GRU, sentences: Sequence[Tensor]) -> Tensor:
    """(N, D): the state after the last word of each sentence (L, E)."""
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    packed = pack_padded_sequence(
        pad_sequence(list(sentences), batch_first=True), lengths, batch_first=True, enforce_sorted=False
    )
    states: Tensor = gru(packed)[1][0]
    return states


class UniSkip(nn.Module):
    """One GRU forwards: sentences (L, E) each to (N, D), not normalised."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.gru = gru
        self.dimension = gru.hidden_size

    def forward(self, sentences: Sequence[Tensor]) -> Tensor:
        return last_states(self.gru, sentences)


class BiSkip(nn.Module):
    """A GRU forwards and one backwards: sentences (L, E) each to (N, 2D), not normalised."""

    def __init__(self, forwards: nn.GRU, backwards: nn.GRU) -> None:
        super().__init__()
        self.forwards, self.backwards = forwards, backwards
        self.dimension = forwards.hidden_size + backwards.hidden_size

    def forward(self, sentences: Sequence[Tensor]) -> Tensor:
        reversed_ones = [sentence.flip(0) for sentence in sentences]
        return torch.cat([last_states(self.forwards, sentences), last_states(self.backwards, reversed_ones)], dim=1)


class SkipThoughts:
    """Texts to vectors by one or more encoders, each with its own word vectors; each encoder's part is normalised.
    Methods block and are thread-safe."""

    def __init__(self, *parts: tuple[UniSkip | BiSkip, WordTable], device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._parts = [(encoder.eval().to(self._device), table) for encoder, table in parts]
        self.dimension = sum(encoder.dimension for encoder, _ in self._parts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, ``dimension``)"""
        words = [with_end(tokenize(text)) for text in texts]
        parts = [self._encode(words[start : start + TEXTS_AT_ONCE]) for start in range(0, len(words), TEXTS_AT_ONCE)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def vocabulary_coverage(self, text: str) -> float:
        """The share of the text's words, in [0, 1], that have a vector; 0.0 for a text without words."""
        words = [word for word in tokenize(text) if any(character.isalnum() for character in word)]
        known = self._parts[0][1].rows
        return sum(word in known for word in words) / len(words) if words else 0.0

    def _encode(self, words: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            halves = []
            for encoder, table in self._parts:
                sentences = [embed_words(sentence, table).to(self._device) for sentence in words]
                halves.append(nn.functional.normalize(encoder(sentences), dim=1))
            return torch.cat(halves, dim=1).float().cpu().numpy()
