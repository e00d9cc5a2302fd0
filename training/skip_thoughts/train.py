"""``python -m deepgif.training.skip_thoughts.train``: trains uni-skip on your own texts, and shows its loss and nearest
neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deepgif.models.bundles.skip_thoughts import load_uni_skip
from deepgif.models.networks.skip_thoughts import SkipThoughts, tokenize
from deepgif.training.pretrained.word2vec import Word2VecError, expand, read_word2vec
from deepgif.training.progress import program, progress
from deepgif.training.skip_thoughts.fit import (
    SkipModel,
    SkipOptions,
    choose_vocabulary,
    encoder_of,
    fit,
    loss_per_word,
    nearest,
    save_uni_skip,
    triples_of,
    unigram_loss,
)

HOLD_OUT = 10  # one document in so many
QUERIES, NEIGHBOURS = 3, 2


def main(
    texts: Annotated[Path, typer.Argument(help="One sentence per line, an empty line between documents.")],
    out: Annotated[Path, typer.Argument(help="Folder for uni_skip.npz, utable.npy and dictionary.txt.")],
    vocabulary: Annotated[int, typer.Option(min=3, help="Vocabulary size: the most frequent words.")] = 20_000,
    embedding: Annotated[int, typer.Option(min=1, help="Word dimensions.")] = 620,
    hidden: Annotated[int, typer.Option(min=1, help="Sentence dimensions.")] = 2400,
    batch: Annotated[int, typer.Option(min=1, help="Sentences per step.")] = 128,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same encoder.")] = 0,
    word2vec: Annotated[Path | None, typer.Option(help="Word vectors to expand the vocabulary with.")] = None,
) -> None:
    """Train an encoder to predict the previous and next sentences. Shows its loss on held-out documents beside a
    unigram baseline, and nearest neighbours before and after training."""
    console = Console(stderr=True)
    with program(console, OSError, ValueError, Word2VecError):
        documents = read_documents(texts)
        trained = [document for place, document in enumerate(documents) if (place + 1) % HOLD_OUT]
        held_out = [document for place, document in enumerate(documents) if not (place + 1) % HOLD_OUT]
        rows = choose_vocabulary([[tokenize(text) for text in document] for document in trained], vocabulary)
        train, dev = (
            triples_of([[tokenize(text) for text in document] for document in part], rows)
            for part in (trained, held_out)
        )
        if not train.here or not dev.here:
            raise ValueError(f"{texts} has too few documents of at least three sentences.")
        wide = read_word2vec(word2vec) if word2vec is not None else None
        options = SkipOptions(vocabulary, embedding, hidden, batch, steps, seed=seed)
        console.print(f"{len(train.here)} training sentences, {len(dev.here)} held out, {len(rows)} words")
        with progress(console, "Uni-skip") as report:
            model = fit(train, len(rows), options, report)
        own, baseline = loss_per_word(model, dev), unigram_loss(train, dev, len(rows))
        console.print(
            f"Loss per held-out word: {own:.3f} nats (perplexity {math.exp(own):.0f}); unigram baseline: "
            f"{baseline:.3f} (perplexity {math.exp(baseline):.0f})"
        )
        _show_neighbours(
            console, SkipModel(len(rows), options), model, rows, [text for one in held_out for text in one]
        )
        _, words = encoder_of(model, rows)
        if wide is not None:
            trained_words = len(words.rows)
            words = expand(words, wide)
            console.print(f"The vocabulary now has {len(words.rows)} words, {trained_words} of them trained.")
        save_uni_skip(out, model.encoder, words)
        load_uni_skip(out)
        console.print(f"Wrote the encoder to {out}. Use it with deepgif-train ... --sentences uni-skip --skip {out}")


def read_documents(path: Path) -> list[list[str]]:
    """Documents of sentences. Raises ``OSError`` or ``ValueError``."""
    documents: list[list[str]] = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            documents[-1].append(line.strip())
        elif documents[-1]:
            documents.append([])
    found = [document for document in documents if document]
    if len(found) < HOLD_OUT:
        raise ValueError(f"{path} has {len(found)} documents: it needs {HOLD_OUT}, with empty lines between them.")
    return found


def _show_neighbours(
    console: Console, before: SkipModel, after: SkipModel, rows: dict[str, int], texts: Sequence[str]
) -> None:
    """Prints the nearest other sentences, with random and with trained weights."""
    unique = list(dict.fromkeys(texts))
    for query in unique[:: max(1, len(unique) // QUERIES)][:QUERIES]:
        console.print(f"\n{query}", style="bold", markup=False)
        others = [text for text in unique if text != query]
        for name, model in (("before", before), ("after", after)):
            for text, score in nearest(SkipThoughts(encoder_of(model, rows)), query, others, NEIGHBOURS):
                console.print(f"  {name:6} {score:.2f}  {text}", markup=False)


if __name__ == "__main__":
    typer.run(main)
