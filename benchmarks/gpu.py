"""``python -m benchmarks.gpu``: how much of a device's own speed the frame networks reach.

In one run: the device's measured matrix rate; for each network frames a second on the device alone, through
``FrameRunner`` from bytes in memory, and through the bare loop that open_clip's documentation shows; the same network
captured as a CUDA graph; and GIFs a second from bytes to vectors, beside decoding alone. Weights are random, which
changes no time. ``--device cpu`` measures a CPU the same way.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import CATALOGUE, machine
from engine.assembly import CLIPS_WAITING
from engine.batcher import MicroBatcher
from engine.frames import decode_clip
from engine.probe import MediaLimits
from models.bundles import bundle_folder, load_bundle
from models.clip import ClipFrames
from models.device import DeviceError, FrameRunner, choose_devices
from models.mobilenet import MobileNetV2
from models.sampling import FrameSampling
from models.torchvision_cpu import prepare_torchvision
from models.vgg16 import Vgg16

MATRIX = {"cuda": 8192, "cpu": 1024}  # rows and columns
OPEN_CLIP = {"CLIP ViT-B/32": "ViT-B-32", "SigLIP2 B/16": "ViT-B-16-SigLIP2"}


@dataclass(frozen=True, slots=True)
class Network:
    """A network for frames of ``size`` pixels a side, and what it looks like to its own library: uint8 frames on the
    host to features."""

    name: str
    module: nn.Module
    size: int
    bare: Callable[[Tensor], Tensor] | None = None


def networks(device: torch.device) -> Iterator[Network]:
    """One after the other: all at once may not fit."""
    prepare_torchvision()
    import open_clip

    torch.manual_seed(0)
    yield Network("MobileNetV2", MobileNetV2(), 224)
    yield Network("VGG16 to fc7", Vgg16(), 224)
    for name, model_name in OPEN_CLIP.items():
        model = open_clip.create_model(model_name, pretrained=None).eval()
        yield Network(name, ClipFrames(model.visual), 224, partial(bare_loop, model.to(device), device))


def bare_loop(model: Any, device: torch.device, frames: Tensor) -> Tensor:
    """open_clip as its documentation uses it: float pixels, normalised on the host, and autocast on the device."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.visual.image_mean, model.visual.image_std))
    pixels = (frames.float() / 255.0 - mean) / std
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        features: Tensor = model.encode_image(pixels.to(device))
    return features


def rate(run: Callable[[], object], amount: float, rounds: int, wait: Callable[[], object]) -> float:
    """``amount`` a second, the median of the rounds after one that warms up."""
    run()
    seconds = []
    for _ in range(rounds):
        wait()
        started = time.perf_counter()
        run()
        wait()
        seconds.append(time.perf_counter() - started)
    return amount / float(np.median(seconds))


def matrix_rate(device: torch.device, rounds: int, wait: Callable[[], object]) -> float:
    """FLOP a second of one large product, in the precision that the networks run in."""
    size = MATRIX[device.type]
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return rate(lambda: [one @ other for _ in range(10)], 10 * 2 * size**3, rounds, wait)


def flops_of(network: nn.Module, frame: Tensor) -> float:
    """Of one frame. With gradients: without them attention takes a path whose products are not counted."""
    with FlopCounterMode(display=False) as counter:
        network(frame)
    return float(counter.get_total_flops())


@contextmanager
def captured(network: nn.Module, frames: Tensor) -> Iterator[Callable[[], object]]:
    """The network on these frames as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            network(frames)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(frames)
    yield graph.replay


def measure_network(
    network: Network, device: torch.device, batch: int, rounds: int, wait: Callable[[], object], matrix: float
) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (batch, network.size, network.size, 3), dtype=np.uint8)
    host = torch.from_numpy(frames).permute(0, 3, 1, 2)
    flops = flops_of(network.module, host[:1])
    with torch.inference_mode():
        bare = network.bare
        bare_rate = rate(lambda: bare(host), batch, rounds, wait) if bare is not None else None
        runner = FrameRunner(network.module, FrameSampling(4, network.size), [str(device)])
        through = rate(lambda: runner([frames]), batch, rounds, wait)
        there = host.to(device)
        alone = rate(lambda: network.module(there), batch, rounds, wait)
        line = (
            f"{network.name}: {flops / 1e9:.1f} GFLOP a frame; device alone {alone:,.0f} frames/s, "
            f"{100 * alone * flops / matrix:.0f} % of the matrix rate; from bytes {through:,.0f} frames/s, "
            f"{100 * through * flops / matrix:.0f} %"
        )
        if bare_rate is not None:
            line += f", {through / bare_rate:.2f} x the bare open_clip loop's {bare_rate:,.0f}"
        if device.type == "cuda":
            for count in (4, batch):
                few = there[:count].clone()
                eager = rate(lambda few=few: network.module(few), count, rounds, wait)
                with captured(network.module, few) as replay:
                    line += f"; CUDA graph of {count} frames {rate(replay, count, rounds, wait) / eager:.2f} x eager"
            line += f"; {runner.frames_at_once} frames fit at once"
    print(line, flush=True)


def end_to_end(device: str, rounds: int, wait: Callable[[], object]) -> None:
    """The shipped GIFs from bytes to vectors, as the engine does it, beside decoding alone."""
    encoder = load_bundle(bundle_folder("small"), [device])
    files = [path.read_bytes() for path in sorted((CATALOGUE / "gifs").glob("*.gif"))]
    decode = partial(decode_clip, sampling=encoder.sampling, limits=MediaLimits(), resize=device == "cpu")

    async def embed(pool: ThreadPoolExecutor) -> None:
        async with MicroBatcher(
            lambda clips: list(encoder.encode_clips(clips)),
            name="clips",
            max_cost=encoder.frames_at_once,
            max_waiting=max(CLIPS_WAITING, len(files)),
            cost=len,
        ) as batcher:

            async def one(data: bytes) -> None:
                await batcher.submit(await asyncio.get_running_loop().run_in_executor(pool, decode, data))

            await asyncio.gather(*(one(data) for data in files))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        decoded = rate(lambda: list(pool.map(decode, files)), len(files), rounds, wait)
        clips = list(pool.map(decode, files))
        encoded = rate(lambda: encoder.encode_clips(clips), len(files), rounds, wait)
        whole = rate(lambda: asyncio.run(embed(pool)), len(files), rounds, wait)
    print(
        f"end to end, small, {len(files)} GIFs of 4 frames: {whole:,.0f} GIFs/s, {whole / decoded:.2f} of decoding "
        f"alone ({decoded:,.0f}) and {whole / encoded:.2f} of encoding alone ({encoded:,.0f})"
    )


def main(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:1, ...")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Frames at once.")] = 256,
    rounds: Annotated[int, typer.Option(min=1)] = 7,
) -> None:
    """Measure the frame networks on a device."""
    try:
        chosen = torch.device(choose_devices(device)[0])
    except DeviceError as error:
        raise typer.BadParameter(str(error)) from error
    wait: Callable[[], object] = partial(torch.cuda.synchronize, chosen) if chosen.type == "cuda" else lambda: None
    print(machine())
    matrix = matrix_rate(chosen, rounds, wait)
    print(f"matrix rate of {chosen}: {matrix / 1e12:.2f} TFLOP/s; batch {batch}")
    for network in networks(chosen):
        measure_network(network, chosen, batch, rounds, wait, matrix)
    end_to_end(str(chosen), rounds, wait)


if __name__ == "__main__":
    typer.run(main)
