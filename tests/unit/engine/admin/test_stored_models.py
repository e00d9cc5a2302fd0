"""Whose vectors are kept, and how they are dropped."""

import json

import numpy as np
import pytest

import deepgif.engine.admin.stored_models
from deepgif.engine.admin.stored_models import DeletedVectors, delete_model_vectors, stored_models
from deepgif.engine.errors import InvalidRequestError, ModelError, NotFoundError
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import GifKey

OLD, NEW = "old@11111111/2x8", "new@22222222/2x8"


@pytest.fixture
def in_use(tmp_path):
    """A bundle, as far as it says what it is."""
    facts = {"name": "new", "licence": "MIT", "sampling": {"count": 2, "size": 8}}
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps({**facts, "sha256": {"model.safetensors": "2" * 64}}))
    return folder


@pytest.fixture
async def database(tmp_path):
    """25 GIFs of two providers with the old model, as clips, stills and texts that overlap; 5 with the new one."""
    async with Database(tmp_path / FILE) as opened:
        store, vector = SqliteEmbeddingStore(opened, 2), np.array([1, 0], np.float32)

        async def put(space, provider, ids):
            await store.put_many(space, {GifKey(provider, str(number)): vector for number in ids})

        await put(OLD, "folder", range(10))
        await put(OLD, "giphy", range(5))
        await put(f"{OLD}:still", "giphy", range(3, 15))
        await put(f"{OLD}:text", "giphy", range(100))
        await put("old@11111111/4x8", "folder", range(1))
        await put(f"{NEW}:still", "giphy", range(5))
        yield opened


async def count(database, space):
    ((found,),) = await database.read("SELECT COUNT(*) FROM embeddings WHERE space=?", (space,))
    return found


async def test_gifs_by_model(database):
    """A GIF counts once, whatever of it was embedded; frame samplings are told apart."""
    assert await stored_models(database) == {OLD: 25, "old@11111111/4x8": 1, NEW: 5}


@pytest.mark.parametrize(("named", "goes"), [(OLD, [OLD]), ("old@11111111", [OLD, "old@11111111/4x8"])])
async def test_dropping_a_model(database, tmp_path, in_use, named, goes, monkeypatch):
    """All its vectors in all views, in many small steps; nobody else's."""
    monkeypatch.setattr(deepgif.engine.admin.stored_models, "BATCH", 7)
    told = []
    done = await delete_model_vectors(tmp_path, named, in_use, on_progress=told.append)
    assert done == DeletedVectors(tuple(goes), 127 if goes == [OLD] else 128)
    assert told == sorted(set(told))
    assert (told[-1], len(told) > 10) == (done.local, True)
    kept = await stored_models(database)
    assert kept.keys() == {OLD, "old@11111111/4x8", NEW} - set(goes)
    assert await count(database, f"{OLD}:text") == 0
    assert await count(database, f"{NEW}:still") == 5


async def test_the_model_in_use_stays(database, tmp_path, in_use):
    """By whatever name it is called."""
    for named in (str(in_use), "new@22222222", NEW):
        with pytest.raises(InvalidRequestError, match="is the model in use"):
            await delete_model_vectors(tmp_path, named, in_use)
    assert await count(database, f"{NEW}:still") == 5


async def test_what_cannot_be_dropped(database, tmp_path, in_use):
    """A name that nothing is kept of, also where it begins like another; a model in use that cannot be read."""
    for named in ("old", "old@1", "nothing", "small", ""):
        with pytest.raises(NotFoundError, match="There are no embeddings of"):
            await delete_model_vectors(tmp_path, named, in_use)
    with pytest.raises(ModelError):
        await delete_model_vectors(tmp_path, OLD, tmp_path / "nowhere")
    assert await stored_models(database) == {OLD: 25, "old@11111111/4x8": 1, NEW: 5}
