"""``python -m deepgif.training.scenes FOLDER``: writes the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from deepgif.training.scenes.chat.lettering import CAPTION_FONT, Letters
from deepgif.training.scenes.chat.table import items
from deepgif.training.scenes.chat.write import GIF_SIZE, write_catalogue
from deepgif.training.scenes.stage import DEFAULT_FONT, FontMissingError, Glyphs

app = typer.Typer(add_completion=False)


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="Where to write catalogue.json, descriptions.csv, LICENSE.md, gifs/.")],
    font: Annotated[Path, typer.Option(help="NotoColorEmoji.ttf with bitmaps.")] = DEFAULT_FONT,
    caption_font: Annotated[Path, typer.Option(help="A bold font for words in the picture.")] = CAPTION_FONT,
    size: Annotated[int, typer.Option(min=32, max=480, help="Pixels a side.")] = GIF_SIZE,
) -> None:
    """Draws the catalogue: animated GIFs of Noto Color Emoji, with titles, alt texts, tags and descriptions.

    With the same fonts and the same Pillow the files are the same byte for byte.
    """
    console = Console()
    try:
        glyphs, letters = Glyphs(font), Letters(caption_font)
    except FontMissingError as error:
        Console(stderr=True).print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    gifs = items()
    written = track(write_catalogue(folder, gifs, glyphs, letters, size), "Drawing", total=len(gifs), console=console)
    sizes = [path.stat().st_size for path in written]
    console.print(f"{len(sizes)} GIFs, {sum(sizes) / 1e6:.1f} MB, in {folder}")


if __name__ == "__main__":
    app()
