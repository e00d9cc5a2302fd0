"""Export and import: everything comes back, nothing else comes in."""

import asyncio
import json
import sqlite3
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, safe_open, save_file

from deepgif.engine.admin import export, export_format
from deepgif.engine.admin.export import Exported, Imported, export_data, import_data
from deepgif.engine.admin.export_format import part_path, parts_of
from deepgif.engine.errors import NotFoundError, StoreError
from deepgif.engine.providers.gif_store import SqliteGifStore
from deepgif.engine.store.database import Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import Candidate, Gif, GifKey, Rating

CLIPS, STILLS = "small@1/4x224", "small@1/4x224:still"
DAY_S = 24 * 3600.0
MONTH_S = 30 * DAY_S


def unit(count, dimension=8, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def candidate(number, provider="giphy"):
    key = GifKey(provider, f"gif{number}")
    gif = Gif(key, f"Tïtle {number} 🐱", "What it shows", Rating.PG, f"https://secret.example/{number}", 200, 100)
    return Candidate(gif, ("cat", "קפיצה"))


def remembered(database, days=10.0, provider="giphy"):
    return SqliteGifStore(database, provider, "", days=days, keep_urls=True)


async def fill(path, gifs=5, local=7):
    """Vectors of local GIFs in one space, and of a provider's in two, with their texts and addresses."""
    async with Database(path) as database:
        store = SqliteEmbeddingStore(database, 8)
        await store.put_many(CLIPS, {GifKey("folder", f"f{i}"): row for i, row in enumerate(unit(local, seed=1))})
        await remembered(database).put([candidate(i) for i in range(gifs)])
        for space in (CLIPS, STILLS):
            rows = unit(gifs, seed=len(space))
            await store.put_many(space, {GifKey("giphy", f"gif{i}"): rows[i] for i in range(gifs)})


def table(path, name, columns="*"):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT {columns} FROM {name} ORDER BY 1, 2, 3").fetchall()
    finally:
        connection.close()


TEXTS = "provider, id, title, alt_text, tags, rating, width, height, expires_at"


@pytest.fixture
async def exported(tmp_path):
    """One database, and its export."""
    await fill(tmp_path / "a.sqlite")
    await export_data(tmp_path / "a.sqlite", tmp_path / "known.safetensors")
    return tmp_path / "known.safetensors"


async def test_round_trip(tmp_path):
    """Every vector bit by bit, every text with its expiry; no address; and once more changes nothing."""
    await fill(tmp_path / "a.sqlite")
    seen = []
    done = await export_data(
        tmp_path / "a.sqlite", tmp_path / "known.safetensors", on_progress=lambda *both: seen.append(both)
    )
    assert done == Exported(5, 17, (str(tmp_path / "known.safetensors"),), 0)
    assert seen[-1] == (22, 22)
    assert b"secret.example" not in (tmp_path / "known.safetensors").read_bytes()
    target, seen = tmp_path / "below" / "b.sqlite", []
    done = await import_data(target, tmp_path / "known.safetensors", MONTH_S, lambda *both: seen.append(both))
    assert done == Imported(5, 17, 0, 0)
    assert seen[-1] == (44, 44)
    assert table(target, "embeddings") == table(tmp_path / "a.sqlite", "embeddings")
    assert table(target, "gifs", TEXTS) == table(tmp_path / "a.sqlite", "gifs", TEXTS)
    assert {row[0] for row in table(target, "gifs", "url, id, title")} == {""}
    before = table(target, "embeddings"), table(target, "gifs")
    assert await import_data(target, tmp_path / "known.safetensors", MONTH_S) == Imported(0, 0, 22, 0)
    assert (table(target, "embeddings"), table(target, "gifs")) == before


async def test_others_can_read_it(exported):
    """Any reader of safetensors finds the vectors and whose they are."""
    with safe_open(exported, framework="numpy") as file:
        chunks = json.loads(file.metadata()["chunks"])
        place = next(i for i, one in enumerate(chunks) if one.get("provider") == "folder")
        ids = json.loads(file.get_tensor(f"{place}.rows").tobytes())
        vectors = file.get_tensor(f"{place}.vectors")
    assert chunks[place]["space"] == CLIPS
    assert ids == [f"f{i}" for i in range(7)]
    np.testing.assert_allclose(vectors, unit(7, seed=1), atol=1e-3)


async def test_several_files(tmp_path, monkeypatch):
    """Much is cut into parts, which are imported by the one name; a missing or foreign part is noticed."""
    monkeypatch.setattr(export, "ROWS", 2)
    monkeypatch.setattr(export, "CHUNKS", 3)
    await fill(tmp_path / "a.sqlite")
    target = tmp_path / "known.safetensors"
    done = await export_data(tmp_path / "a.sqlite", target)
    paths = [part_path(target, part, 5) for part in range(1, 6)]  # 3 + 4 + 3 + 3 chunks
    assert done == Exported(5, 17, tuple(map(str, paths)), 0)
    assert parts_of(target) == paths
    (tmp_path / "other-00001-of-00002.safetensors").write_bytes(b"not this one")
    assert await import_data(tmp_path / "b.sqlite", target, MONTH_S) == Imported(5, 17, 0, 0)
    assert table(tmp_path / "b.sqlite", "embeddings") == table(tmp_path / "a.sqlite", "embeddings")
    with pytest.raises(StoreError, match="is only one of 5 parts"):
        await import_data(tmp_path / "c.sqlite", paths[1], MONTH_S)
    moved = paths[2].rename(tmp_path / "away")
    with pytest.raises(StoreError, match=f"Only 4 of the 5 parts of {target}"):
        await import_data(tmp_path / "c.sqlite", target, MONTH_S)
    await export_data(tmp_path / "b.sqlite", tmp_path / "more.safetensors")
    part_path(tmp_path / "more.safetensors", 3, 5).rename(paths[2])
    with pytest.raises(StoreError, match="parts of several exports"):
        await import_data(tmp_path / "c.sqlite", target, MONTH_S)
    assert moved.exists()
    assert not (tmp_path / "c.sqlite").exists()


async def test_what_is_known_stays(exported, tmp_path):
    """A vector that is there already is not replaced, nor is what was seen of a GIF more lately, with its address."""
    target = tmp_path / "b.sqlite"
    mine = unit(1, seed=9)[0]
    async with Database(target) as database:
        await SqliteEmbeddingStore(database, 8).put_many(CLIPS, {GifKey("folder", "f0"): mine})
        await remembered(database, days=20).put([candidate(0)])
        await remembered(database, days=1).put([candidate(1)])
    late = table(target, "gifs")[0]
    assert await import_data(target, exported, MONTH_S) == Imported(3, 16, 3, 0)
    async with Database(target) as database:
        found = await SqliteEmbeddingStore(database, 8).get_many(CLIPS, [GifKey("folder", "f0")])
    np.testing.assert_allclose(found["folder", "f0"], mine, atol=1e-3)
    rows = table(target, "gifs")
    assert rows[0] == late
    assert rows[1][:8] == table(tmp_path / "a.sqlite", "gifs")[1][:8]
    assert rows[1][9] == table(tmp_path / "a.sqlite", "gifs")[1][9]  # the later expiry
    assert rows[1][8] == "https://secret.example/1"


async def test_what_may_not_be_kept(tmp_path):
    """Texts that have expired are neither exported nor imported, nor are vectors without texts that are remembered;
    and nothing is kept for longer than this engine keeps such things."""
    source = tmp_path / "a.sqlite"
    await fill(source)
    connection = sqlite3.connect(source)
    with connection:
        connection.execute("UPDATE gifs SET expires_at = ? WHERE id = 'gif0'", (time.time() - 1,))
        connection.execute("DELETE FROM gifs WHERE id = 'gif1'")
    done = await export_data(source, tmp_path / "known.safetensors")
    assert (done.gifs, done.vectors, done.damaged) == (3, 13, 0)
    with connection:
        connection.execute("UPDATE gifs SET expires_at = ?", (time.time() + 3000,))
    await export_data(source, tmp_path / "more.safetensors")
    target, later = tmp_path / "b.sqlite", time.time() + 3600
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export.time, "time", lambda: later)
        assert await import_data(target, tmp_path / "more.safetensors", MONTH_S) == Imported(0, 7, 0, 12)
    assert await import_data(target, tmp_path / "known.safetensors", 60.0) == Imported(3, 6, 7, 0)
    assert all(row[9] <= time.time() + 60 for row in table(target, "gifs"))
    connection.close()


