"""The catalogue that ships with the engine, checked from its files and against the code."""

import csv
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image, ImageSequence
from typer.testing import CliRunner

from deepgif.training.scenes import catalogue
from deepgif.training.scenes.__main__ import app
from deepgif.training.scenes.catalogue import (
    FRAME_MS,
    GIF_FRAMES,
    GIF_SIZE,
    catalogue_document,
    catalogue_queries,
    is_shipped_combination,
    shipped_entries,
    shipped_scenes,
    write_catalogue,
)
from deepgif.training.scenes.grammar import content_stems
from deepgif.training.scenes.scene import Scene, title
from deepgif.training.scenes.stage import Glyphs
from deepgif.training.scenes.vocabulary import ACTIONS, SETTINGS, SUBJECTS

FOLDER = Path(__file__).parents[4] / "engine" / "catalogue"


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    """The shipped ``catalogue.json``."""
    loaded: dict[str, object] = json.loads((FOLDER / "catalogue.json").read_text(encoding="utf-8"))
    return loaded


def test_every_subject_action_and_setting_ships() -> None:
    """All subjects appear, actions and settings about equally often, and no subject does the same thing twice."""
    scenes = shipped_scenes()
    assert {scene.subject for scene in scenes} == set(SUBJECTS)
    actions = Counter(scene.action for scene in scenes)
    settings = Counter(scene.setting for scene in scenes)
    assert set(actions) == set(ACTIONS)
    assert set(settings) == set(SETTINGS)
    assert max(actions.values()) <= 2 * min(actions.values())
    assert max(settings.values()) <= 1.2 * min(settings.values())
    assert len({scene.names[:3] for scene in scenes}) == len(scenes)


def test_shipped_combinations_are_recognised() -> None:
    """A scene counts as shipped with the same subject and action and either the same object or the same setting."""
    shipped = next(scene for scene in shipped_scenes() if scene.action.name == "chases")
    elsewhere = next(setting for setting in SETTINGS if setting != shipped.setting)
    after = next(o for o in shipped.action.objects if o not in {shipped.object, shipped.subject})
    assert is_shipped_combination(shipped)
    assert is_shipped_combination(Scene(shipped.subject, shipped.action, shipped.object, elsewhere))
    assert is_shipped_combination(Scene(shipped.subject, shipped.action, after, shipped.setting))
    assert not is_shipped_combination(Scene(shipped.subject, shipped.action, after, elsewhere))


def test_document_matches_the_code(document: dict[str, object]) -> None:
    """The shipped file is what the code would write: titles, alt texts, files and ratings."""
    assert document == catalogue_document()


def test_queries_match_the_code_and_use_other_words() -> None:
    """There are two sentences for each GIF, as the code would write them, in words that its title does not use."""
    with (FOLDER / "queries.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "sentence"]
    assert [tuple(row) for row in rows] == catalogue_queries()
    titles = {entry.file: title(entry.scene) for entry in shipped_entries()}
    assert Counter(gif for gif, _ in rows) == dict.fromkeys(titles, 2)
    for gif, sentence in rows:
        assert not content_stems(sentence) & content_stems(titles[gif])


def test_files_are_all_there_and_small() -> None:
    """At least 300 GIFs, as many as are listed and nothing else, take at most 8 MB together."""
    listed = {entry.file for entry in shipped_entries()}
    found = {path.relative_to(FOLDER).as_posix() for path in (FOLDER / "gifs").iterdir()}
    assert found == listed
    assert len(listed) >= 300
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 8_000_000


def test_every_gif_decodes_and_moves() -> None:
    """Each file is an endless animation of the stated size, and its frames differ."""
    for entry in shipped_entries():
        with Image.open(FOLDER / entry.file) as image:
            assert image.size == (GIF_SIZE, GIF_SIZE), entry.file
            assert image.info["loop"] == 0
            frames, duration_ms = set(), 0
            for frame in ImageSequence.Iterator(image):
                frames.add(frame.convert("RGB").tobytes())
                duration_ms += frame.info["duration"]
            assert len(frames) >= GIF_FRAMES // 2, entry.file
            assert duration_ms == GIF_FRAMES * FRAME_MS, entry.file  # equal frames are joined into one


def test_licence_is_named(document: dict[str, object]) -> None:
    """The notice names the font, its owner, its licence and what was changed."""
    text = (FOLDER / "LICENSE.md").read_text(encoding="utf-8")
    for part in ("Noto Color Emoji", "Google", "SIL Open Font License, Version 1.1", "What was changed"):
        assert part in text
    assert "SIL Open Font License" in str(document["licence"])


def test_writing_is_reproducible(glyphs: Glyphs, tmp_path: Path) -> None:
    """Two runs write the same bytes."""
    first, second = (
        [path.read_bytes() for path in islice(write_catalogue(tmp_path / name, glyphs, size=32), 6)]
        for name in ("one", "two")
    )
    assert first == second


def test_command_writes_a_catalogue(glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes every part and says how much there is."""
    few = shipped_entries()[:3]
    monkeypatch.setattr(catalogue, "shipped_entries", lambda: few)
    result = CliRunner().invoke(app, [str(tmp_path / "made"), "--size", "32"])
    assert result.exit_code == 0, result.output
    assert "3 GIFs" in result.output
    made = {path.name for path in (tmp_path / "made").iterdir()}
    assert made == {"catalogue.json", "queries.csv", "LICENSE.md", "gifs"}
    assert len(json.loads((tmp_path / "made" / "catalogue.json").read_text())["gifs"]) == 3


def test_command_without_a_font_says_what_to_do(tmp_path: Path) -> None:
    """A missing font ends the command with one sentence and no half catalogue."""
    result = CliRunner().invoke(app, [str(tmp_path / "made"), "--font", str(tmp_path / "none.ttf")])
    assert result.exit_code == 1
    assert "fonts-noto-color-emoji" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "made").exists()
