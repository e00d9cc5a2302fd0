"""What is built installs under one name and runs outside the checkout."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
DATA = (
    "deepgif/py.typed",
    "deepgif/config/example.env",
    "deepgif/config/slack_manifest.yaml",
    "deepgif/engine/api/web/index.html",
    "deepgif/engine/catalogue/catalogue.json",
    "deepgif/models/clip_vit_b_32/bundle.json",
    "deepgif/models/small/model.safetensors",
    "deepgif/models/small_motion/ranking.json",
)


def build(tree: Path, what: str, into: Path) -> Path:
    """A wheel or sdist of ``tree``. Built without isolation: setuptools is the one that runs the tests."""
    command = (sys.executable, "-c", BUILD, what, str(into))
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    return into / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's files, links as links, and nothing that was built before."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    tree = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        source, target = ROOT / name, tree / name
        if name.startswith(("tests/", "benchmarks/")) or not (source.exists() or source.is_symlink()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    return tree


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(checkout, "build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel, beside the dependencies of the one that runs the tests."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run((sys.executable, "-m", "venv", str(folder)), check=True)
    python = folder / "bin" / "python"
    subprocess.run((str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)), check=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    # Paths that a .pth file names are not searched for other .pth files, so the editable install stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder whose files have the names of our folders."""
    for name in ("bot", "cli", "config", "engine", "models", "training"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('somebody else')\n", encoding="utf-8")
    return tmp_path


def run(environment: Path, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPGIF_", "PYTHON"))}
    settings = {"DEEPGIF_DATA_DIR": str(folder / "data"), "HOME": str(folder)}
    command = (str(environment / "bin" / program), *arguments)
    return subprocess.run(command, cwd=folder, env={**kept, **settings}, capture_output=True, text=True, check=False)


def test_wheel_holds_one_name_and_all_data(wheel: Path) -> None:
    """Nothing but ``deepgif`` goes to site-packages, with manifest, page, catalogue and models in it."""
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"deepgif"}
    assert set(DATA) <= set(names)
    assert sum(name.endswith(".gif") for name in names) == len(list((ROOT / "engine/catalogue/gifs").iterdir()))


def test_sdist_builds_the_same_wheel(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = build(checkout, "build_sdist", tmp_path)
    with tarfile.open(sdist) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    again = build(tmp_path / "unpacked" / sdist.name.removesuffix(".tar.gz"), "build_wheel", tmp_path)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())


def test_commands_run_outside_the_checkout(environment: Path, elsewhere: Path) -> None:
    """Where other files have the names of our folders, the programs are still ours."""
    found = run(environment, elsewhere, "deepgif", "info", "--json")
    assert found.returncode == 0, found.stderr
    assert str(ROOT) not in found.stdout
    bot = run(environment, elsewhere, "python", "-m", "deepgif.bot", "slack")
    assert (bot.returncode, bot.stdout) == (1, "")
    assert "DEEPGIF_SLACK_BOT_TOKEN" in bot.stderr
    assert "Traceback" not in bot.stderr


async def test_the_page_is_served(environment: Path, elsewhere: Path) -> None:
    """``deepgif serve`` from the wheel answers with page and catalogue."""
    from aiohttp import ClientSession

    folder = elsewhere / "gifs"
    folder.mkdir()
    gif = next((ROOT / "engine/catalogue/gifs").iterdir())
    shutil.copy(gif, folder / gif.name)
    process = await asyncio.create_subprocess_exec(
        *(str(environment / "bin" / "deepgif"), "serve", "--port", "0", "--folder", str(folder)),
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "HOME": str(elsewhere), "DEEPGIF_DATA_DIR": str(elsewhere / "data")},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        told = b""
        async for line in process.stderr:
            told += line
            if b"http://" in line:
                break
        address = told.decode().split("http://", 1)[1].split()[0]
        async with ClientSession() as session, session.get(f"http://{address}") as answer:
            assert answer.status == 200
            assert "DeepGIF" in await answer.text()
    finally:
        process.terminate()
        await process.wait()
