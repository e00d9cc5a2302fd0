"""Who may import whom, and how much the parts that must stay light pull in."""

import ast
import gc
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bot", "cli", "config", "engine", "models", "training")
ALLOWED = {
    "models": {"models"},
    "training": {"training", "models"},
    "engine": {"engine", "models"},
    "bot": {"bot", "engine"},
    "config": {"config"},
    "cli": {"cli", "bot", "engine", "models", "config"},
}
MEASURES_THE_CATALOGUE = {"training/evaluation/figures.py"}  # which belongs to the engine
READS_SETTINGS = {"bot/__main__.py"}  # entry points outside of cli/
FOR_BOTS = ("engine.types", "engine.errors", "engine.api.client")
LIGHT = (*FOR_BOTS, "engine.api.schemas", "bot.__main__", "bot.chat.service", "config.settings")
# Folders of the engine, lowest first: a folder imports only those before it. Modules beside the folders are for all.
LAYERS = ("store", "media", "index", "providers", "ingest", "search", "cluster", "api", "admin")


def parsed(path):
    """The syntax tree of a file. CPython 3.11 before 3.11.8 fails if garbage is collected meanwhile, which lets another
    thread run (gh-106905)."""
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


@cache
def imports_of(path, at_run_time=False):
    """The modules that a file imports, wherever in the file, without ``deepgif.`` in front."""

    def names(node):
        for child in ast.iter_child_nodes(node):
            if at_run_time and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                yield child.module
                yield from (f"{child.module}.{alias.name}" for alias in child.names)
            else:
                yield from names(child)

    return {name.removeprefix("deepgif.") for name in names(parsed(path))}


def modules():
    """Each product module by its name, without ``deepgif.`` in front."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def test_names_are_complete():
    """All that is installed is below ``deepgif``, and each folder that it comes from is known here."""
    links = {path.name for path in (ROOT / "src" / "deepgif").iterdir() if path.is_symlink()}
    assert links == set(PACKAGES)
    for _, path in modules():
        bare = {name for name in imports_of(path) if name.split(".")[0] in PACKAGES}
        text = path.read_text(encoding="utf-8")
        assert not any(f"\nfrom {name} import" in text or f"\nimport {name}\n" in text for name in bare), path


@pytest.mark.parametrize("package", PACKAGES)
def test_who_imports_whom(package):
    """Arrows run downwards: bots use the engine's client, the engine uses models, and nothing uses training."""
    for path in (ROOT / package).rglob("*.py"):
        ours = {name for name in imports_of(path) if name.split(".")[0] in PACKAGES}
        name = path.relative_to(ROOT).as_posix()
        allowed = ALLOWED[package] | ({"config"} if name in READS_SETTINGS else set())
        assert {one.split(".")[0] for one in ours} <= allowed, path
        if package == "bot":
            engine = {one for one in ours if one.startswith("engine.")}
            assert all(one.startswith(FOR_BOTS) for one in engine), (path, engine)


def test_layers_of_the_engine():
    """A folder of the engine uses only folders below it."""
    for name, path in modules():
        if not name.startswith("engine.") or name.split(".")[1] not in LAYERS:
            continue
        layer = LAYERS.index(name.split(".")[1])
        used = {one.split(".")[1] for one in imports_of(path, at_run_time=True) if one.startswith("engine.")}
        above = {one for one in used if one in LAYERS and LAYERS.index(one) > layer}
        assert not above, (path, above)


def test_no_import_circles():
    """No module imports itself through others, not even within functions."""
    known = dict(modules())
    graph = {name: {one for one in imports_of(path, at_run_time=True) if one in known} for name, path in known.items()}
    done: set[str] = set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for used in sorted(graph[name] - {name}):
                visit(used, [*trail, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])


def test_bots_stay_light():
    """What a bot needs loads neither torch nor numpy nor the engine's own libraries."""
    heavy = {"torch", "numpy", "PIL", "imageio", "tokenizers", "prometheus_client"}
    names = ", ".join(f"deepgif.{name}" for name in LIGHT)
    code = f"import sys, {names}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_unsafe_is_loaded():
    """No pickle anywhere, and torch.load only with weights_only."""
    for _, path in modules():
        assert not {"pickle", "marshal", "shelve", "joblib"} & imports_of(path), path
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
