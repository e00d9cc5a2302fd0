"""``python -m benchmarks.models.gpu``: how much of a device's peak rate the frame encoders reach.

In one run: the device's measured matrix rate; for each network, frames per second on the device alone, through
``FrameRunner`` from bytes in memory, and in the loop of open_clip's documentation; the effect of CUDA graphs, alone and
while threads decode on all cores; GIFs per second from bytes to vectors, compared with decoding alone; and the exact
index. Weights are random, which does not change the timings. ``--device cpu`` measures a CPU the same way.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from threading import Event
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image, ImageSequence
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import CATALOGUE, machine
from deepgif.engine.engine import CLIPS_WAITING
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.media.decoder_pool import DecoderPool
from deepgif.engine.options import MediaLimits
from deepgif.engine.protocols import Clip
from deepgif.engine.types import GifKey, Rating
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.open_clip import frames_of
from deepgif.models.networks.mobilenet import MobileNetV2
from deepgif.models.networks.vgg16 import Vgg16
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime.cuda import Graphs
from deepgif.models.runtime.frame_runner import DeviceError, FrameRunner, choose_devices
from deepgif.models.runtime.torchvision import prepare_torchvision

MATRIX = {"cuda": 8192, "cpu": 1024}  # rows and columns
OPEN_CLIP = {"CLIP ViT-B/32": "ViT-B-32", "SigLIP2 B/16": "ViT-B-16-SigLIP2"}
SIZE = 224
BATCHES = 4  # in sequence, from bytes
DIMENSION, CHUNK = 1024, 50_000
HEIGHTS = range(112, 304, 8)  # of GIFs that are 200 pixels wide, as GIPHY's fixed_width_downsampled are
Wait = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Network:
    """A frame encoder, its ``flops`` per frame as published, and the loop of its own library from uint8 frames on the
    host to features."""

    name: str
    module: nn.Module
    flops: float
    bare: Callable[[Tensor], Tensor] | None = None


def networks(device: torch.device) -> Iterator[Network]:
    """Yields them one by one: together they may not fit."""
    prepare_torchvision()
    import open_clip

    torch.manual_seed(0)
    for name, plain in (("MobileNetV2", MobileNetV2()), ("VGG16 to fc7", Vgg16())):
        yield Network(name, plain, flops_of(plain))
    for name, model_name in OPEN_CLIP.items():
        model = open_clip.create_model(model_name, pretrained=None).eval()
        flops = flops_of(lambda frame, model=model: model.visual(frame.float()))
        bare = open_clip.create_model(model_name, pretrained=None).eval().to(device)
        yield Network(name, frames_of(model.visual), flops, partial(bare_loop, bare, device))


def bare_loop(model: Any, device: torch.device, frames: Tensor) -> Tensor:
    """open_clip as its documentation uses it: float pixels, normalised on the host, and autocast on the device."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.visual.image_mean, model.visual.image_std))
    pixels = (frames.float() / 255.0 - mean) / std
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        features: Tensor = model.encode_image(pixels.to(device))
    return features


def rate(run: Callable[[], object], amount: float, rounds: int, wait: Wait) -> float:
    """``amount`` per second, the median of the rounds after a warm-up."""
    run()
    seconds = []
    for _ in range(rounds):
        wait()
        started = time.perf_counter()
        run()
        wait()
        seconds.append(time.perf_counter() - started)
    return amount / float(np.median(seconds))


def matrix_rate(device: torch.device, rounds: int, wait: Wait) -> float:
    """FLOP per second of a large product in the networks' precision."""
    size = MATRIX[device.type]
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return rate(lambda: [one @ other for _ in range(10)], 10 * 2 * size**3, rounds, wait)


def flops_of(network: Callable[[Tensor], object]) -> float:
    """FLOP of one frame, counted on the CPU with gradients: without them, attention uses a path that is not counted."""
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8))
    return float(counter.get_total_flops())


def measure_network(
    network: Network, device: torch.device, batch: int, rounds: int, wait: Wait, matrix: float, files: Sequence[bytes]
) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
    host = torch.from_numpy(frames).permute(0, 3, 1, 2)

    def share(found: float) -> str:
        return f"{found:,.0f} frames/s ({100 * found * network.flops / matrix:.0f} %)"

    with torch.inference_mode():
        runner = FrameRunner(network.module, FrameSampling(4, SIZE), [str(device)])
        several = [frames] * BATCHES
        through = rate(lambda: runner(several), batch * BATCHES, rounds, wait)
        there = host.to(device)
        line = f"{network.name}, {network.flops / 1e9:.1f} GFLOP per frame: from bytes {share(through)}"
        if network.bare is not None:
            bare = rate(lambda: network.bare(host), batch, rounds, wait)
            line += f", {through / bare:.2f} x the bare open_clip loop's {bare:,.0f}"
        alone = rate(lambda: network.module(there), batch, rounds, wait)
        print(f"{line}\n  on the device alone, kernel by kernel {share(alone)}", flush=True)
        if device.type == "cuda":
            graphs = Graphs(network.module, SIZE, batch, device)
            print(f"  as a CUDA graph {share(rate(lambda: graphs(there), batch, rounds, wait))}")
            for count in (4, batch):
                few = there[:count].clone()
                both = [partial(graphs, few), partial(network.module, few)]
                idle = [1e3 / rate(run, 1, rounds, wait) for run in both]
                with decoding(files):
                    busy = [1e3 / rate(run, 1, rounds, wait) for run in both]
                print(
                    f"  {count} frames as a graph {idle[0]:.2f} ms, kernel by kernel {idle[1]:.2f}; "
                    f"while threads decode {busy[0]:.2f} and {busy[1]:.2f}",
                    flush=True,
                )


