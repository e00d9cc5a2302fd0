"""A recurrent sentence encoder: texts to 384-d sentence vectors.

Text is split into subwords (byte pair encoding, Sennrich et al. 2016, with byte fallback, so that every text has pieces
and an unseen word is read from its parts), the pieces' embeddings go through a bidirectional GRU
(Cho et al. 2014), and one linear layer takes the mean and the maximum of its states and the mean embedding. Both means
can be weighted by attention (Lin et al. 2017, with one head).

Shapes: N texts, L pieces of the longest, E embedding, H hidden units a direction.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

WORD_START = "\u2581"  # marks the first piece of a word, as SentencePiece does
MAX_PIECES = 64  # of one text; the rest is ignored
SENTENCE_DIMENSION = 384
_JOINERS = "\u200d\ufe0e\ufe0f"  # zero-width joiner and variation selectors: how emoji are put together


@dataclass(frozen=True, slots=True)
class SentenceConfig:
    """Sizes of the encoder; ``weighted``: its means are weighted by attention."""

    vocabulary: int = 16_384
    embedding: int = 256
    hidden: int = 320
    weighted: bool = False


class SentenceEncoder(nn.Module):
    """Pieces (N, L) and their lengths (N,) to unnormalised sentence vectors (N, 384)."""

    def __init__(self, config: SentenceConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding, padding_idx=0)
        self.gru = nn.GRU(config.embedding, config.hidden, batch_first=True, bidirectional=True)
        self.output = nn.Linear(config.embedding + 4 * config.hidden, SENTENCE_DIMENSION)
        if config.weighted:  # zeros: starts as the plain mean
            self.piece_weight = nn.Embedding(config.vocabulary, 1)
            self.state_weight = nn.Linear(2 * config.hidden, 1, bias=False)
            nn.init.zeros_(self.piece_weight.weight)
            nn.init.zeros_(self.state_weight.weight)

    def forward(self, pieces: Tensor, lengths: Tensor) -> Tensor:
        embedded = self.embedding(pieces)  # (N, L, E)
        if bool((lengths == pieces.shape[1]).all()):  # no padding; packing would take twice the time
            states = self.gru(embedded)[0]  # (N, L, 2H)
        else:
            packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
            states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        there = (torch.arange(pieces.shape[1], device=pieces.device) < lengths[:, None])[..., None]  # (N, L, 1)
        if self.config.weighted:
            scores = self.piece_weight(pieces) + self.state_weight(states)
            weights = scores.masked_fill(~there, float("-inf")).softmax(dim=1)  # (N, L, 1)
        else:
            weights = there / lengths[:, None, None].to(states.dtype)
        mean_state = (states * weights).sum(dim=1)
        max_state = states.masked_fill(~there, -1.0).amax(dim=1)  # GRU states are in (-1, 1)
        mean_embedding = (embedded * weights).sum(dim=1)
        vectors: Tensor = self.output(torch.cat([mean_embedding, mean_state, max_state], dim=1))
        return vectors


def spell_out(text: str) -> str:
    """The text with every emoji replaced by its Unicode name: "🐱 asleep" becomes " cat face  asleep"."""
    if text.isascii():
        return text
    return "".join(
        f" {unicodedata.name(character, '').lower()} " if unicodedata.category(character) == "So" else character
        for character in text
        if character not in _JOINERS
    )


def to_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Piece numbers of each text, at least one and at most ``MAX_PIECES`` (an empty text is one piece of padding)."""
    encodings = tokenizer.encode_batch([spell_out(text) for text in texts], add_special_tokens=False)
    return [encoding.ids[:MAX_PIECES] or [0] for encoding in encodings]


def pad(pieces: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pieces (N, L), padded with 0, and lengths (N,)."""
    lengths = torch.tensor([len(row) for row in pieces])
    padded = torch.zeros(len(pieces), int(lengths.max()), dtype=torch.long)
    for row, ids in zip(padded, pieces, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return padded, lengths
