"""A data folder that DeepGIF 0.1 wrote: all of it is found, and nothing is embedded again."""

from __future__ import annotations

from contextlib import asynccontextmanager

import numpy as np
import pytest

from deepgif.engine.admin.export import import_data
from deepgif.engine.admin.stored_models import stored_models
from deepgif.engine.engine import open_engine
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions, ProviderOptions, ProvidersOptions
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import ColourEncoder, WideEncoder
from tests.fakes.stored import EXPORT, restore_data_dir, rows

PROVIDERS = ("giphy", "klipy")
CENTURY_DAYS = 36500.0


class Recording(ColourEncoder):
    """Knows which texts it embedded."""

    def __init__(self):
        super().__init__()
        self.read = set()

    def encode_texts(self, texts):
        self.read.update(texts)
        return super().encode_texts(texts)


class RecordingWide(Recording, WideEncoder):
    """The same with one dimension more."""


@asynccontextmanager
async def opened(tmp_path, encoder):
    """An engine over the restored folder, whose providers are nowhere."""
    data_dir, folder = restore_data_dir(tmp_path)
    providers = tuple(
        ProviderOptions(name, "the-key", 100, keep_urls=name == "klipy", url="http://127.0.0.1:9") for name in PROVIDERS
    )
    options = EngineOptions(data_dir, data_dir, folder, providers=ProvidersOptions(providers, CENTURY_DAYS))
    async with open_engine(options, Metrics(), lambda _: encoder) as engine:
        yield engine


def assert_same(found, stored):
    """``found`` are the vectors of all ``stored`` rows (provider, id, vector)."""
    assert found.keys() == {(provider, gif_id) for provider, gif_id, _ in stored}
    for provider, gif_id, blob in stored:
        np.testing.assert_allclose(found[provider, gif_id], np.frombuffer(blob, "<f2"), atol=2e-3)


@pytest.mark.parametrize(("make", "count"), [(Recording, 8), (RecordingWide, 9)])
async def test_an_engine_opens_it(tmp_path, make, count):
    """Every picture and text can be searched, no file is read again, and calls count against the quota."""
    encoder = make()
    space = f"{encoder.space}/{encoder.sampling}"
    pictures = rows(f"SELECT provider, id, vector FROM embeddings WHERE space='{space}'")
    texts = rows(f"SELECT provider, id, vector FROM embeddings WHERE space='{space}:text'")
    seen = {row[:2] for row in pictures}
    assert len(pictures) == count
    async with opened(tmp_path, encoder) as engine:
        report = await engine.ingestion.index()
        assert (report.changes.unchanged, report.embedded, encoder.clips) == (4, 0, 0)
        assert encoder.read == {"Lime", "A ball. A red ball", "Blue sky"}  # texts of files are not stored
        held = engine.search.collection.pictures.vectors([GifKey(*row[:2]) for row in pictures])
        assert_same(held, pictures)
        held = engine.search.collection.texts.vectors([GifKey(*row[:2]) for row in texts])
        assert_same(held, [row for row in texts if row[:2] in seen])
        for provider in engine.ingestion.providers:
            kept = await provider.stored(["gif000", "gif010", "gif020", "gif030"])
            assert len(kept) == await provider.count() == 4
            one = kept["gif010"]
            assert (one.gif.title, one.tags) == ("Thing 10", ("tag one", "größe"))
            assert one.gif.rating is (Rating.G if provider.name == "giphy" else Rating.R)
            assert one.gif.url.startswith("https://media.example.org/") is (provider.name == "klipy")
            assert provider.quota.used() == (5 if provider.name == "giphy" else 4)


async def test_vectors_of_every_model_and_view(tmp_path):
    """Those of models that are not in use too."""
    data_dir, _ = restore_data_dir(tmp_path)
    async with Database(data_dir / FILE) as database:
        for space, dimension in rows("SELECT DISTINCT space, length(vector)/2 FROM embeddings"):
            stored = rows(f"SELECT provider, id, vector FROM embeddings WHERE space='{space}'")
            store = SqliteEmbeddingStore(database, dimension)
            assert_same(await store.get_many(space, [GifKey(*row[:2]) for row in stored]), stored)
        assert await stored_models(database) == {"colours@1/2x8": 8, "wide@2/2x8": 9}


async def test_its_export(tmp_path):
    """Holds the same vectors and GIFs, without URLs."""
    took = await import_data(tmp_path / FILE, EXPORT, CENTURY_DAYS * 24 * 3600)
    assert (took.known, took.left_out) == (0, 0)
    async with Database(tmp_path / FILE) as database:
        query = "SELECT * FROM embeddings ORDER BY space, provider, id"
        assert await database.read(query) == rows(query)
        query = "SELECT provider, id, title, alt_text, json(tags), rating, width, height FROM gifs ORDER BY 1, 2"
        assert await database.read(query) == rows(query)
        assert await database.read("SELECT DISTINCT url FROM gifs") == [("",)]
