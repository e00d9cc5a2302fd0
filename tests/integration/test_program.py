"""The program as people use it: commands, the service as a process, and what survives a kill."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
from pathlib import Path

import aiohttp
import pytest
from PIL import Image, ImageDraw

from tests.fakes.media import animation
from tests.fakes.process import ROOT, child, deepgif, serving
from tests.fakes.waiting import WITHIN_S, until

COLOURS = ("red", "green", "blue", "yellow", "black", "white")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six GIFs of plain colours, one level down."""
    made = tmp_path / "gifs" / "plain"
    made.mkdir(parents=True)
    for colour in COLOURS:
        (made / f"plain_{colour}.gif").write_bytes(animation("GIF", [colour, colour], size=(64, 64)))
    return made.parent


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


async def test_index_search_and_info(folder: Path, data_dir: Path) -> None:
    """A folder is embedded once, searched by its pictures, and described; files that cannot be read are listed."""
    (folder / "broken.gif").write_bytes(b"GIF89a")
    status, out, err = await deepgif("index", str(folder), data_dir=data_dir)
    assert status == 0, err
    assert "6 GIFs can be found: 6 new, 0 already indexed." in out
    assert "Skipped broken.gif: The GIF is truncated in its header." in err
    status, out, err = await deepgif("index", str(folder), "--json", data_dir=data_dir)
    report = json.loads(out)
    assert (status, report["known"], report["embedded"]) == (0, 6, 0)
    assert report["unreadable"] == [["broken.gif", "The GIF is truncated in its header."]]

    arguments = ("search", "--folder", str(folder), "--limit", "2", "--json", "a red wall")
    status, out, err = await deepgif(*arguments, data_dir=data_dir)
    answer = json.loads(out)
    assert status == 0, err
    assert answer["coverage"] == {"embedded": 6, "total": 6, "fraction": 1.0}
    assert answer["results"][0]["title"] == "Plain red"
    assert answer["results"][0]["url"] == (folder / "plain" / "plain_red.gif").as_uri()
    assert answer["results"][0]["score"] > answer["results"][1]["score"]

    status, out, err = await deepgif("info", "--json", "--folder", str(folder), data_dir=data_dir)
    facts = json.loads(out)
    assert (status, facts["gifs_in_folder"], facts["gifs_embedded"]) == (0, 6, 6)
    assert facts["model"].startswith("small@")


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (("search", " "), {}, "Describe the GIF"),
        (("search", "x" * 10_000), {}, "10,000 characters"),
        (("search", "cat", "--folder", "nowhere"), {}, "There is no folder"),
        (("index", "nowhere"), {}, "There is no folder"),
        (("search", "cat", "--model", "nothing"), {}, "There is no model in nothing"),
        (("info", "--model", "nothing"), {}, "There is no model in nothing"),
        (("search", "cat", "--engine-url", "http://127.0.0.1:9"), {}, "reach the search engine"),
        (("search", "cat", "--engine-url", "gifs"), {}, "DEEPGIF_ENGINE_URL is wrong"),
        (("search", "cat"), {"device": "tpu"}, "DEEPGIF_DEVICE is wrong"),
        (("search", "cat"), {"device": "cuda"}, "no GPU"),
        (("serve", "--host", "0.0.0.0"), {}, "set DEEPGIF_ENGINE_TOKEN"),
        (("serve", "--port", "99999"), {}, "DEEPGIF_PORT is wrong"),
    ],
)
async def test_what_cannot_be_done(
    arguments: tuple[str, ...], settings: dict[str, str], says: str, data_dir: Path
) -> None:
    """One sentence that says what to do, exit status 1, nothing on standard output, and no stack trace."""
    status, out, err = await deepgif(*arguments, data_dir=data_dir, **settings)
    assert (status, out) == (1, "")
    assert says in " ".join(err.split())
    assert "Traceback" not in err


async def test_help_teaches(data_dir: Path) -> None:
    """Help shows an example for the main job, without loading a model."""
    status, out, _ = await deepgif("--help", data_dir=data_dir)
    assert status == 0
    assert 'deepgif search "when the build passes"' in out
    for command in ("init", "search", "serve", "demo", "index", "reindex", "models", "info", "bot"):
        assert command in out
        status, _, _ = await deepgif(command, "--help", data_dir=data_dir)
        assert status == 0


