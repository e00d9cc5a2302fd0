"""``python -m deepgif.training.reactions.train``: trains the reaction head of a bundle and writes it into its folder.

Run it again whenever the bundle's sentence encoder was trained anew: the head fits one version only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from deepgif.models.bundles.load import bundle_folder, load_two_towers
from deepgif.models.bundles.manifest import BundleError
from deepgif.models.bundles.reactions import REACTION_WEIGHTS, save_reactions
from deepgif.models.networks.reaction import Floats, ReactionHead
from deepgif.training.reactions.data import TRAIN, Labelled, read_comments, read_emoji, read_phrases
from deepgif.training.reactions.fit import Examples, FitOptions, fit
from deepgif.training.reactions.measure import Encode, ReactionFigures, measure

BATCH = 256


def batched(encode: Encode) -> Encode:
    """Encodes texts in batches of similar length, which wastes little on padding."""

    def encode_all(texts: Sequence[str]) -> Floats:
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        parts = [encode([texts[place] for place in order[at : at + BATCH]]) for at in range(0, len(texts), BATCH)]
        return np.concatenate(parts)[np.argsort(order)] if parts else encode([])

    return encode_all


def train(encode: Encode, data: Path, comments: int, options: FitOptions, *, emoji: bool = True) -> ReactionHead:
    """Trains on the train phrases, on emoji if asked, and on ``comments`` comments. Raises ``FileNotFoundError``."""
    phrases = read_phrases(TRAIN)
    if emoji:
        more = read_emoji(data)
        phrases = Labelled(phrases.texts + more.texts, np.concatenate([phrases.targets, more.targets]))
    weak = read_comments(data, comments) if comments else None
    return fit(
        Examples(phrases, encode(phrases.texts)),
        None if weak is None else Examples(weak, encode(weak.texts)),
        options,
    )


def ablation(encode: Encode, data: Path, comments: int, options: FitOptions) -> dict[str, ReactionHead]:
    """Heads trained with more and less of what there is."""
    plain = replace(options, buckets=0)
    return {
        "phrases": train(encode, data, 0, plain, emoji=False),
        "phrases, comments": train(encode, data, comments, plain, emoji=False),
        "phrases, emoji": train(encode, data, 0, plain),
        "phrases, emoji, n-grams": train(encode, data, 0, options),
        "phrases, emoji, n-grams, comments": train(encode, data, comments, options),
    }


def figures_table(rows: dict[str, ReactionFigures]) -> Table:
    """The dev figures of several heads."""
    table = Table("trained on", "top 1", "top 3", "literal", "reaction", "balanced")
    for name, one in rows.items():
        values = (one.top1, one.top3, one.literal, one.reaction, one.balanced)
        table.add_row(name, *(f"{value:.1f}" for value in values))
    return table


def main(
    data: Annotated[Path, typer.Option(help="Folder with text/ and reactions/.")],
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write reactions.safetensors into; by default the bundle.")
    ] = None,
    comments: Annotated[int, typer.Option(help="How many comments to learn from, as weak labels.")] = 0,
    ablate: Annotated[bool, typer.Option("--ablate", help="Print what each part of the data gives.")] = False,
    seed: Annotated[int, typer.Option(help="The fit has one answer; the seed only fixes what torch may draw.")] = 0,
) -> None:
    """Train the head that tells which reaction a text asks for. Takes a minute or two on one core."""
    console = Console(stderr=True)
    torch.manual_seed(seed)
    folder = bundle_folder(bundle)
    try:
        encoder = load_two_towers(folder)
        encode = batched(encoder.text_features)
        if ablate:
            heads = ablation(encode, data, comments or 8000, FitOptions())
            Console().print(figures_table({name: measure(head, encode) for name, head in heads.items()}))
            return
        head = train(encode, data, comments, FitOptions())
    except FileNotFoundError as error:
        console.print(f"{error.filename} is missing: see docs/models.md.", style="red")
        raise typer.Exit(1) from error
    except BundleError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    target = out or folder
    target.mkdir(parents=True, exist_ok=True)
    save_reactions(target, encoder.space, head)
    Console().print(figures_table({bundle: measure(head, encode)}))
    console.print(f"Wrote {target / REACTION_WEIGHTS}.")


if __name__ == "__main__":
    typer.run(main)
