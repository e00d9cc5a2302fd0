"""``python -m benchmarks.engine.search.rerank DATA [--plot FILE]``: cold searches over a local server that behaves
like GIPHY, with 40 ms latency and one link of 100 Mbit/s: the staged search against the plain way (download all,
decode all, embed all, rank) and the bound max(network, decode, encode); quality against the deadline; warm hits; 64
cold queries at once.

The server runs in a process of its own on the same cores. Its GIFs are photographs panned into six frames of 200
pixels, its order comes from noisy tags (``labelled``)."""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import re
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from benchmarks.engine.search.labelled import Labelled, LabelledSet, ndcg, photographs
from benchmarks.measure import machine, percentile
from deepgif.engine.engine import Engine, open_engine
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.media.download import Downloader
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import DownloadRules, EngineOptions, MediaLimits, ProviderOptions, ProvidersOptions
from deepgif.engine.protocols import Encoder
from deepgif.engine.providers.giphy import shortened
from deepgif.engine.search.ranking import Signals, fuse
from deepgif.engine.search.ranking_model import load_ranking
from deepgif.engine.search.retrieval import Similarity
from deepgif.engine.types import Gif, GifKey, Rating, SearchAnswer, SearchRequest, describe
from deepgif.models.bundles.load import bundle_folder, load_bundle
from tests.fakes.giphy_server import QUERY, FakeGif, GiphyServer

PHOTOGRAPHS, QUERIES, AT_ONCE, WARM = 500, 12, 64, 300
LATENCY_S, BITS_PER_S = 0.04, 100e6
DEADLINES_S = (0.3, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0)
SIDE, STILL, FRAMES = 200, 100, 6
KEY = "benchmark"


@dataclass(frozen=True, slots=True)
class Provider:
    """The running server, and what it serves."""

    origin: str
    labelled: LabelledSet
    queries: tuple[Labelled, ...]


def gif_of(path: Path) -> tuple[bytes, bytes]:
    """A photograph panned into a moving GIF, and a small still of it."""
    with Image.open(path) as photograph:
        large = photograph.convert("RGB").resize((SIDE + 24, SIDE + 24))
    frames = [large.crop((4 * step, 2 * step, 4 * step + SIDE, 2 * step + SIDE)) for step in range(FRAMES)]
    clip, still = io.BytesIO(), io.BytesIO()
    small = [frame.quantize(64, method=Image.Quantize.FASTOCTREE) for frame in frames]
    small[0].save(clip, "GIF", save_all=True, append_images=small[1:], duration=200, loop=0)
    frames[0].resize((STILL, STILL)).quantize(64).save(still, "GIF")
    return clip.getvalue(), still.getvalue()


def serve(gifs: Sequence[FakeGif], orders: dict[str, list[int]], pipe: Connection) -> None:
    """The server's process: tells its address, and runs until it is ended."""

    async def run() -> None:
        def order(words: str, _: Sequence[FakeGif]) -> list[FakeGif]:
            return [gifs[place] for place in orders[words]]

        async with GiphyServer(gifs, KEY, LATENCY_S, BITS_PER_S, order) as server:
            pipe.send(server.origin)
            await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def provider(data: Path, cache: Path) -> Any:
    """Starts the server over labelled photographs."""
    labelled = photographs(data, "dev", cache, count=PHOTOGRAPHS)
    print(f"making {PHOTOGRAPHS} GIFs ...", flush=True)
    made = [gif_of(item.path) for item in labelled.items]
    gifs = [
        FakeGif(f"{place:04}", item.title, *made[place], item.alt_text, item.tags)
        for place, item in enumerate(labelled.items)
    ]
    sizes = [np.mean([len(pair[kind]) for pair in made]) / 1024 for kind in (0, 1)]
    print(f"clips of {sizes[0]:.0f} KB, stills of {sizes[1]:.1f} KB on average", flush=True)
    orders = {shortened(query.words, 50).rstrip(): list(query.order) for query in labelled.queries}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(gifs, orders, theirs), daemon=True)
    process.start()
    try:
        yield Provider(ours.recv(), labelled, labelled.queries[:QUERIES])
    finally:
        process.terminate()