async def test_serve(folder: Path, data_dir: Path) -> None:
    """The service prints its page's address, becomes ready, answers, serves the media, and stops when asked to."""
    async with serving("--folder", str(folder), data_dir=data_dir) as served, aiohttp.ClientSession() as http:
        assert "Search page:" in served.said
        assert (await served.ready())["total"] == 6
        async with http.get(f"{served.origin}/v1/search", params={"q": "a blue wall", "limit": "3"}) as response:
            best = (await response.json())["results"][0]
        assert best["title"] == "Plain blue"
        async with http.get(best["url"]) as response:
            assert await response.read() == (folder / "plain" / "plain_blue.gif").read_bytes()
        async with http.get(f"{served.origin}/metrics") as response:
            assert "deepgif_gifs 6.0" in await response.text()
        status, out, err = await deepgif(
            "search", "a blue wall", "--json", "--engine-url", served.origin, data_dir=data_dir
        )
        assert status == 0, err
        assert json.loads(out)["results"][0]["url"] == best["url"]
        port = served.origin.rsplit(":", 1)[1]
        status, _, err = await deepgif("serve", "--port", port, data_dir=data_dir)
        assert status == 1
        assert f"Port {port} is taken" in err
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0


async def test_demo(data_dir: Path) -> None:
    """The bundled GIFs, whatever is configured."""
    settings = {"folder": "nowhere", "giphy_api_key": "key", "redis_url": "redis://127.0.0.1:9", "host": "0.0.0.0"}
    command = ("-m", "deepgif.cli", "demo", "--port", "0")
    async with child(*command, data_dir=data_dir, **settings) as served, aiohttp.ClientSession() as http:

        async def ready() -> bool:
            async with http.get(f"{served.origin}/readyz") as response:
                total = (await response.json()).get("total")
                return total == len(list((ROOT / "engine" / "catalogue" / "gifs").iterdir()))

        await until(ready)


async def test_nobody_s_words_are_logged(folder: Path, data_dir: Path) -> None:
    """At the default level neither good nor bad searches leave their words in the log."""
    async with serving("--folder", str(folder), data_dir=data_dir) as served, aiohttp.ClientSession() as http:
        await served.ready()
        for query in ("secretwords", "secretwords" * 200):
            async with http.get(f"{served.origin}/v1/search", params={"q": query}):
                pass
            async with http.post(f"{served.origin}/v1/search", json={"query": query}):
                pass
        served.process.send_signal(signal.SIGINT)
        assert served.process.stderr is not None
        log = served.said + (await served.process.stderr.read()).decode()
    assert "Ready with the model" in log
    assert "secretwords" not in log


async def more_than(http: aiohttp.ClientSession, origin: str, stored: int) -> bool:
    """Whether more GIFs can be found than were stored, or all."""
    async with http.get(f"{origin}/readyz") as response:
        body = await response.json()
        return response.status == 200 and (body["embedded"] > stored or body["embedded"] == body["total"] != 0)


async def test_killed_at_any_moment(tmp_path: Path, data_dir: Path) -> None:
    """Killed while it embeds, again and again: the database stays whole, what was stored stays, and the last run
    finds every GIF."""
    made = tmp_path / "many"
    made.mkdir()
    for number in range(150):
        picture = Image.new("RGB", (64, 64), COLOURS[number % len(COLOURS)])
        ImageDraw.Draw(picture).text((5, 20), str(number), fill="gray")
        picture.save(made / f"{number}.gif")
    rng = random.Random(0)
    stored = 0
    for _ in range(4):
        async with serving("--folder", str(made), data_dir=data_dir) as served, aiohttp.ClientSession() as http:
            await until(lambda: more_than(http, served.origin, stored))  # noqa: B023
            await asyncio.sleep(rng.random() / 5)
            served.process.kill()
            await served.process.wait()
        connection = sqlite3.connect(data_dir / "deepgif.sqlite")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ((now,),) = connection.execute("SELECT COUNT(*) FROM embeddings WHERE length(vector) = 2048").fetchall()
        connection.close()
        assert now >= stored
        stored = now
    assert stored > 0
    status, out, err = await deepgif("index", str(made), "--json", data_dir=data_dir)
    report = json.loads(out)
    assert status == 0, err
    assert report["known"] >= stored
    assert report["known"] + report["embedded"] == 150
