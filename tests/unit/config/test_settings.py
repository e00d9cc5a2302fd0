"""Settings: their defaults, their sources, and the sentence that names what is wrong."""

import re
from pathlib import Path

import pytest

from deepgif.config.settings import PREFIX, Settings, SettingsError, default_data_dir, load_settings

EXAMPLE = Path(__file__).resolve().parents[3] / "config" / "example.env"
COMMENTED_OUT = {"data_dir"}  # its default depends on who runs it


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_example_lists_every_setting_with_its_default(tmp_path, monkeypatch):
    """config/example.env names all settings, and copied as it is, changes nothing."""
    text = EXAMPLE.read_text(encoding="utf-8")
    named = set(re.findall(rf"^#? ?{PREFIX}(\w+)=", text, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}
    assert set(re.findall(rf"^# {PREFIX}(\w+)=", text, re.MULTILINE)) == {name.upper() for name in COMMENTED_OUT}
    before = load_settings()
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert load_settings() == before


def test_every_setting_is_described():
    """The description is what people read when a setting is wrong."""
    assert all(field.description for field in Settings.model_fields.values())


def test_the_environment_goes_before_the_file_and_arguments_before_both(tmp_path, monkeypatch):
    """.env, then the environment, then what is given; None is not given."""
    (tmp_path / ".env").write_text("DEEPGIF_PORT=1\nDEEPGIF_HOST=::1\nDEEPGIF_THREADS=2\nOTHER=1\n", encoding="utf-8")
    monkeypatch.setenv("DEEPGIF_PORT", "2")
    monkeypatch.setenv("DEEPGIF_THREADS", "3")
    settings = load_settings(threads=4, host=None)
    assert (settings.host, settings.port, settings.threads) == ("::1", 2, 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("port", "eight"),
        ("device", "tpu"),
        ("max_rating", "x"),
        ("public_url", "gifs.example.org"),
        ("engine_url", "ftp://x"),
        ("token", "two words"),
        ("log_level", "loud"),
        ("threads", "-1"),
        ("drain_s", "soon"),
        ("drain_s", "-1"),
    ],
)
def test_wrong_settings_are_named(name, value, monkeypatch):
    """One sentence with the setting's name; the value, which may be a key, is not repeated."""
    monkeypatch.setenv(PREFIX + name.upper(), value)
    with pytest.raises(SettingsError, match=PREFIX + name.upper()) as caught:
        load_settings()
    if name == "token":
        assert value not in str(caught.value)


def test_the_token_is_not_shown(monkeypatch):
    """Printing settings does not print the key."""
    monkeypatch.setenv("DEEPGIF_TOKEN", "s3cret")
    settings = load_settings()
    assert "s3cret" not in f"{settings} {settings!r}"
    assert settings.token.get_secret_value() == "s3cret"


def test_folders(monkeypatch, tmp_path):
    """An empty folder is none, and ~ is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DEEPGIF_FOLDER", "")
    assert load_settings().folder is None
    assert load_settings(folder="~/gifs").folder == tmp_path / "gifs"


def test_the_data_folder(monkeypatch, tmp_path):
    """Below XDG_DATA_HOME, or below ~/.local/share where that is not set or not absolute."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert default_data_dir() == tmp_path / ".local" / "share" / "deepgif"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_data_dir() == tmp_path / "data" / "deepgif"
