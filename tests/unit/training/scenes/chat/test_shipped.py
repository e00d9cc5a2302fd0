"""The catalogue that ships with the engine, checked from its files and against the tables."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from deepgif.engine.types import Rating
from deepgif.training.scenes.chat.lettering import CAPTION_FONT, Letters
from deepgif.training.scenes.chat.table import items
from deepgif.training.scenes.chat.write import GIF_FRAMES, GIF_SIZE, document, render
from deepgif.training.scenes.grammar import content_stems
from deepgif.training.scenes.stage import Glyphs

FOLDER = Path(__file__).parents[5] / "engine" / "catalogue"
# What people send most (Shmueli, Ray & Ku 2021, ReactionGIF).
_REACTIONS = """
applause agree hug no yes shocked eye_roll smh eww thank_you seriously awww facepalm ok thumbs_up oops popcorn sigh
oh_snap omg you_got_this scared dance wink high_five idk slow_clap happy_dance good_luck shrug please want do_not_want
yawn thumbs_down hearts deal_with_it win fist_bump mic_drop kiss yolo sorry
"""
REACTIONS = _REACTIONS.split()


def read(name: str) -> list[dict[str, str]]:
    """The rows of a shipped table."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_reaction_has_at_least_five_gifs() -> None:
    """Of all kinds that people send; and there are at least 150 GIFs for other things."""
    kinds = Counter(item.reaction for item in items())
    assert {kind for kind in kinds if kind} == set(REACTIONS)
    assert min(kinds[kind] for kind in REACTIONS) >= 5
    assert kinds[None] >= 150


def test_the_document_is_what_the_tables_say() -> None:
    """Titles, alt texts, tags, ratings, reactions and words in the picture; ratings are ones the engine knows."""
    shipped = json.loads((FOLDER / "catalogue.json").read_text(encoding="utf-8"))
    assert shipped == document(items())
    assert {entry["rating"] for entry in shipped["gifs"]} <= set(Rating)
    assert all(entry["title"] and entry["alt_text"].endswith((".", "!")) for entry in shipped["gifs"])
    assert all(len(entry["tags"]) >= 3 for entry in shipped["gifs"])
    assert len({entry["title"] for entry in shipped["gifs"]}) == len(shipped["gifs"])


def test_descriptions_use_other_words_than_titles() -> None:
    """One for each GIF, as in the tables, without a word of its title."""
    assert [(row["file"], row["sentence"]) for row in read("descriptions.csv")] == [
        (item.file, item.sentence) for item in items()
    ]
    for item in items():
        assert not content_stems(item.sentence) & content_stems(item.title), item.name


def test_queries_accept_gifs_that_ship() -> None:
    """At least 300 different ones, half for choosing and half for judging, each with GIFs of the catalogue."""
    rows = read("queries.csv")
    assert len({row["query"] for row in rows}) == len(rows) >= 300
    assert Counter(row["split"] for row in rows) == {"dev": len(rows) // 2, "test": len(rows) - len(rows) // 2}
    files = {item.file for item in items()}
    accepted = [row["accepted"].split(" ") for row in rows]
    assert all(len(set(some)) == len(some) and set(some) <= files for some in accepted)
    assert {file for some in accepted for file in some} == files


def test_files_are_all_there_and_small() -> None:
    """The GIFs listed and nothing else; the whole catalogue takes at most 10 MB."""
    found = {path.relative_to(FOLDER).as_posix() for path in (FOLDER / "gifs").iterdir()}
    assert found == {item.file for item in items()}
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 10_000_000


def test_every_gif_decodes_and_moves() -> None:
    """Each file is an endless animation of the stated size and length, and its frames differ."""
    for item in items():
        with Image.open(FOLDER / item.file) as image:
            assert image.size == (GIF_SIZE, GIF_SIZE), item.name
            assert image.info["loop"] == 0
            frames, duration_ms = set(), 0
            for frame in ImageSequence.Iterator(image):
                frames.add(frame.convert("RGB").tobytes())
                duration_ms += frame.info["duration"]
            assert len(frames) >= 3, item.name
            assert duration_ms == pytest.approx(1000 * item.seconds, abs=10 * GIF_FRAMES)


def test_no_two_gifs_are_the_same() -> None:
    """Equal files would be one GIF to the engine."""
    assert len({(FOLDER / item.file).read_bytes() for item in items()}) == len(items())


@pytest.mark.parametrize("place", [0, 57, 123, 260, -1])
def test_what_ships_is_what_the_renderer_makes(place: int, glyphs: Glyphs, letters: Letters) -> None:
    """Byte for byte."""
    item = items()[place]
    assert (FOLDER / item.file).read_bytes() == render(item, glyphs, letters), item.name


def test_the_licence_is_named() -> None:
    """The notice names the fonts, their owner, the licence and what was changed."""
    text = (FOLDER / "LICENSE.md").read_text(encoding="utf-8")
    for part in ("Noto Color Emoji", "Google", "SIL Open Font License, Version 1.1", "What was changed", "DejaVu"):
        assert part in text
    assert CAPTION_FONT.stem == "DejaVuSansCondensed-Bold"
