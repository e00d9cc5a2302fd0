"""Writing the catalogue."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepgif.training.scenes import __main__ as command
from deepgif.training.scenes.chat.lettering import Letters
from deepgif.training.scenes.chat.table import items
from deepgif.training.scenes.chat.write import write_catalogue
from deepgif.training.scenes.stage import Glyphs


def test_writing_is_reproducible(glyphs: Glyphs, letters: Letters, tmp_path: Path) -> None:
    """Two runs write the same bytes, and every part."""
    few = items()[:3]
    first, second = (
        [path.read_bytes() for path in write_catalogue(tmp_path / name, few, glyphs, letters, size=32)]
        for name in ("one", "two")
    )
    assert first == second
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "catalogue.json",
        "descriptions.csv",
        "LICENSE.md",
        "gifs",
    }
    listed = json.loads((tmp_path / "one" / "catalogue.json").read_text(encoding="utf-8"))["gifs"]
    assert [entry["file"] for entry in listed] == [item.file for item in few]
    with (tmp_path / "one" / "descriptions.csv").open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [item.file for item in few]


def test_the_command_says_how_much_there_is(
    glyphs: Glyphs, letters: Letters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It draws what the tables hold."""
    monkeypatch.setattr(command, "items", lambda: items()[:2])
    result = CliRunner().invoke(command.app, [str(tmp_path / "made"), "--size", "32"])
    assert result.exit_code == 0, result.output
    assert "2 GIFs" in result.output


@pytest.mark.parametrize(
    ("option", "package"), [("--font", "fonts-noto-color-emoji"), ("--caption-font", "fonts-dejavu-extra")]
)
def test_without_a_font_the_command_says_what_to_do(option: str, package: str, glyphs: Glyphs, tmp_path: Path) -> None:
    """One sentence, and no half catalogue."""
    result = CliRunner().invoke(command.app, [str(tmp_path / "made"), option, str(tmp_path / "none.ttf")])
    assert result.exit_code == 1
    assert package in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "made").exists()