async def test_damaged_rows(tmp_path):
    """Rows that no engine would use are left out and counted; the rest is exported."""
    source = tmp_path / "a.sqlite"
    await fill(source)
    blobs = (b"12345", np.full(8, np.nan, "<f2").tobytes(), np.zeros(8, "<f2").tobytes(), "a text", b"")
    connection = sqlite3.connect(source)
    with connection:
        rows = [(CLIPS, "folder", f"bad{i}", blob) for i, blob in enumerate(blobs)]
        connection.executemany("INSERT INTO embeddings VALUES (?,?,?,?)", rows)
        connection.execute("UPDATE gifs SET rating = 'x' WHERE id = 'gif0'")
    connection.close()
    done = await export_data(source, tmp_path / "known.safetensors")
    assert (done.gifs, done.vectors, done.damaged) == (4, 17, 6)
    assert await import_data(tmp_path / "b.sqlite", tmp_path / "known.safetensors", MONTH_S) == Imported(4, 15, 0, 2)


async def test_nothing_to_export(tmp_path):
    """No database, or an empty one: one sentence, no file."""
    with pytest.raises(NotFoundError, match="There is no"):
        await export_data(tmp_path / "none.sqlite", tmp_path / "known.safetensors")
    assert not (tmp_path / "none.sqlite").exists()
    async with Database(tmp_path / "a.sqlite"):
        pass
    with pytest.raises(NotFoundError, match="nothing to export"):
        await export_data(tmp_path / "a.sqlite", tmp_path / "known.safetensors")
    assert not (tmp_path / "known.safetensors").exists()