@contextmanager
def decoding(files: Sequence[bytes]) -> Iterator[None]:
    """Decodes GIFs in one thread per core meanwhile."""
    ended = Event()
    decode = partial(decode_clip, sampling=FrameSampling(4, SIZE), limits=MediaLimits(), resize=False)

    def work(number: int) -> None:
        while not ended.is_set():
            decode(files[number])
            number = (number + 1) % len(files)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = [pool.submit(work, number) for number in range(os.cpu_count() or 1)]
        yield
        ended.set()
    for one in running:
        one.result()


def gifs() -> list[bytes]:
    """Some of the shipped GIFs, 200 pixels wide, in the variety of heights of a provider."""
    files = []
    for number, path in enumerate(sorted((CATALOGUE / "gifs").glob("*.gif"))[: 4 * len(HEIGHTS)]):
        with Image.open(path) as gif:
            size = (200, HEIGHTS[number % len(HEIGHTS)])
            frames = [frame.convert("RGB").resize(size) for frame in ImageSequence.Iterator(gif)]
        for frame in frames:
            frame.info.clear()
        file = BytesIO()
        frames[0].save(file, "gif", save_all=True, append_images=frames[1:6], duration=100, loop=0)
        files.append(file.getvalue())
    return files


def end_to_end(device: str, files: Sequence[bytes], rounds: int, wait: Wait) -> None:
    """GIFs from bytes to vectors as in the engine, compared with decoding alone."""
    files = [*files] * 4
    encoder = load_bundle(bundle_folder("small"), [device])
    on_cpu = device == "cpu"
    decode = partial(decode_clip, sampling=encoder.sampling, limits=MediaLimits(), resize=on_cpu)
    cores = os.cpu_count() or 1
    decoders = DecoderPool(encoder.sampling, MediaLimits(), resize=on_cpu, most=cores)
    ways = {"threads": decode, "processes": decoders.decode}

    async def embed(pool: ThreadPoolExecutor, one_file: Callable[[bytes], Clip]) -> None:
        async with MicroBatcher(
            lambda clips: list(encoder.encode_clips(clips)),
            name="clips",
            max_cost=encoder.frames_at_once,
            max_waiting=max(CLIPS_WAITING, len(files)),
            cost=len,
        ) as batcher:

            async def one(data: bytes) -> None:
                await batcher.submit(await asyncio.get_running_loop().run_in_executor(pool, one_file, data))

            await asyncio.gather(*(one(data) for data in files))

    print(f"end to end, small, {len(files)} GIFs of 4 frames in {len(HEIGHTS)} sizes")
    with closing(decoders), ThreadPoolExecutor(cores) as pool:
        clips = list(pool.map(decoders.decode, files))
        encoded = rate(lambda: encoder.encode_clips(clips), len(files), rounds, wait)
        for name, way in ways.items():
            decoded = rate(lambda way=way: list(pool.map(way, files)), len(files), rounds, wait)
            whole = rate(lambda way=way: asyncio.run(embed(pool, way)), len(files), rounds, wait)
            print(
                f"  decoded in {cores} {name} {whole:,.0f} GIFs/s: {whole / decoded:.2f} of decoding alone "
                f"({decoded:,.0f}) and {whole / encoded:.2f} of encoding alone ({encoded:,.0f})",
                flush=True,
            )


def exact_index(device: str, count: int, rounds: int, wait: Wait) -> None:
    """The exact index over random unit vectors."""
    index = ExactIndex(DIMENSION, device)
    rng = np.random.default_rng(0)
    for start in range(0, count, CHUNK):
        vectors = rng.standard_normal((min(CHUNK, count - start), DIMENSION), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        keys = [GifKey("made", str(start + number)) for number in range(len(vectors))]
        index.add(keys, vectors, [Rating.G] * len(keys))
    times = [
        1e3 / rate(lambda some=some: index.search(vectors[:some], 50, Rating.R), 1, rounds, wait) for some in (1, 64)
    ]
    print(f"exact index, {count:,} GIFs: one query {times[0]:.2f} ms, 64 queries {times[1]:.2f} ms")


def main(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:1, ...")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Frames at once.")] = 256,
    rounds: Annotated[int, typer.Option(min=1)] = 7,
    index: Annotated[int, typer.Option(min=64, help="GIFs in the index.")] = 1_000_000,
) -> None:
    """Measure the frame encoders on a device."""
    try:
        chosen = torch.device(choose_devices(device)[0])
    except DeviceError as error:
        raise typer.BadParameter(str(error)) from error
    wait: Wait = partial(torch.cuda.synchronize, chosen) if chosen.type == "cuda" else lambda: None
    print(machine())
    files = gifs()
    matrix = matrix_rate(chosen, rounds, wait)
    print(f"matrix rate of {chosen}: {matrix / 1e12:.2f} TFLOP/s; batch {batch}; shares are of that rate")
    for network in networks(chosen):
        measure_network(network, chosen, batch, rounds, wait, matrix, files)
    end_to_end(str(chosen), files, min(rounds, 3), wait)
    exact_index(str(chosen), index, rounds, wait)


if __name__ == "__main__":
    typer.run(main)
