"""Words in GIFs, from the file to the answer: in a folder with the real networks, and in a provider's candidates."""

import asyncio
import io
import threading
from contextlib import asynccontextmanager

import pytest
from PIL import Image, ImageDraw, ImageFont

from deepgif.engine import engine as module
from deepgif.engine.engine import open_engine
from deepgif.engine.errors import ModelError
from deepgif.engine.ingest.pipeline import View
from deepgif.engine.media.ocr import ReadingLimits, RecognisedText
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions
from deepgif.engine.search import reranker
from deepgif.engine.types import SearchRequest
from tests.fakes.encoder import COLOURS, ColourEncoder
from tests.fakes.giphy_server import GiphyServer, fake

SHOWN = ("red", "lime", "blue")
GIFS = [fake(number, SHOWN[number % 3]) for number in range(0, 240, 2)]


def captioned(*captions, background=(60, 90, 120)):
    """A GIF with a caption a frame."""
    frames = []
    for caption in captions:
        frame = Image.new("RGB", (320, 180), background)
        ImageDraw.Draw(frame).text(
            (12, 130), caption, fill="white", font=ImageFont.load_default(26), stroke_width=1, stroke_fill="black"
        )
        frames.append(frame)
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=500)
    return stream.getvalue()


async def test_a_folder_is_read_by_the_real_networks(tmp_path):
    """A subtitle that builds up is one text in the answer, and said in its reason; the next process knows it."""
    pytest.importorskip("rapidocr", reason="needs the extra ocr")
    folder = tmp_path / "gifs"
    folder.mkdir()
    (folder / "a.gif").write_bytes(captioned("I have", "I have no", "I have no idea"))
    (folder / "b.gif").write_bytes(captioned("", "", background=(200, 30, 30)))
    options = EngineOptions(tmp_path, tmp_path, folder, ocr="on")
    for turn in range(2):
        async with open_engine(options, Metrics(), lambda _: ColourEncoder()) as engine:
            await engine.ingestion.index()
            if not turn:
                await engine.ingestion.read_words()
            answer = await engine.search.search(SearchRequest("blue"))
            assert len(captions_of(engine)) == 1
            for query in ('"no idea"', "i hav no idea"):
                said_best = (await engine.search.search(SearchRequest(query))).results[0]
                assert said_best.gif.text_in_gif == "I have no idea"
        texts = {result.gif.title.casefold(): (result.gif.text_in_gif, result.why) for result in answer.results}
        assert texts["a"][0] == "I have no idea"
        assert texts["a"][1].endswith("The words “I have no idea” are in the GIF.")
        assert texts["b"][0] == ""
        assert "in the GIF" not in texts["b"][1]


async def test_where_it_is_not_installed(tmp_path, monkeypatch):
    """Auto does without; on says what is missing."""
    monkeypatch.setattr("deepgif.engine.media.ocr_models.is_installed", lambda: False)
    monkeypatch.setattr(module, "is_installed", lambda: False)
    (tmp_path / "gifs").mkdir()
    options = EngineOptions(tmp_path, tmp_path, tmp_path / "gifs", ocr="auto")
    async with open_engine(options, Metrics(), lambda _: ColourEncoder()) as engine:
        assert engine.ingestion.recognition is None
        await engine.ingestion.read_words()
    with pytest.raises(ModelError, match=r"pip install 'deepgif\[ocr\]'"):
        async with open_engine(
            EngineOptions(tmp_path, tmp_path, tmp_path / "gifs", ocr="on"), Metrics(), lambda _: ColourEncoder()
        ):
            pass


class ColourReader:
    """Reads the name of the colour that a clip shows; waits while it is ``held``."""

    limits = ReadingLimits()

    def __init__(self):
        self.reads = 0
        self.held = threading.Event()
        self.held.set()

    def read(self, frames):
        self.reads += 1
        assert self.held.wait(60)
        text = f"so {COLOURS[int(frames.mean(axis=(0, 1, 2)).argmax())]}"
        return RecognisedText(text, 1.0, ())


@pytest.fixture
def reader(monkeypatch):
    made = ColourReader()
    monkeypatch.setattr(module, "is_installed", lambda: True)
    monkeypatch.setattr(module, "reader_version", lambda: "colours-1")
    monkeypatch.setattr(module, "load_text_reader", lambda: made)
    return made


@pytest.fixture
async def opened(tmp_path, reader):
    """A server, and what opens engines over it and one data folder."""
    async with GiphyServer(GIFS, order=lambda words, gifs: list(gifs)) as server:
        rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True)
        giphy = ProviderOptions("giphy", server.key, 0, url=server.origin)
        remote = ProvidersOptions((giphy,), 30.0, rules)
        options = EngineOptions(tmp_path, tmp_path, providers=remote, min_confidence=2.0, ocr="auto")

        @asynccontextmanager
        async def open_one():
            async with open_engine(options, Metrics(), lambda _: ColourEncoder()) as engine:
                yield engine

        yield server, open_one


def captions_of(engine):
    return engine.ingestion.pipeline._indexes[View.CAPTION]


def said(answer):
    return [result.gif.text_in_gif for result in answer.results]


async def test_candidates_are_read_after_their_frames(opened, reader):
    """The most promising ones, from the clips that were downloaded for their frames; once, for all processes."""
    server, open_one = opened
    async with open_one() as engine:
        answer = await engine.search.search(SearchRequest("red", 3, deadline_s=30))
        await asyncio.gather(*engine.ingestion.recognition._in_flight.values())
        again = await engine.search.search(SearchRequest("red", 3, deadline_s=30))
        assert said(again) == ["so red"] * len(again.results)
        assert set(said(answer)) <= {"so red", ""}
        assert 0 < len(captions_of(engine)) == reader.reads <= reranker.CLIPS
        assert sum(one.endswith("downsampled") for one in server.media) == reranker.CLIPS
        reads = reader.reads
    async with open_one() as engine:
        assert len(captions_of(engine)) == reads
        keys = [result.gif.key for result in again.results]
        assert set(await engine.ingestion.embedder.captions(keys)) == set(keys)
        quoted = await engine.search.search(SearchRequest('"so red"', 3, deadline_s=30))
        assert quoted.results
        assert set(said(quoted)) == {"so red"}


async def test_reading_never_holds_an_answer_up(opened, reader, monkeypatch):
    """An answer does not wait for a slow reader; what was begun goes on, and the next search has it."""
    monkeypatch.setattr(reranker, "WORDS_S", 0.01)
    _, open_one = opened
    reader.held.clear()
    async with open_one() as engine:
        answer = await engine.search.search(SearchRequest("red", 3, deadline_s=30))
        assert said(answer) == [""] * len(answer.results)
        reader.held.set()
        await asyncio.gather(*engine.ingestion.recognition._in_flight.values())
        assert all(said(await engine.search.search(SearchRequest("red", 3, deadline_s=30))))


async def test_an_engine_closes_while_it_reads(opened, reader):
    """The GIF in hand is read to its end; nothing else is begun."""
    _, open_one = opened
    reader.held.clear()
    async with open_one() as engine:
        await engine.search.search(SearchRequest("red", 3, deadline_s=30))
        asyncio.get_running_loop().call_later(0.1, reader.held.set)
    assert reader.reads <= 1
