"""``python -m deepgif.training.scenes FOLDER``: writes the demo catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from deepgif.training.scenes.catalogue import GIF_SIZE, shipped_entries, write_catalogue
from deepgif.training.scenes.stage import DEFAULT_FONT, FontMissingError, Glyphs

app = typer.Typer(add_completion=False)


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="Where to write catalogue.json, queries.csv, LICENSE.md and gifs/.")],
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
    size: Annotated[int, typer.Option(min=32, max=480, help="Pixels a side.")] = GIF_SIZE,
) -> None:
    """Draws the demo catalogue: animated GIFs of Noto Color Emoji, with titles, alt texts and queries.

    With the same font and the same Pillow the files are the same byte for byte.
    """
    console = Console()
    try:
        glyphs = Glyphs(font)
    except FontMissingError as error:
        Console(stderr=True).print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    total = len(shipped_entries())
    written = track(write_catalogue(folder, glyphs, size), "Drawing", total=total, console=console)
    sizes = [path.stat().st_size for path in written]
    console.print(f"{len(sizes)} GIFs, {sum(sizes) / 1e6:.1f} MB, in {folder}")


if __name__ == "__main__":
    app()
