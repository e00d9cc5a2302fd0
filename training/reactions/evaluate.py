"""``python -m deepgif.training.reactions.evaluate``: how well a bundle's reaction head reads the dev phrases."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from deepgif.models.bundles.load import bundle_folder, load_two_towers
from deepgif.models.bundles.manifest import BundleError
from deepgif.models.bundles.reactions import load_reactions
from deepgif.training.reactions.measure import measure, measure_gifs
from deepgif.training.reactions.train import batched, figures_table


def main(
    bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a bundle's folder.")] = "small",
    worst: Annotated[int, typer.Option(help="How many of the kinds that do worst to print.")] = 10,
) -> None:
    """Measure how often the right reaction is likeliest or among the likeliest three, and whether reactions and
    descriptions of scenes are told apart."""
    folder = bundle_folder(bundle)
    try:
        encoder = load_two_towers(folder)
        head = load_reactions(folder, encoder.space)
        if head is None:
            raise BundleError(f"{folder} has no reaction head for {encoder.space}: train one first.")
    except BundleError as error:
        Console(stderr=True).print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    encode = batched(encoder.text_features)
    figures = measure(head, encode)
    out = Console()
    out.print(figures_table({bundle: figures}))
    out.print(f"A GIF of the right kind agrees best for {measure_gifs(head, encode):.1f} % of the phrases.")
    kinds = sorted(figures.top3_of.items(), key=lambda item: item[1])[:worst]
    out.print("Worst, top 3: " + ", ".join(f"{kind} {value:.0f}" for kind, value in kinds))


if __name__ == "__main__":
    typer.run(main)
