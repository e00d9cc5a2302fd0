"""``python -m benchmarks.runtime``: the frame networks on the CPU through torch, onnxruntime and OpenVINO, in one run.

In turns: the time of a frame in batches of 1 to 64, each runtime with the whole batch and with four frames at a time;
how far the vectors of the shipped GIFs lie from those of the plain layers; and, each in a process of its own, the time
until the first answer and the memory. All compute in float32 in the same number of threads. It needs

    pip install onnx onnxscript onnxruntime openvino
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import CATALOGUE, machine
from engine.frames import decode_clip
from engine.probe import MediaLimits
from models.bundles import bundle_folder, load_bundle
from models.clip import ClipFrames
from models.info import WEIGHTS
from models.mobilenet import MobileNetV2
from models.mobilenet_cpu import MobileNetV2OnCpu
from models.torchvision_cpu import prepare_torchvision
from models.vgg16 import Vgg16

Run = Callable[[Tensor], Tensor]  # frames (B, 3, S, S) uint8 to features (B, A)

SIZE = 224
FEW = 4
BATCHES = {"small": (1, 4, 16, 64), "vgg16": (1, 4, 16), "vit_b_32": (1, 4, 16)}
AT_LEAST_S = 0.1  # of every way in every round
PAUSE_S = 0.05  # until the threads of the way before have stopped to look for work
OURS = "DeepGIF"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a way in a process of its own: until the first answer, and the most memory with 64 frames (16 of the heavy
    networks)."""

    seconds: float
    mebibytes: float


def network_of(name: str) -> nn.Module:
    """The shipped bundle's own, or one with random weights, which change no time."""
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

        network = ClipFrames(open_clip.create_model("ViT-B-32", pretrained=None).visual)
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it


def torch_plain(network: nn.Module, threads: int) -> Run:
    return network


def torch_ours(network: nn.Module, threads: int) -> Run:
    return MobileNetV2OnCpu(network) if isinstance(network, MobileNetV2) else network


