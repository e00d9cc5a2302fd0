"""What the documentation names exists: settings, metrics, routes, commands, modules, files, links and messages."""

import re
from pathlib import Path

import pytest
import typer.main
from markdown.extensions.toc import slugify

from deepgif.bot.chat.replies import OUT_OF_REACH
from deepgif.bot.discord.text import TEXT as DISCORD
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.slack.text import TEXT as SLACK
from deepgif.cli.app import app
from deepgif.config.settings import PREFIX, Settings
from deepgif.engine.api.openapi import document
from docs.hooks import on_page_markdown

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
FOLDERS = ("bot", "cli", "config", "deploy", "docs", "engine", "models", "tests", "tools", "training", "benchmarks")
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("bot", "cli", "config", "engine", "models")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
OLD_NAME = re.compile(r"(?:for|replaces)\s+`[^`]+`")  # in the changelog
CODE = re.compile(r"^ *```\w*\n(?P<block>.*?)^ *```|`(?P<line>[^`\n]+)`", re.MULTILINE | re.DOTALL)
FOREIGN = {"dispatch_failed", "The application did not respond"}  # messages that DeepGIF does not write
each_text = pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))


def read(path):
    return OLD_NAME.sub("", path.read_text(encoding="utf-8"))


def code_in(path):
    return "\n".join(match["block"] or match["line"] for match in CODE.finditer(read(path)))


def test_code_is_found():
    """What the tests below look at isn't empty."""
    assert "make demo" in code_in(ROOT / "README.md")
    assert "deepgif backup" in code_in(ROOT / "docs" / "self-hosting" / "operations.md")


@each_text
def test_settings_exist(path):
    assert set(re.findall(rf"{PREFIX}[A-Z0-9_]+[A-Z0-9]", read(path))) <= SETTINGS


@each_text
def test_metrics_exist(path):
    exposed = {line.split()[2] for line in BotMetrics().text().decode().splitlines() if line.startswith("# TYPE")}
    known = exposed | set(re.findall(r"\"(deepgif_[a-z_]+)\"", SOURCE))
    named = set(re.findall(r"\bdeepgif_[a-z_]+[a-z](?![.\w])", read(path)))
    assert {re.sub("_(total|bucket)$", "", name) for name in named} <= {re.sub("_total$", "", one) for one in known}


@each_text
def test_routes_exist(path):
    known = set(document()["paths"])
    assert set(re.findall(r"/v1/[a-z]+|/healthz|/readyz|/openapi\.json", read(path))) <= known | {"/v1/media"}


@each_text
def test_commands_exist(path):
    commands = typer.main.get_command(app).commands
    for name, rest in re.findall(r"(?:bin/|(?<![\w/@.-]))deepgif ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", code_in(path)):
        assert name in commands
        assert rest in ("", *getattr(commands[name], "commands", [rest]))


@each_text
def test_make_targets_exist(path):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)", code_in(path))) <= set(targets)


@each_text
def test_modules_exist(path):
    for name in re.findall(r"python -m ((?:deepgif|benchmarks|docs)[\w.]*)", code_in(path)):
        module = ROOT.joinpath(*name.removeprefix("deepgif.").split("."))
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), name


@each_text
def test_files_exist(path):
    """Paths that begin with a folder of the repository, except those of files to be written."""
    named = re.findall(rf"(?<![\w/.{{-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w", code_in(path))
    missing = [one for one in named if not (ROOT / one).exists() and not (ROOT / f"{one}.py").is_file()]
    assert [one for one in missing if "NAME" not in one] == []


def test_modules_in_diagrams_exist():
    text = read(ROOT / "docs" / "architecture.md")
    diagrams = "\n".join(re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL))
    modules = set(re.findall(r"(?<![\w/])[a-z_]+(?:/[a-z_]+)+", diagrams))
    assert len(modules) > 10
    where = (ROOT, ROOT / "bot", ROOT / "engine")
    assert {one for one in modules if not any((folder / f"{one}.py").is_file() for folder in where)} == set()


@each_text
def test_links_lead_somewhere(path):
    """Links to files of the repository, and to headings in them."""
    text = read(path)
    links = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r"\b(?:src|srcset)=\"([^\"]+)\"", text)]
    for link in links:
        inside = link.removeprefix("https://github.com/deepgif/deepgif/blob/main/")
        if "://" in inside:
            continue
        name, _, anchor = inside.partition("#")
        base = ROOT if inside != link else path.parent
        target = base / name if name else path
        assert target.is_file(), link
        if anchor and not anchor.startswith("only-"):
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slugify(heading, "-") for heading in headings}, link


def test_messages_in_troubleshooting_are_shown():
    source = re.sub(r"\"\n\s*f?\"", "", SOURCE)  # literals over several lines
    filled = (text.fill(OUT_OF_REACH) for text in (SLACK, DISCORD))
    shown = "\n".join((source, (ROOT / "Makefile").read_text(encoding="utf-8"), *filled))
    messages = re.findall(r"^\| .*?\*([^*]+)\*", read(ROOT / "docs" / "troubleshooting.md"), re.MULTILINE)
    assert len(messages) > 15
    for message in set(messages) - FOREIGN:
        assert all(part.strip() in shown for part in message.split("...")), message


def test_pages_are_filled_from_the_code():
    assert all(f"`{name}`" in on_page_markdown("<!-- settings -->") for name in SETTINGS)
    assert all(f" {route}`" in on_page_markdown("<!-- http-api -->") for route in document()["paths"])
