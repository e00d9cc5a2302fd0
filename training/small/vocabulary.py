"""Trains the subword vocabulary: byte pair encoding with byte fallback."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from deepgif.models.networks.sentence import WORD_START

PADDING = "<pad>"
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def learn_vocabulary(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer with at most ``size`` pieces; piece 0 is padding, pieces 1 to 256 are the bytes."""
    tokenizer = Tokenizer(BPE(byte_fallback=True, unk_token=None, fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.NFC()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=WORD_START, prepend_scheme="always")
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=[PADDING, *BYTES],
        limit_alphabet=200,
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class MergeUndoing:
    """Splits pieces further at random, so that words are also trained by their parts: BPE-dropout (Provilkov et al.
    2020) that undoes merges of tokenised texts instead of skipping them. Unlike the tokenizer's own dropout it can be
    seeded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = tokenizer.get_vocab()
        self._parts = np.zeros((len(ids), 2), np.int64)  # (V, 2): the pieces a piece was merged from, or 0
        for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
            if not self._parts[ids[left + right]].any():
                self._parts[ids[left + right]] = ids[left], ids[right]

    def __call__(self, pieces: Sequence[list[int]], share: float, rng: np.random.Generator) -> list[list[int]]:
        """Splits every piece in two with probability ``share``, and recursively its parts."""
        flat = np.concatenate([np.asarray(row, np.int64) for row in pieces])
        owners = np.repeat(np.arange(len(pieces)), [len(row) for row in pieces])
        new = np.ones(len(flat), bool)  # not yet drawn for
        while (undone := new & (rng.random(len(flat)) < share) & self._parts[flat].any(axis=1)).any():
            places = np.flatnonzero(undone)
            left, right = self._parts[flat[places]].T
            flat[places] = left
            flat = np.insert(flat, places + 1, right)
            owners = np.insert(owners, places + 1, owners[places])
            new = np.insert(undone, places + 1, True)
        ends = np.searchsorted(owners, np.arange(1, len(pieces)))
        return [row.tolist() for row in np.split(flat, ends)]
