"""What the command line says without doing anything."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deepgif.cli.app import app
from deepgif.cli.console import EXTRAS, plain_errors
from deepgif.config.settings import PREFIX, Settings

SOURCE = Path(__file__).resolve().parents[3] / "src"
run = CliRunner().invoke


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def commands(command, path=()):
    """Every command with its words."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help(path):
    """Every command explains itself, and no summary is cut on a terminal of 80 columns."""
    found = run(app, [*path, "--help"])
    assert found.exit_code == 0
    assert "..." not in found.output.partition("Commands:")[2]
    assert ALL[path].help or not path


def test_starting_is_quick():
    """Help and errors load neither a model's libraries nor a platform's."""
    heavy = "{'torch', 'numpy', 'PIL', 'discord', 'slack_bolt', 'sqlalchemy'}"
    code = f"import sys, deepgif.cli.app; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_version():
    """A number, and nothing else is done."""
    assert re.fullmatch(r"deepgif \d+\.\d+\S*\n", run(app, ["--version"]).output)


def test_models():
    """The bundled models with sizes and licences; the one in use is marked."""
    listed = {one["name"]: one for one in json.loads(run(app, ["models", "--json"]).output)}
    assert {"small", "small_motion", "clip_vit_b_32", "siglip2_b_16"} <= set(listed)
    assert [name for name, one in listed.items() if one["in_use"]] == ["small"]
    assert listed["small"]["bytes"] > 1e6
    assert not listed["small"]["downloads_weights"]
    assert listed["clip_vit_b_32"]["downloads_weights"]
    assert all(one["licence"] and one["version"] for one in listed.values())
    assert "small (in use)" in run(app, ["models"]).output


@pytest.mark.parametrize(("module", "extra"), [("torch", "engine"), *EXTRAS.items()])
def test_a_missing_package_names_its_extra(module, extra, capsys):
    """One line says what to install."""
    with pytest.raises(typer.Exit) as ended, plain_errors():
        raise ModuleNotFoundError(name=f"{module}.inner")
    said = capsys.readouterr().err
    assert ended.value.exit_code == 1
    assert said == f"{module} is not installed. Run: pip install 'deepgif[{extra}]'\n"


def test_a_module_of_ours_is_a_bug():
    """Only others' packages can be missing."""
    with pytest.raises(ModuleNotFoundError), plain_errors():
        raise ModuleNotFoundError(name="deepgif.nothing")


def test_ctrl_c(capsys):
    """130, as shells have it, and a line that says what was kept."""
    with pytest.raises(typer.Exit) as ended, plain_errors("Stopped here."):
        raise KeyboardInterrupt
    assert (ended.value.exit_code, capsys.readouterr().err) == (130, "Stopped here.\n")
