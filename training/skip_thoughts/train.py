"""``python -m deepgif.training.skip_thoughts.train``: teaches uni-skip on texts of one's own, and shows what it has
learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from deepgif.models.bundles.skip_thoughts import load_uni_skip
from deepgif.models.networks.skip_thoughts import SkipThoughts, tokenize
from deepgif.training.pretrained.word2vec import Word2VecError, expand, read_word2vec
from deepgif.training.skip_thoughts.fit import (
    SkipModel,
    SkipOptions,
    choose_vocabulary,
    cost_of_a_word,
    encoder_of,
    nearest,
    save_uni_skip,
    teach,
    triples_of,
    unigram_cost,
)

HOLD_OUT = 10  # one document in so many is not learnt from
QUERIES, NEIGHBOURS = 3, 2


def main(
    texts: Annotated[Path, typer.Argument(help="A sentence a line, documents apart by an empty line.")],
    out: Annotated[Path, typer.Argument(help="Folder for uni_skip.npz, utable.npy and dictionary.txt.")],
    vocabulary: Annotated[int, typer.Option(min=3, help="Words that are learnt, the most frequent ones.")] = 20_000,
    embedding: Annotated[int, typer.Option(min=1, help="Dimensions of a word.")] = 620,
    hidden: Annotated[int, typer.Option(min=1, help="Dimensions of a sentence.")] = 2400,
    batch: Annotated[int, typer.Option(min=1, help="Sentences a step.")] = 128,
    steps: Annotated[int, typer.Option(min=1, help="Steps.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same encoder.")] = 0,
    word2vec: Annotated[Path | None, typer.Option(help="Word vectors to widen the vocabulary with.")] = None,
) -> None:
    """Teach an encoder to say the sentences before and after, and show its cost beside that of a baseline that knows
    only how frequent words are, and which sentences are nearest before and after."""
    console = Console(stderr=True)
    try:
        documents = read_documents(texts)
        learnt = [document for place, document in enumerate(documents) if (place + 1) % HOLD_OUT]
        kept = [document for place, document in enumerate(documents) if not (place + 1) % HOLD_OUT]
        rows = choose_vocabulary([[tokenize(text) for text in document] for document in learnt], vocabulary)
        train, unseen = (
            triples_of([[tokenize(text) for text in document] for document in part], rows) for part in (learnt, kept)
        )
        if not train.here or not unseen.here:
            raise ValueError(f"{texts} has too few documents of three sentences and more.")
        wide = read_word2vec(word2vec) if word2vec is not None else None
        options = SkipOptions(vocabulary, embedding, hidden, batch, steps, seed=seed)
        console.print(f"{len(train.here)} sentences to learn from, {len(unseen.here)} apart, {len(rows)} words")
        columns = (TextColumn("cost of a word {task.fields[cost]:.3f}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=steps, cost=math.nan)
            model = teach(
                train, len(rows), options, lambda done, total, cost: progress.update(task, completed=done, cost=cost)
            )
        own, baseline = cost_of_a_word(model, unseen), unigram_cost(train, unseen, len(rows))
        console.print(
            f"Cost of a word that was not learnt from: {own:.3f} (perplexity {math.exp(own):.0f}); of the baseline "
            f"{baseline:.3f} (perplexity {math.exp(baseline):.0f})"
        )
        _show_neighbours(console, SkipModel(len(rows), options), model, rows, [text for one in kept for text in one])
        _, words = encoder_of(model, rows)
        if wide is not None:
            taught = len(words.rows)
            words = expand(words, wide)
            console.print(f"{len(words.rows)} words are known now, {taught} of them taught.")
        save_uni_skip(out, model.encoder, words)
        load_uni_skip(out)
        console.print(f"{out} holds the encoder: deepgif-train ... --sentences uni-skip --skip {out}")
    except (OSError, ValueError, Word2VecError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("Stopped; nothing is kept of it.")
        raise typer.Exit(130) from None


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
        raise ValueError(f"{path} has {len(found)} documents; at least {HOLD_OUT} are needed, apart by empty lines.")
    return found


def _show_neighbours(
    console: Console, before: SkipModel, after: SkipModel, rows: dict[str, int], texts: Sequence[str]
) -> None:
    """Which other sentences are nearest, with random weights and with those that were taught."""
    known = list(dict.fromkeys(texts))
    for query in known[:: max(1, len(known) // QUERIES)][:QUERIES]:
        console.print(f"\n{query}", style="bold", markup=False)
        others = [text for text in known if text != query]
        for name, model in (("before", before), ("after", after)):
            for text, score in nearest(SkipThoughts(encoder_of(model, rows)), query, others, NEIGHBOURS):
                console.print(f"  {name:6} {score:.2f}  {text}", markup=False)


if __name__ == "__main__":
    typer.run(main)
