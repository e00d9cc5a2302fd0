"""Export, import, backup and restore as people use them, while a real engine is at work."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from pathlib import Path

import pytest

from deepgif.bot.store.database import FILE, Database, database_url
from tests.fakes.media import animation
from tests.fakes.process import deepgif, serving
from tests.fakes.waiting import WITHIN_S

COLOURS = ("red", "green", "blue", "yellow", "black", "white")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "gifs"
    made.mkdir()
    for colour in COLOURS:
        (made / f"plain_{colour}.gif").write_bytes(animation("GIF", [colour, colour], size=(64, 64)))
    return made


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


async def test_from_one_engine_to_another(folder: Path, data_dir: Path, tmp_path: Path) -> None:
    """What a running engine has embedded is exported, imported elsewhere, and found there without being embedded
    again; a running engine takes an import too."""
    other = tmp_path / "other"
    other.mkdir()
    known = tmp_path / "known.safetensors"
    async with serving("--folder", str(folder), data_dir=data_dir) as served:
        await served.ready()
        status, out, err = await deepgif("export", str(known), data_dir=data_dir)
        assert status == 0, err
        assert "Exported 6 embeddings and the texts of 0 GIFs." in out
        status, out, err = await deepgif("export", str(known), data_dir=data_dir)
        assert (status, out) == (1, "")
        assert "already exists" in " ".join(err.split())
        status, out, err = await deepgif("import", str(known), "--json", data_dir=data_dir)
        assert status == 0, err
        assert json.loads(out) == {"gifs": 0, "vectors": 0, "known": 6, "left_out": 0}
    status, out, err = await deepgif("import", str(known), data_dir=other)
    assert status == 0, err
    assert "Imported 6 embeddings and the texts of 0 GIFs; 0 existed already" in " ".join(out.split())
    status, out, err = await deepgif("index", str(folder), "--json", data_dir=other)
    report = json.loads(out)
    assert status == 0, err
    assert (report["known"], report["embedded"]) == (6, 0)
    status, out, err = await deepgif("export", str(known), "--force", "--json", data_dir=other)
    assert status == 0, err
    assert json.loads(out) == {"gifs": 0, "vectors": 6, "files": [str(known)], "damaged": 0}


async def test_there_and_back(folder: Path, data_dir: Path, tmp_path: Path) -> None:
    """A copy that was made while the engine runs is put back once it has stopped, and not before."""
    copy = tmp_path / "copy.sqlite"
    async with serving("--folder", str(folder), data_dir=data_dir) as served:
        await served.ready()
        status, out, err = await deepgif("backup", str(copy), data_dir=data_dir)
        assert status == 0, err
        assert f"Backed up deepgif.sqlite to {copy}" in " ".join(out.split())
        status, out, err = await deepgif("restore", str(copy), data_dir=data_dir)
        assert (status, out) == (1, "")
        assert "is in use" in " ".join(err.split())
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0
    connection = sqlite3.connect(data_dir / "deepgif.sqlite")
    with connection:
        connection.execute("DELETE FROM embeddings")
    connection.close()
    status, out, err = await deepgif("restore", str(copy), data_dir=data_dir)
    assert status == 0, err
    assert "deepgif.sqlite.before-restore" in "".join(out.split())
    status, out, err = await deepgif("index", str(folder), "--json", data_dir=data_dir)
    assert (status, json.loads(out)["known"], json.loads(out)["embedded"]) == (0, 6, 0), err


async def test_what_bots_keep(data_dir: Path, tmp_path: Path) -> None:
    """The bots' file goes the same way, while they run; an address is left to its own tools."""
    copy = tmp_path / "bots.sqlite"
    async with Database(database_url("", data_dir)) as database:
        async with database.write() as connection:
            await connection.exec_driver_sql("INSERT INTO posted_gifs VALUES ('slack', 'T', 'C', 'giphy', 'gif1', 1)")
        status, _, err = await deepgif("backup", "--bots", str(copy), data_dir=data_dir)
        assert status == 0, err
        status, _, err = await deepgif("restore", "--bots", str(copy), data_dir=data_dir)
        assert status == 1
        assert "is in use" in " ".join(err.split())
    (data_dir / FILE).unlink()
    status, _, err = await deepgif("restore", "--bots", str(copy), data_dir=data_dir)
    assert status == 0, err
    async with Database(database_url("", data_dir)) as database:
        assert await database.workspaces("slack") == ["T"]
    status, _, err = await deepgif("restore", str(copy), data_dir=data_dir)
    assert status == 1
    assert "is not a backup of this database" in " ".join(err.split())
    status, _, err = await deepgif(
        "backup", "--bots", str(copy), data_dir=data_dir, bot_database_url="postgresql://x/y"
    )
    assert status == 1
    assert "pg_dump" in " ".join(err.split())


@pytest.mark.parametrize("command", ["export", "import", "backup", "restore"])
async def test_what_cannot_be_done(command: str, data_dir: Path, tmp_path: Path) -> None:
    """Nothing to take, nowhere to put it: one sentence, exit status 1, no stack trace."""
    status, out, err = await deepgif(command, str(tmp_path / "nowhere" / "it"), data_dir=data_dir)
    assert (status, out) == (1, "")
    assert "There is no" in " ".join(err.split())
    assert "Traceback" not in err
    status, out, _ = await deepgif(command, "--help", data_dir=data_dir)
    assert status == 0
