"""``python -m benchmarks.models.runtime``: the frame encoders on the CPU through torch, ONNX Runtime and OpenVINO, in
one run.

Alternating: the time per frame in batches of 1 to 64, with the whole batch at once and with a few frames at a time; the
distance of the shipped GIFs' vectors from torch's; and, each in its own process, the time to the first result and the
peak memory. All compute in float32 with the same number of threads. It needs

    pip install onnx onnxscript onnxruntime openvino
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import CATALOGUE, machine
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.options import MediaLimits
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.bundles.manifest import WEIGHTS
from deepgif.models.bundles.open_clip import frames_of
from deepgif.models.networks.joint import FRAMES_IN_CACHE
from deepgif.models.networks.mobilenet import MobileNetV2
from deepgif.models.networks.vgg16 import Vgg16
from deepgif.models.runtime.onnx import OnnxNetwork, export
from deepgif.models.runtime.torchvision import prepare_torchvision

Run = Callable[[Tensor], Tensor]  # frames (B, 3, S, S) uint8 to features (B, A)

SIZE = 224
BATCHES = {"small": (1, 4, 16, 64), "vgg16": (1, 4, 16), "vit_b_32": (1, 4, 16)}
AT_LEAST_S = 0.1  # of every runtime in every round
PAUSE_S = 0.05  # until the previous runtime's threads have stopped spinning
FEW = "a few at a time"
TORCH = f"torch, {FEW}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a runtime in its own process: the time to the first result, and the peak memory with the largest batch."""

    seconds: float
    mebibytes: float


def network_of(name: str) -> nn.Module:
    """The shipped bundle's network, or one with random weights, which do not change the timings."""
    torch.manual_seed(0)
    network: nn.Module
    if name == "small":
        network = MobileNetV2()
        weights = load_file(bundle_folder(name) / WEIGHTS)
        own = {key.removeprefix("frames."): value.float() for key, value in weights.items() if "frames." in key[:7]}
        network.load_state_dict(own)
    elif name == "vgg16":
        network = Vgg16()
        for layer in network.modules():  # so that features neither vanish nor grow
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
    else:
        prepare_torchvision()
        import open_clip

        network = frames_of(open_clip.create_model("ViT-B-32", pretrained=None).visual)
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it


def torch_run(network: nn.Module) -> Run:
    return network


def onnxruntime_run(network: nn.Module) -> Run:
    return OnnxNetwork(network, SIZE)


def openvino_run(network: nn.Module) -> Run:
    import openvino

    # Otherwise some CPUs would use bfloat16.
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as folder:
        export(network, SIZE, Path(folder) / "network.onnx")
        request = openvino.Core().compile_model(Path(folder) / "network.onnx", "CPU", settings).create_infer_request()
    return lambda frames: torch.from_numpy(request.infer([frames.numpy()], share_inputs=True)[0].copy())


WAYS: dict[str, Callable[[nn.Module], Run]] = {
    "torch": torch_run,
    "ONNX Runtime": onnxruntime_run,
    "OpenVINO": openvino_run,
}


def few_at_a_time(run: Run) -> Run:
    return lambda frames: torch.cat([run(part) for part in frames.split(FRAMES_IN_CACHE)])


def all_runs(network: nn.Module) -> dict[str, Run]:
    found = {}
    for name, make in WAYS.items():
        run = make(network)
        found[f"{name}, {FEW}"] = few_at_a_time(run)
        found[f"{name}, all at once"] = run
    return found


def measure(runs: dict[str, Run], batch: int, rounds: int) -> None:
    """Prints a table: the median time per frame, the CPU time, and the speed relative to torch."""
    frames = torch.randint(0, 256, (batch, 3, SIZE, SIZE), dtype=torch.uint8)
    taken = {name: np.zeros((rounds, 2)) for name in runs}
    times = 1
    for name, run in runs.items():
        run(frames)
        started = time.perf_counter()
        run(frames)
        if name == TORCH:
            times = max(1, round(AT_LEAST_S / (time.perf_counter() - started)))
    for turn in range(rounds):
        for name, run in runs.items():
            time.sleep(PAUSE_S)
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(times):
                run(frames)
            spent = time.perf_counter() - wall, time.process_time() - processor
            taken[name][turn] = 1000 * np.array(spent) / times / batch
    print(f"\n| {batch} frames | ms per frame | CPU ms | speed relative to torch (quartiles) |\n|---|---|---|---|")
    for name, spent in taken.items():
        wall, processor = np.median(spent, axis=0)
        low, middle, high = np.percentile(taken[TORCH][:, 0] / spent[:, 0], (25, 50, 75))
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) |", flush=True)


def parity(name: str, network: nn.Module, runs: dict[str, Run]) -> None:
    """Prints the distance of the frames' unit features from torch's."""
    sampling = load_bundle(bundle_folder("small")).sampling
    paths = sorted((CATALOGUE / "gifs").glob("*.gif"))[:: 1 if name == "small" else 20]
    clips = [decode_clip(path.read_bytes(), sampling, MediaLimits()) for path in paths]
    frames = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2).contiguous()

    def features(run: Run) -> Tensor:
        return F.normalize(torch.cat([run(part) for part in frames.split(64)]).double(), dim=1)

    expected = features(network)
    print(f"\n| {len(frames)} frames of {len(clips)} GIFs | largest difference | least cosine |\n|---|---|---|")
    for way, run in runs.items():
        found = features(run)
        difference = float((found - expected).abs().max())
        print(f"| {way} | {difference:.1e} | {float((found * expected).sum(dim=1).min()):.7f} |", flush=True)


def cost(name: str, way: str, threads: int) -> Cost:
    """The cost in this process, which must be a new one."""
    torch.set_num_threads(threads)
    network = network_of(name)
    with torch.inference_mode():
        started = time.perf_counter()
        run = few_at_a_time(WAYS[way](network))
        run(torch.zeros(FRAMES_IN_CACHE, 3, SIZE, SIZE, dtype=torch.uint8))
        seconds = time.perf_counter() - started
        run(torch.zeros(BATCHES[name][-1], 3, SIZE, SIZE, dtype=torch.uint8))
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return Cost(seconds, int(peak.split()[1]) / 1024)


def main(
    network: Annotated[
        list[str] | None, typer.Option(help="small (the default), vgg16 or vit_b_32; may be given several times.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of each runtime.")] = os.cpu_count() or 1,
    rounds: Annotated[int, typer.Option(min=1, help="Alternating rounds.")] = 15,
) -> None:
    """Measure frame networks on the CPU: torch, ONNX Runtime, OpenVINO."""
    print(f"{machine()}, {threads} threads of each, load {os.getloadavg()[0]:.1f}")
    torch.set_num_threads(threads)
    for name in network or ["small"]:
        module = network_of(name)
        with torch.inference_mode():
            runs = all_runs(module)
            print(f"\n## {name}")
            for batch in BATCHES[name]:
                measure(runs, batch, rounds)
            parity(name, module, runs)
        print(f"\n| in its own process, {FEW} | seconds to the first result | peak memory |\n|---|---|---|")
        for way in WAYS:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                spent = process.submit(cost, name, way, threads).result()
            print(f"| {way} | {spent.seconds:.1f} | {spent.mebibytes:,.0f} MiB |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    typer.run(main)
