"""The deadline of a search over what is known, where the model has too much to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from deepgif.engine.engine import open_engine
from deepgif.engine.errors import OverloadedError
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.protocols import Vectors
from deepgif.engine.search.single_flight import TIMED_OUT
from deepgif.engine.types import SearchRequest
from tests.fakes.encoder import ColourEncoder
from tests.fakes.media import animation
from tests.fakes.waiting import WITHIN_S, skip, until


class HeldEncoder(ColourEncoder):
    """Holds searches until ``go`` is set; ``held`` are those that it has got."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.held = 0

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.held += len(texts)
        assert self.go.wait(WITHIN_S)
        return super().encode_texts(texts)


async def test_nobody_waits_past_the_deadline(tmp_path: Path) -> None:
    """Without a provider too, whoever still waits at the deadline is told so; who has more time gets the answer."""
    (tmp_path / "red.gif").write_bytes(animation("GIF", ["red", "red"]))
    encoder = HeldEncoder()
    encoder.go.set()
    options = EngineOptions(tmp_path, tmp_path / "data", folder=tmp_path)
    async with open_engine(options, Metrics(), lambda _: encoder) as engine:
        await engine.ingestion.index()
        encoder.go.clear()
        encoder.held = 0
        soon, late = (
            asyncio.create_task(engine.search.search(SearchRequest("red", 1, deadline_s=seconds)))
            for seconds in (WITHIN_S / 2, WITHIN_S)
        )
        await until(lambda: encoder.held)
        assert not soon.done()
        skip(WITHIN_S / 2)
        await until(soon.done)
        with pytest.raises(OverloadedError, match=TIMED_OUT):
            await soon
        assert not late.done()
        encoder.go.set()
        assert len((await late).results) == 1