async def test_files_that_are_there(exported, tmp_path):
    """Another file is not written over unless that was asked for; a folder that is not there is named."""
    source, before = tmp_path / "a.sqlite", exported.read_bytes()
    with pytest.raises(StoreError, match=r"known\.safetensors already exists.*--force"):
        await export_data(source, exported)
    assert exported.read_bytes() == before
    await export_data(source, exported, force=True)
    assert exported.read_bytes() != before  # another export
    with pytest.raises(StoreError, match="cannot be written"):
        await export_data(source, tmp_path / "nowhere" / "known.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".sqlite") == ["known.safetensors"]


async def test_while_others_write(tmp_path):
    """An export shows one moment: rows that are written together are there together or not at all."""
    source = tmp_path / "a.sqlite"
    async with Database(source) as database:
        store = SqliteEmbeddingStore(database, 8)
        rows = unit(40)

        async def write(number):
            pair = {GifKey("folder", f"{number:05}-{side}"): rows[side] for side in range(40)}
            await store.put_many(CLIPS, pair)

        await write(0)
        writing = asyncio.create_task(_on_and_on(write))
        for number in range(5):
            await asyncio.sleep(0.01)
            target = tmp_path / f"{number}.safetensors"
            done = await export_data(source, target)
            assert done.vectors % 40 == 0
            assert done.damaged == 0
            found = await import_data(tmp_path / f"{number}.sqlite", target, MONTH_S)
            assert found.vectors == done.vectors
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert await store.count(CLIPS, "folder") >= done.vectors > 0


async def _on_and_on(write):
    number = 1
    while True:
        await write(number)
        number += 1


async def refused(path, tmp_path, says):
    """The import says it in one sentence and makes no database."""
    target = tmp_path / "refused.sqlite"
    with pytest.raises(StoreError, match=says):
        await import_data(target, path, MONTH_S)
    assert not target.exists()


def forge(path, facts=None, chunks=None, tensors=None):
    """Writes the file anew with other metadata, chunks or tensors; sums are those of the new tensors."""
    held = {**load_file(path), **(tensors or {})}
    held = {name: tensor for name, tensor in held.items() if tensor is not None}
    with safe_open(path, framework="numpy") as file:
        meta = dict(file.metadata())
    heads = json.loads(meta["chunks"]) if chunks is None else chunks
    for place, head in enumerate(heads if isinstance(heads, list) else ()):
        if isinstance(head, dict) and f"{place}.rows" in held:
            head["sha256"] = export_format.digest(head, held[f"{place}.rows"], held.get(f"{place}.vectors"))
    meta["chunks"] = json.dumps(heads)
    save_file(held, path, {**meta, **(facts or {})})


def coded(rows):
    return np.frombuffer(json.dumps(rows).encode(), np.uint8)


def head_of(path):
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["chunks"])


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"version": "2"}, "probably a newer one"),
        ({"version": "x"}, "another version of DeepGIF"),
        ({"format": "pt"}, "is not an export of DeepGIF"),
        ({"part": "0"}, "damaged"),
        ({"parts": "99999999999"}, "damaged"),
        ({"parts": "2"}, "only one of 2 parts"),
        ({"part": "2"}, "only one of 1 parts"),
        ({"chunks": "["}, "damaged"),
        ({"chunks": "[" * 100_000}, "damaged"),
        ({"chunks": "{}"}, "damaged"),
        ({"chunks": "[1]"}, "damaged"),
        ({"chunks": "[]"}, "damaged"),
    ],
)
async def test_headers_that_are_not_ours(exported, tmp_path, facts, says):
    """Newer, foreign and invalid headers: one sentence, and nothing is written."""
    forge(exported, facts)
    await refused(exported, tmp_path, says)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": -1},
        {"rows": 4097},
        {"rows": 6},
        {"rows": True},
        {"rows": 1e9},
        {"kind": "pickles"},
        {"kind": "gifs"},
        {"space": ""},
        {"space": "x" * 2000},
        {"provider": "\ud800"},
        {"provider": 7},
        {"more": 1},
    ],
)
async def test_chunks_that_are_not_ours(exported, tmp_path, change):
    """What a chunk says of itself is checked before its tensors are."""
    heads = head_of(exported)
    place = next(i for i, one in enumerate(heads) if one["kind"] == "vectors")
    heads[place] |= change
    forge(exported, chunks=heads)
    await refused(exported, tmp_path, "damaged")