def rules() -> DownloadRules:
    return DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True)


@asynccontextmanager
async def cold_engine(source: Provider, encoder: Encoder, min_confidence: float = 2.0) -> AsyncIterator[Engine]:
    """An engine that has seen nothing."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = ProviderOptions("giphy", KEY, 0, url=source.origin)
        options = EngineOptions(
            bundle_folder("small"),
            Path(folder),
            providers=ProvidersOptions((chosen,), downloads=rules()),
            min_confidence=min_confidence,
        )
        async with open_engine(options, Metrics(), lambda _: encoder) as engine:
            yield engine


def gain(query: Labelled, places: Sequence[int]) -> float:
    """nDCG@10 in percent, of what the provider's first hundred make possible."""
    return 100 * ndcg(query.relevance, places, query.relevance[list(query.order)])


async def staged(source: Provider, encoder: Encoder, deadline_s: float) -> tuple[list[SearchAnswer], list[float]]:
    """Each query cold, in an engine of its own; the answers and their qualities."""
    answers, gains = [], []
    for query in source.queries:
        async with cold_engine(source, encoder) as engine:
            request = SearchRequest(query.words, 10, Rating.R, deadline_s=deadline_s)
            answers.append(await engine.search.search(request))
        gains.append(gain(query, [int(result.gif.key.id) for result in answers[-1].results]))
    return answers, gains


async def plain(
    source: Provider, encoder: Encoder
) -> tuple[list[float], list[tuple[float, float, float]], list[float]]:
    """Download all, decode all, embed all, rank: seconds in all, those of the three steps, and the qualities."""
    ranking, bank = load_ranking(bundle_folder("small"), encoder.space)
    similarity = Similarity(bank, ranking.hubness)
    totals, steps, gains = [], [], []
    for query in source.queries:
        async with Downloader(rules()) as downloader:
            began = time.perf_counter()
            await asyncio.sleep(LATENCY_S)  # the provider's search
            urls = [f"{source.origin}/media/{place:04}/fixed_width_downsampled.gif?{QUERY}" for place in query.order]
            start = time.perf_counter()
            files = await asyncio.gather(*(downloader.fetch(url) for url in urls))
            downloaded = time.perf_counter()
            clips = [decode_clip(data, encoder.sampling, MediaLimits()) for data in files]
            decoded = time.perf_counter()
            pixels = np.concatenate([encoder.encode_clips(clips[at : at + 16]) for at in range(0, len(clips), 16)])
            encoded = time.perf_counter()
            items = [source.labelled.items[place] for place in query.order]
            texts = encoder.encode_texts(
                [
                    describe(Gif(GifKey("p", ""), i.title, i.alt_text, Rating.G, "", 0, 0, tags=i.tags).texts)
                    for i in items
                ]
            )
            (words,) = encoder.encode_texts([query.words])
            looks, said = similarity.visual(words, pixels), texts @ words
            signals = [
                Signals(GifKey("p", str(place)), float(looks[rank]), float(said[rank]), rank)
                for rank, place in enumerate(query.order)
            ]
            scored = fuse(signals, ranking.weights)
            totals.append(time.perf_counter() - began)
        steps.append((downloaded - start, decoded - downloaded, encoded - decoded))
        gains.append(gain(query, [int(one.signals.key.id) for one in scored]))
    return totals, steps, gains


async def warm(source: Provider, encoder: Encoder) -> list[float]:
    """Seconds of searches that are answered from what is known."""
    async with cold_engine(source, encoder, min_confidence=0.0) as engine:
        first, *others = source.queries
        await engine.search.search(SearchRequest(first.words, 12, Rating.R, deadline_s=30))
        seconds = []
        for number in range(WARM):
            started = time.perf_counter()
            answer = await engine.search.search(SearchRequest(others[number % len(others)].words, 12, Rating.R))
            seconds.append(time.perf_counter() - started)
            assert answer.origin == "known"
    return seconds


