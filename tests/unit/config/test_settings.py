"""Settings: their defaults, their sources, and the sentence that names what is wrong."""

import re
from pathlib import Path

import pytest

from deepgif.config.reference import env, markdown
from deepgif.config.settings import PREFIX, Settings, SettingsError, default_data_dir, load_settings

EXAMPLE = Path(__file__).resolve().parents[3] / "config" / "example.env"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_example_is_generated():
    """config/example.env is what the script makes of the settings."""
    assert EXAMPLE.read_text(encoding="utf-8") == env(), "run: python -m deepgif.config.reference env"


def test_the_example_changes_nothing(tmp_path):
    """Copied as it is, it leaves every setting at its default."""
    before = load_settings()
    (tmp_path / ".env").write_text(env(), encoding="utf-8")
    assert load_settings() == before


def test_the_tables_list_every_setting():
    """One row each, with its default."""
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \|", markdown(), re.MULTILINE)
    assert [name for name, _ in rows] == [name.upper() for name in Settings.model_fields]
    assert dict(rows)["PORT"] == "`8710`"


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
        ("engine_token", "two words"),
        ("log_level", "loud"),
        ("threads", "-1"),
        ("shutdown_drain_seconds", "soon"),
        ("shutdown_drain_seconds", "-1"),
        ("bot_encryption_key", "15characterslong"[:15]),
    ],
)
def test_wrong_settings_are_named(name, value, monkeypatch):
    """One sentence with the setting's name; the value, which may be a key, is not repeated."""
    monkeypatch.setenv(PREFIX + name.upper(), value)
    with pytest.raises(SettingsError, match=PREFIX + name.upper()) as caught:
        load_settings()
    if name in ("engine_token", "bot_encryption_key"):
        assert value not in str(caught.value)


def test_the_token_is_not_shown(monkeypatch):
    """Printing settings does not print the key."""
    monkeypatch.setenv("DEEPGIF_ENGINE_TOKEN", "s3cret")
    settings = load_settings()
    assert "s3cret" not in f"{settings} {settings!r}"
    assert settings.engine_token.get_secret_value() == "s3cret"


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


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("DEEPGIF_GIPHY_APIKEY", "Did you mean DEEPGIF_GIPHY_API_KEY?"),
        ("deepgif_max_ratting", "Did you mean DEEPGIF_MAX_RATING?"),
        ("DEEPGIF_XYZZY_PLUGH_FROTZ", "config/example.env"),
    ],
)
@pytest.mark.parametrize("file", [False, True])
def test_misspelt_settings(name, says, file, monkeypatch, tmp_path):
    """A name that is no setting is an error, with the nearest one."""
    if file:
        (tmp_path / ".env").write_text(f"{name}=x\n", encoding="utf-8")
    else:
        monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=re.escape(says)) as caught:
        load_settings()
    assert name.upper() in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEEPGIF_ENGINE_PORT", "tcp://10.0.0.1:8710"),
        ("DEEPGIF_ENGINE_PORT_8710_TCP_ADDR", "10.0.0.1"),
        ("DEEPGIF_ENGINE_SERVICE_HOST", "10.0.0.1"),
        ("DEEPGIF_ENGINE_SERVICE_PORT_HTTP", "8710"),
    ],
)
def test_variables_of_kubernetes_are_no_settings(name, value, monkeypatch):
    """Kubernetes sets these for a service named deepgif-engine."""
    monkeypatch.setenv(name, value)
    load_settings()
