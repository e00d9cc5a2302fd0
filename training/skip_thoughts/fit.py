"""Trains uni-skip: an encoder of a sentence, and two decoders that predict the previous and the next sentence (Kiros
et al. 2015, "Skip-Thought Vectors", section 2.1).

Both decoders are GRUs whose input at each step is the previous word and the encoder's state (the matrices C of
equations 5 to 8 are the input weights of the latter). They share one output matrix.

Shapes: N sentences, L words of the longest, V words of the vocabulary, E dimensions of a word, D of a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from deepgif.models.networks.skip_thoughts import END, UNKNOWN, SkipThoughts, UniSkip, Words, last_states, with_end
from deepgif.training.progress import LossReport

MAX_WORDS = 30  # of a training sentence


@dataclass(frozen=True, slots=True)
class SkipOptions:
    """The paper's sizes by default. ``steps`` of ``batch`` sentences each."""

    vocabulary: int = 20_000
    embedding: int = 620
    hidden: int = 2400
    batch: int = 128
    steps: int = 10_000
    learning_rate: float = 1e-3
    clip_norm: float = 10.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Triples:
    """Three consecutive sentences each, as rows of the vocabulary that end with the end mark."""

    before: tuple[Tensor, ...]
    here: tuple[Tensor, ...]
    after: tuple[Tensor, ...]


def choose_vocabulary(documents: Sequence[Sequence[Sequence[str]]], most: int) -> dict[str, int]:
    """The rows of ``<eos>``, ``UNK`` and the most frequent words of tokenised sentences, ``most`` in all."""
    counts = Counter(word for document in documents for sentence in document for word in sentence)
    frequent = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[: most - 2]
    return {word: row for row, word in enumerate((END, UNKNOWN, *(word for word, _ in frequent)))}


def triples_of(documents: Sequence[Sequence[Sequence[str]]], rows: dict[str, int]) -> Triples:
    """Every three consecutive sentences of each document."""

    def numbers(sentence: Sequence[str]) -> Tensor:
        words = with_end(sentence[:MAX_WORDS])
        return torch.tensor([rows.get(word, rows[UNKNOWN]) for word in words])

    read = [[numbers(sentence) for sentence in document if sentence] for document in documents]
    found = [document[start : start + 3] for document in read for start in range(len(document) - 2)]
    before, here, after = (tuple(one[place] for one in found) for place in range(3))
    return Triples(before, here, after)


class SkipModel(nn.Module):
    """The encoder, two decoders, and the embedding and output matrices that they share."""

    def __init__(self, vocabulary: int, options: SkipOptions) -> None:
        super().__init__()
        width, size = options.embedding, options.hidden
        self.words = nn.Embedding(vocabulary, width)
        self.encoder = nn.GRU(width, size, batch_first=True)
        self.before = nn.GRU(width + size, size, batch_first=True)
        self.after = nn.GRU(width + size, size, batch_first=True)
        self.output = nn.Linear(size, vocabulary)
        for name, parameter in self.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.chunk(3):
                    nn.init.orthogonal_(gate)
            elif "bias" in name:
                nn.init.zeros_(parameter)
                parameter.requires_grad_("bias_hh" not in name)  # the paper's GRU has one bias a gate
            else:
                nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, before: Sequence[Tensor], here: Sequence[Tensor], after: Sequence[Tensor]) -> tuple[Tensor, int]:
        """The sum of -log P(word) in nats over all words of the previous and next sentences, and their number."""
        states = last_states(self.encoder, [self.words(sentence) for sentence in here])
        one, other = self._loss(self.before, before, states), self._loss(self.after, after, states)
        return one + other, sum(map(len, before)) + sum(map(len, after))

    def _loss(self, decoder: nn.GRU, sentences: Sequence[Tensor], states: Tensor) -> Tensor:
        targets = pad_sequence(list(sentences), batch_first=True, padding_value=-100)  # (N, L)
        previous = self.words(targets[:, :-1].clamp(min=0))
        first = previous.new_zeros(len(previous), 1, previous.shape[2])  # the first word has no previous one
        given = torch.cat([first, previous], dim=1)
        context = states[:, None, :].expand(-1, given.shape[1], -1)
        logits = self.output(decoder(torch.cat([given, context], dim=2))[0])  # (N, L, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


def fit(data: Triples, vocabulary: int, options: SkipOptions, report: LossReport) -> SkipModel:
    """The model after ``options.steps``; ``report`` gets the loss per word."""
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        model = SkipModel(vocabulary, options)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trainable, options.learning_rate)
        for step in range(options.steps):
            rows = torch.randint(len(data.here), (options.batch,)).tolist()
            loss, words = model(*_rows(data, rows))
            optimizer.zero_grad()
            (loss / len(rows)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), options.clip_norm)
            optimizer.step()
            report(step + 1, options.steps, loss.item() / words)
        return model.eval()


def loss_per_word(model: SkipModel, data: Triples, batch: int = 128) -> float:
    """The mean of -log P(word) in nats over all words of the previous and next sentences."""
    total = words = 0.0
    with torch.inference_mode():
        for start in range(0, len(data.here), batch):
            loss, count = model(*_rows(data, range(start, min(start + batch, len(data.here)))))
            total, words = total + loss.item(), words + count
    return total / words


def unigram_loss(train: Triples, data: Triples, vocabulary: int) -> float:
    """The same for a unigram baseline with add-one smoothing."""
    counts = torch.bincount(torch.cat([*train.before, *train.after]), minlength=vocabulary).double() + 1
    words = torch.cat([*data.before, *data.after])
    return float(-(counts / counts.sum()).log()[words].mean())


def encoder_of(model: SkipModel, rows: dict[str, int]) -> tuple[UniSkip, Words]:
    """The trained encoder and its word vectors."""
    return UniSkip(model.encoder), Words(rows, model.words.weight.detach().numpy())


def save_uni_skip(folder: Path, gru: nn.GRU, words: Words) -> None:
    """Writes ``uni_skip.npz``, ``utable.npy`` and ``dictionary.txt`` in the authors' layout, which has no recurrent
    biases: the GRU's must be 0."""
    folder.mkdir(parents=True, exist_ok=True)
    size = gru.hidden_size
    part = {name: value.detach().numpy() for name, value in gru.named_parameters()}
    given, back, bias = part["weight_ih_l0"].T, part["weight_hh_l0"].T, part["bias_ih_l0"]
    np.savez(
        folder / "uni_skip.npz",
        encoder_W=given[:, : 2 * size], encoder_U=back[:, : 2 * size], encoder_b=bias[: 2 * size],
        encoder_Wx=given[:, 2 * size :], encoder_Ux=back[:, 2 * size :], encoder_bx=bias[2 * size :],
    )  # fmt: skip
    np.save(folder / "utable.npy", words.vectors)
    ordered = sorted(words.rows, key=words.rows.__getitem__)
    (folder / "dictionary.txt").write_text("\n".join(ordered) + "\n", encoding="utf-8")


def nearest(encoder: SkipThoughts, query: str, texts: Sequence[str], count: int) -> list[tuple[str, float]]:
    """The ``count`` texts with the highest cosine to the query, and that cosine."""
    vectors, own = _unit(encoder.encode(texts)), _unit(encoder.encode([query]))[0]
    scores = vectors @ own
    return [(texts[place], float(scores[place])) for place in np.argsort(-scores)[:count]]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _rows(data: Triples, rows: Sequence[int]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    before, here, after = ([part[row] for row in rows] for part in (data.before, data.here, data.after))
    return before, here, after