async def together(source: Provider, encoder: Encoder) -> None:
    """Different cold queries at once."""
    async with cold_engine(source, encoder) as engine:
        Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
        before = memory("VmRSS")
        started = time.perf_counter()
        requests = [SearchRequest(query.words, 12, Rating.R) for query in source.labelled.queries[100 : 100 + AT_ONCE]]
        answers = await asyncio.gather(*(engine.search.search(request) for request in requests))
        slowest = time.perf_counter() - started
        after = memory("VmHWM")
    seen = 100 * float(np.mean([answer.coverage.fraction for answer in answers]))
    full = sum(len(answer.results) > 0 for answer in answers)
    print(
        f"{AT_ONCE} cold queries at once: {full} answered with GIFs, the slowest after {slowest:.2f} s (deadline "
        f"2.5 s), coverage {seen:.0f} %, memory {before} MiB before, {after} MiB at most",
        flush=True,
    )


def memory(name: str) -> int:
    """A figure of this process's memory, in MiB (Linux)."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def plot(path: Path, curve: Sequence[tuple[float, float, float]], bound: float, order: float) -> None:
    """Quality and coverage against the deadline."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    seconds, gains, seen = zip(*curve, strict=True)
    axes.plot(seconds, gains, "o-", label="staged search, nDCG@10")
    axes.plot(seconds, seen, "s:", color="grey", label="coverage, %")
    axes.axhline(bound, linestyle="--", color="green", label="everything looked at in full")
    axes.axhline(order, linestyle="--", color="red", label="provider's order")
    axes.set(xscale="log", xlabel="deadline in seconds", ylabel="percent", ylim=(0, 105))
    axes.set_xticks(seconds, [f"{value:g}" for value in seconds])
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def run(source: Provider, encoder: Encoder, chart: Path | None) -> None:
    order = mean([gain(query, query.order) for query in source.queries])
    totals, steps, gains = asyncio.run(plain(source, encoder))
    bound = mean([max(step) for step in steps])
    network, decode, encode = (mean([step[kind] for step in steps]) for kind in range(3))
    print(f"provider's order: nDCG@10 {order:.1f}")
    print(
        f"plain way: {mean(totals):.2f} s (network {network:.2f}, decode {decode:.2f}, encode {encode:.2f}; bound "
        f"max of them {bound:.2f}), nDCG@10 {mean(gains):.1f}"
    )
    curve = []
    for deadline_s in DEADLINES_S:
        answers, found = asyncio.run(staged(source, encoder, deadline_s))
        took = [answer.elapsed_s for answer in answers]
        seen = 100 * mean([answer.coverage.fraction for answer in answers])
        curve.append((deadline_s, mean(found), seen))
        print(
            f"staged, deadline {deadline_s:4.1f} s: answered after {mean(took):.2f} s (at most {max(took):.2f}), "
            f"coverage {seen:3.0f} %, nDCG@10 {mean(found):.1f}; {mean(took) / mean(totals):.2f} of "
            "the plain way's time",
            flush=True,
        )
    if chart is not None:
        plot(chart, curve, mean(gains), order)
    seconds = asyncio.run(warm(source, encoder))
    print(f"warm hit: p50 {1000 * percentile(seconds, 50):.1f} ms, p99 {1000 * percentile(seconds, 99):.1f} ms")
    asyncio.run(together(source, encoder))


def main(
    data: Annotated[Path, typer.Argument(help="Folder with flickr8k.", exists=True, file_okay=False)],
    chart: Annotated[Path | None, typer.Option("--plot", help="PNG of quality against the deadline.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the judging sentence vectors.")] = None,
) -> None:
    """Measure the staged search against the plain way."""
    print(machine())
    encoder = load_bundle(bundle_folder("small"))
    with tempfile.TemporaryDirectory() as temporary, provider(data, cache or Path(temporary)) as source:
        run(source, encoder, chart)


if __name__ == "__main__":
    typer.run(main)
