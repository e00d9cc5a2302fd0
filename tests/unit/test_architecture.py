"""Who may import whom, and how much the parts that must stay light pull in."""

import ast
import gc
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY_POINTS = {"engine/__main__.py", "engine/commands.py", "engine/configured.py", "bot/__main__.py"}
LIGHT = (
    "engine.types",
    "engine.errors",
    "engine.words",
    "engine.wire",
    "engine.client",
    "bot.__main__",
    "bot.service",
    "config.settings",
)
ALLOWED = {
    "models": {"models"},
    "engine": {"engine", "models"},
    "bot": {"bot", "engine"},
    "config": {"config"},
}


def parsed(path):
    """The syntax of a file. CPython 3.11 before 3.11.8 fails where garbage is collected meanwhile, which lets another
    thread run (gh-106905)."""
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imports_of(path):
    """The modules a file imports, wherever in the file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("package", ALLOWED)
def test_who_imports_whom(package):
    """bot may use engine, engine may use models, models neither; entry points read settings and put all together."""
    for path in (ROOT / package).rglob("*.py"):
        ours = {name for name in imports_of(path) if name.split(".")[0] in ALLOWED}
        allowed = ALLOWED[package] | ({"bot", "config"} if path.relative_to(ROOT).as_posix() in ENTRY_POINTS else set())
        assert {name.split(".")[0] for name in ours} <= allowed, path
        if package == "bot":
            assert {name for name in ours if name.startswith("engine")} <= set(LIGHT), path


def test_bots_stay_light():
    """What a bot needs loads neither torch nor numpy nor the engine's own libraries."""
    heavy = {"torch", "numpy", "PIL", "imageio", "tokenizers", "prometheus_client"}
    code = f"import sys, {', '.join(LIGHT)}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_unsafe_is_loaded():
    """No pickle anywhere, and torch.load only with weights_only."""
    for package in ALLOWED:
        for path in (ROOT / package).rglob("*.py"):
            assert not {"pickle", "marshal", "shelve", "joblib"} & set(imports_of(path)), path
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    assert any(
                        word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords
                    )