@pytest.mark.parametrize(
    "vectors",
    [
        np.full((7, 8), np.nan, np.float16),
        np.full((7, 8), np.inf, np.float16),
        np.zeros((7, 8), np.float16),
        np.full((7, 8), 0.5, np.float16),
        unit(7),  # float32
        unit(6).astype(np.float16),
        unit(56).astype(np.float16).reshape(7, 8, 8),
        np.zeros((7, 0), np.float16),
        np.eye(7, 20_000, dtype=np.float16),
        None,
    ],
)
async def test_vectors_that_are_none(exported, tmp_path, vectors):
    """Of another shape, kind or length than unit vectors of some sane dimension."""
    place = next(i for i, one in enumerate(head_of(exported)) if one.get("provider") == "folder")
    forge(exported, tensors={f"{place}.vectors": vectors})
    await refused(exported, tmp_path, "damaged")


@pytest.mark.parametrize(
    "rows",
    [
        {"a": 1},
        ["f0"],
        [7] * 7,
        ["f"] * 6 + [""],
        ["f"] * 6 + ["x" * 2000],
        ["f"] * 6 + ["\ud800"],
        ["f"] * 6 + ["a\0b"],
    ],
)
async def test_ids_that_are_none(exported, tmp_path, rows):
    """Too few, of another type, empty, endless, or no text that can be kept."""
    place = next(i for i, one in enumerate(head_of(exported)) if one.get("provider") == "folder")
    forge(exported, tensors={f"{place}.rows": coded(rows)})
    await refused(exported, tmp_path, "damaged")


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"title": 5},
        {"title": "x" * 20_000},
        {"alt_text": "\ud800"},
        {"tags": "cat"},
        {"tags": [1]},
        {"tags": ["x"] * 200},
        {"rating": "x"},
        {"rating": None},
        {"rating": ["g"]},
        {"width": -1},
        {"width": 1.5},
        {"height": 10**12},
        {"expires_at": "soon"},
        {"expires_at": float("inf")},
        {"expires_at": float("nan")},
        {"expires_at": None},
        {"url": "https://evil.example/"},
    ],
)
async def test_texts_that_are_none(exported, tmp_path, change):
    """Whatever somebody writes into a GIF's texts."""
    with safe_open(exported, framework="numpy") as file:
        rows = json.loads(file.get_tensor("0.rows").tobytes())
    rows[2] |= change
    forge(exported, tensors={"0.rows": coded(rows)})
    await refused(exported, tmp_path, "damaged")


async def test_other_tensors(exported, tmp_path):
    """Nothing that the head does not name."""
    forge(exported, tensors={"9.rows": coded([])})
    await refused(exported, tmp_path, "damaged")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff" * 100, b"\x80\x04\x95." * 20, b"PAR1" * 50])
async def test_other_files(tmp_path, content):
    """What is no safetensors file at all."""
    (tmp_path / "x.safetensors").write_bytes(content)
    await refused(tmp_path / "x.safetensors", tmp_path, "cannot be read")
    with pytest.raises(NotFoundError, match="There is no export"):
        await import_data(tmp_path / "b.sqlite", tmp_path / "none.safetensors", MONTH_S)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_any_damage_is_noticed(exported, tmp_path_factory, data):
    """A file that was cut, or with any byte changed, is refused, or says exactly what it said."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = bytearray(exported.read_bytes())
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
    (folder / "known.safetensors").write_bytes(whole)
    try:
        said = await import_data(folder / "b.sqlite", folder / "known.safetensors", MONTH_S)
    except StoreError:
        assert not (folder / "b.sqlite").exists()
    else:  # a byte that says nothing, such as of the export's own name
        assert said == Imported(5, 17, 0, 0)
        assert len(table(folder / "b.sqlite", "embeddings")) == 17


def test_the_limits_fit_what_is_written():
    """What an engine writes at most is within what an engine reads."""
    assert export_format.MAX_JSON_BYTES >= export_format.ROWS * 10_000
