"""Writes the catalogue that ships with the engine.

It is a folder: ``catalogue.json`` (titles, alt texts, tags, ratings), ``descriptions.csv`` (sentences that say what
each GIF shows, in words that its title does not use), ``LICENSE.md`` and ``gifs/``. ``queries.csv`` beside them, what
people type and which GIFs they would accept, is written by hand. With the same Pillow and fonts the files are the
same byte for byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepgif.training.scenes.chat.draw import draw
from deepgif.training.scenes.chat.lettering import Letters
from deepgif.training.scenes.chat.table import Item
from deepgif.training.scenes.gif import encode_gif
from deepgif.training.scenes.stage import Glyphs

GIF_SIZE = 192  # pixels a side
GIF_FRAMES = 10
MAX_GIF_BYTES = 21_000  # aimed at, at ``GIF_SIZE``
LICENCE = "SIL Open Font License 1.1"
ATTRIBUTION = "Noto Color Emoji, Copyright Google LLC (SIL OFL 1.1)"
_LICENCE_TEXT = """\
# Licence of the catalogue

The GIFs in `gifs/` are made from the drawings of **Noto Color Emoji**, Copyright 2013-2023 Google LLC
(<https://github.com/googlefonts/noto-emoji>), licensed under the **SIL Open Font License, Version 1.1**.

What was changed: single drawings of the font were resized, rotated, mirrored and combined with painted backgrounds
and effects into animated scenes, reduced to few colours. No file here is a font or part of one.

The licence is available with a FAQ at <https://openfontlicense.org>, and its text is also in
<https://github.com/googlefonts/noto-emoji/blob/main/fonts/LICENSE>. The GIFs are passed on under the same licence.

Words in the pictures are set in **DejaVu Sans Condensed Bold** (<https://dejavu-fonts.github.io/License.html>), whose
licence does not extend to what is set in it.

Titles, alt texts, tags, descriptions and queries (`catalogue.json`, `descriptions.csv`, `queries.csv`) are part of
DeepGIF and under its licence.
"""


def document(items: Sequence[Item]) -> dict[str, object]:
    """What ``catalogue.json`` holds."""
    return {"version": 2, "licence": LICENCE, "attribution": ATTRIBUTION, "gifs": [_entry(item) for item in items]}


def _entry(item: Item) -> dict[str, object]:
    entry: dict[str, object] = {
        "file": item.file,
        "title": item.title,
        "alt_text": item.alt_text,
        "tags": list(item.tags),
        "rating": item.rating,
    }
    if item.reaction:
        entry["reaction"] = item.reaction
    if item.words_in_picture:
        entry["caption"] = item.words_in_picture
    return entry


def render(item: Item, glyphs: Glyphs, letters: Letters, size: int = GIF_SIZE) -> bytes:
    """The GIF file, ``size`` pixels a side."""
    clip = draw(item, size, GIF_FRAMES, glyphs, letters)
    return encode_gif(clip, round(1000 * item.seconds / GIF_FRAMES), MAX_GIF_BYTES * size**2 // GIF_SIZE**2)


def write_catalogue(
    folder: Path, items: Sequence[Item], glyphs: Glyphs, letters: Letters, size: int = GIF_SIZE
) -> Iterator[Path]:
    """Writes the catalogue into a folder; yields each GIF's path once it is written."""
    (folder / "gifs").mkdir(parents=True, exist_ok=True)
    for item in items:
        path = folder / item.file
        path.write_bytes(render(item, glyphs, letters, size))
        yield path
    text = json.dumps(document(items), ensure_ascii=False, indent=1)
    (folder / "catalogue.json").write_text(text + "\n", encoding="utf-8")
    (folder / "LICENSE.md").write_text(_LICENCE_TEXT, encoding="utf-8")
    with (folder / "descriptions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "sentence"))
        writer.writerows((item.file, item.sentence) for item in items)