def torch_frozen(network: nn.Module, threads: int) -> Run:
    """Deprecated by torch; for information."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, torch.zeros(FEW, 3, SIZE, SIZE, dtype=torch.uint8), check_trace=False)
        frozen: Run = torch.jit.optimize_for_inference(traced)
    return frozen


def torch_compiled(network: nn.Module, threads: int) -> Run:
    """Needs a C++ compiler where it runs; for information."""
    import torch._inductor.config as inductor

    inductor.freezing = True
    compiled: Run = torch.compile(network)
    return compiled


def exported(network: nn.Module) -> Path:
    """The network as ONNX, with any number of frames."""
    path = Path(tempfile.mkdtemp()) / "network.onnx"
    few = torch.zeros(FEW, 3, SIZE, SIZE, dtype=torch.uint8)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (few,),
            path,
            dynamo=True,
            input_names=["frames"],
            dynamic_shapes=({0: torch.export.Dim("frames")},),
        )
    return path


def onnxruntime_run(network: nn.Module, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(exported(network), options, providers=["CPUExecutionProvider"])
    return lambda frames: torch.from_numpy(session.run(None, {"frames": frames.numpy()})[0])


def openvino_model(network: nn.Module, threads: int, hint: str) -> Any:
    import openvino

    # Some processors would get bfloat16 otherwise.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    return openvino.Core().compile_model(exported(network), "CPU", settings)


def openvino_latency(network: nn.Module, threads: int) -> Run:
    request = openvino_model(network, threads, "LATENCY").create_infer_request()
    return lambda frames: torch.from_numpy(request.infer([frames.numpy()], share_inputs=True)[0].copy())


def openvino_throughput(network: nn.Module, threads: int) -> Run:
    """As many requests under way as it asks for, with four frames each."""
    import openvino

    queue = openvino.AsyncInferQueue(openvino_model(network, threads, "THROUGHPUT"))

    def run(frames: Tensor) -> Tensor:
        parts = [part.numpy() for part in frames.split(FEW)]
        found: dict[int, Tensor] = {}
        queue.set_callback(
            lambda request, place: found.update({place: torch.from_numpy(request.get_output_tensor().data.copy())})
        )
        for place, part in enumerate(parts):
            queue.start_async([part], place)
        queue.wait_all()
        return torch.cat([found[place] for place in range(len(parts))])

    return run


WAYS: dict[str, Callable[[nn.Module, int], Run]] = {
    OURS: torch_ours,
    "torch, plain layers": torch_plain,
    "torch.jit, optimised": torch_frozen,
    "torch.compile": torch_compiled,
    "onnxruntime": onnxruntime_run,
    "OpenVINO, latency": openvino_latency,
    "OpenVINO, throughput, in fours": openvino_throughput,
}


def in_fours(run: Run) -> Run:
    return lambda frames: torch.cat([run(part) for part in frames.split(FEW)])


def ways(network: nn.Module, threads: int, chosen: Sequence[str]) -> dict[str, Run]:
    found = {}
    for name in chosen:
        try:
            run = WAYS[name](network, threads)
            run(torch.zeros(FEW, 3, SIZE, SIZE, dtype=torch.uint8))
        except Exception as error:  # noqa: BLE001 - a way that does not work is left out, and said
            print(f"{name} does not work here: {type(error).__name__}: {str(error).splitlines()[0]}")
            continue
        if name == "torch.compile":  # of one frame, and of four: others would be compiled anew
            found[f"{name}, in fours"] = in_fours(run)
            continue
        found[name] = run
        if name != OURS and "fours" not in name:
            found[f"{name}, in fours"] = in_fours(run)
    return found


def measure(runs: dict[str, Run], batch: int, rounds: int) -> None:
    """Prints a table: the median time of a frame, the processor time, and how many times as fast as ours it is."""
    frames = torch.randint(0, 256, (batch, 3, SIZE, SIZE), dtype=torch.uint8)
    taken = {name: np.zeros((rounds, 2)) for name in runs}
    for name, run in runs.items():
        run(frames)
        started = time.perf_counter()
        run(frames)
        if name == OURS:
            times = max(1, round(AT_LEAST_S / (time.perf_counter() - started)))
    for turn in range(rounds):
        for name, run in runs.items():
            time.sleep(PAUSE_S)
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(times):
                run(frames)
            spent = time.perf_counter() - wall, time.process_time() - processor
            taken[name][turn] = 1000 * np.array(spent) / times / batch
    print(f"\n| {batch} frames | ms a frame | processor ms | as fast as DeepGIF (quartiles) |\n|---|---|---|---|")
    for name, spent in taken.items():
        wall, processor = np.median(spent, axis=0)
        low, middle, high = np.percentile(taken[OURS][:, 0] / spent[:, 0], (25, 50, 75))
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) |", flush=True)


def parity(name: str, network: nn.Module, runs: dict[str, Run]) -> None:
    """Prints how far the vectors of GIFs lie from those of torch's plain layers, all frames at once."""
    encoder = load_bundle(bundle_folder("small"))
    paths = sorted((CATALOGUE / "gifs").glob("*.gif"))[:: 1 if name == "small" else 20]
    clips = [decode_clip(path.read_bytes(), encoder.sampling, MediaLimits()) for path in paths]
    frames = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2).contiguous()

    def vectors(run: Run) -> Tensor:
        features = torch.cat([run(part) for part in frames.split(64)]).float()
        if name != "small":
            return F.normalize(features, dim=1)
        by_clip = features.split([len(clip) for clip in clips])
        return torch.from_numpy(encoder.embed_frame_features([part.numpy() for part in by_clip]))

    expected = vectors(network)
    what = f"{len(clips)} GIFs" if name == "small" else f"{len(frames)} frames"
    print(f"\n| unit vectors of {what} | largest difference | least cosine |\n|---|---|---|")
    for way, run in runs.items():
        found = vectors(run)
        difference = float((found - expected).abs().max())
        cosine = float(F.cosine_similarity(found.double(), expected.double()).min())
        print(f"| {way} | {difference:.1e} | {cosine:.7f} |", flush=True)


def cost(name: str, way: str, threads: int) -> Cost:
    """Of this process: called in one of its own."""
    torch.set_num_threads(threads)
    network = network_of(name)
    with torch.inference_mode():
        started = time.perf_counter()
        run = WAYS[way](network, threads)
        run(torch.zeros(FEW, 3, SIZE, SIZE, dtype=torch.uint8))
        seconds = time.perf_counter() - started
        run(torch.zeros(BATCHES[name][-1], 3, SIZE, SIZE, dtype=torch.uint8))
    return Cost(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(
    network: Annotated[
        list[str] | None, typer.Option(help="small (the default), vgg16 or vit_b_32; may be given several times.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of each runtime.")] = os.cpu_count() or 1,
    rounds: Annotated[int, typer.Option(min=1, help="How often the ways take turns.")] = 15,
    way: Annotated[list[str] | None, typer.Option(help="Only these, by their names in the tables.")] = None,
) -> None:
    """Measure frame networks on the CPU: torch, onnxruntime, OpenVINO."""
    print(f"{machine()}, {threads} threads of each, load {os.getloadavg()[0]:.1f}")
    torch.set_num_threads(threads)
    chosen = [OURS, *(name for name in WAYS if name != OURS and (way is None or name in way))]
    for name in network or ["small"]:
        module = network_of(name)
        with torch.inference_mode():
            runs = ways(module, threads, chosen)
            print(f"\n## {name}")
            for batch in BATCHES[name]:
                measure(runs, batch, rounds)
            parity(name, module, runs)
        print("\n| in a process of its own | seconds to the first answer | peak memory |\n|---|---|---|")
        for one in [one for one in chosen if any(run.startswith(one) for run in runs)]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                spent = process.submit(cost, name, one, threads).result()
            print(f"| {one} | {spent.seconds:.1f} | {spent.mebibytes:,.0f} MiB |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    typer.run(main)
