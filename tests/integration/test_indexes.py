"""Whole engines over every index that can be set: they answer the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepgif.engine.engine import open_engine
from deepgif.engine.errors import IndexUnavailableError
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions, IndexKind, QdrantOptions
from deepgif.engine.types import SearchRequest
from tests.fakes.encoder import ColourEncoder
from tests.fakes.media import animation
from tests.fakes.qdrant_server import QdrantServer, qdrant_server


def options_of(tmp_path: Path, kind: IndexKind, server: QdrantServer) -> EngineOptions:
    folder = tmp_path / "gifs"
    folder.mkdir(exist_ok=True)
    for colour in ("red", "lime", "blue"):
        (folder / f"{colour}.gif").write_bytes(animation("gif", [colour, colour]))
    return EngineOptions(tmp_path, tmp_path, folder, index=kind, qdrant=QdrantOptions(server.url, quantization="none"))


@pytest.mark.parametrize("kind", ["auto", "exact", "compact", "qdrant"])
async def test_every_index_finds_the_same(kind: IndexKind, tmp_path: Path) -> None:
    """What is embedded is found, by pixels and by titles, also after a restart; a file that goes is not found again."""
    with qdrant_server() as server:
        options = options_of(tmp_path, kind, server)
        for _ in range(2):
            async with open_engine(options, Metrics(), lambda _: ColourEncoder()) as engine:
                await engine.ingestion.index()
                answer = await engine.search.search(SearchRequest("red", 3))
                assert len(engine.search.collection.pictures) == len(engine.search.collection.texts) == 3
                assert answer.results[0].gif.title == "Red"
                assert answer.results[0].visual == pytest.approx(1.0, abs=0.02)
                assert answer.results[0].text == pytest.approx(1.0, abs=0.01)
        (tmp_path / "gifs" / "red.gif").unlink()
        async with open_engine(options, Metrics(), lambda _: ColourEncoder()) as engine:
            await engine.ingestion.index()
            answer = await engine.search.search(SearchRequest("red", 3))
            assert "Red" not in [result.gif.title for result in answer.results]
            assert len(engine.search.collection.pictures) == 2


async def test_a_server_that_is_away(tmp_path: Path) -> None:
    """Without Qdrant an engine does not start, and a search ends with a sentence; once it is back, so are answers."""
    with qdrant_server() as server:
        options = options_of(tmp_path, "qdrant", server)
        server.fails = 503
        with pytest.raises(IndexUnavailableError, match="index is not available"):
            async with open_engine(options, Metrics(), lambda _: ColourEncoder()):
                pass
        server.fails = 0
        async with open_engine(options, Metrics(), lambda _: ColourEncoder()) as engine:
            await engine.ingestion.index()
            server.fails = 503
            with pytest.raises(IndexUnavailableError, match="index is not available"):
                await engine.search.search(SearchRequest("red", 3))
            server.fails = 0
            assert (await engine.search.search(SearchRequest("red", 3))).results
