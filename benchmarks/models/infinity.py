"""``python -m benchmarks.models.infinity PYTHON``: pictures per second from bytes to vectors of ViT-B/32, compared
with infinity-emb.

infinity-emb needs older libraries than DeepGIF, so it runs in its own environment, whose Python is the argument:

    python -m venv infinity && infinity/bin/pip install 'infinity-emb[torch,vision]' aiohttp

Both have random weights, which do not change the timings, get the same 224 x 224 PNGs, and alternate in one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measure import CATALOGUE, machine
from deepgif.models.bundles.open_clip import frames_of
from deepgif.models.preprocess.frames import frame_of
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime.frame_runner import FrameRunner, choose_devices, torch_device
from deepgif.models.runtime.torchvision import prepare_torchvision

CHILD = Path(__file__).with_name("infinity_child.py")
SAMPLING = FrameSampling(1, 224)


def pictures(folder: Path, count: int) -> list[Path]:
    """First frames of the shipped GIFs, as PNGs."""
    gifs = sorted((CATALOGUE / "gifs").glob("*.gif"))
    paths = []
    for number in range(count):
        with Image.open(gifs[number % len(gifs)]) as gif:
            paths.append(folder / f"{number}.png")
            Image.fromarray(np.asarray(frame_of(gif.convert("RGB"), SAMPLING))).save(paths[-1])
    return paths


def ours(device: str) -> Callable[[Sequence[Path]], float]:
    """Seconds from bytes to vectors in memory."""
    prepare_torchvision()
    import open_clip

    runner = FrameRunner(frames_of(open_clip.create_model("ViT-B-32", pretrained=None).visual), SAMPLING, [device])
    pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def decode(data: bytes) -> NDArray[np.uint8]:
        with Image.open(BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))[np.newaxis]

    def run(paths: Sequence[Path]) -> float:
        some = [path.read_bytes() for path in paths]
        started = time.perf_counter()
        for features in runner(list(pool.map(decode, some))):
            features.cpu()
        return time.perf_counter() - started

    return run


def main(
    python: Annotated[Path, typer.Argument(help="The Python of an environment that has infinity-emb.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    count: Annotated[int, typer.Option(min=1, help="Pictures a round.")] = 512,
    batch: Annotated[int, typer.Option(min=1, help="The largest batch of infinity-emb.")] = 64,
    rounds: Annotated[int, typer.Option(min=1)] = 7,
) -> None:
    """Compare DeepGIF's encoder with infinity-emb's."""
    name = choose_devices(device)[0]
    kind = torch_device(name).type
    print(f"{machine()}, {name}")
    child = subprocess.Popen(
        [python, CHILD, kind, str(batch)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    run = ours(name)
    taken = np.zeros((rounds, 2))
    with tempfile.TemporaryDirectory() as folder, child:
        paths = pictures(Path(folder), count)
        line = json.dumps([str(path) for path in paths]) + "\n"
        for turn in range(-1, rounds):  # one to warm up
            own = run(paths)
            child.stdin.write(line)
            child.stdin.flush()
            answer = child.stdout.readline()
            if not answer:
                raise SystemExit("infinity-emb ended: see its output above.")
            if turn >= 0:
                taken[turn] = own, float(answer)
        child.stdin.close()
    low, middle, high = np.percentile(taken[:, 1] / taken[:, 0], (25, 50, 75))
    mine, other = count / np.median(taken, axis=0)
    print(f"{count} pictures: DeepGIF {mine:,.1f} per second, infinity-emb {other:,.1f}: {middle:.2f} times as many")
    print(f"(quartiles {low:.2f} to {high:.2f}; torch {torch.__version__} here)")


if __name__ == "__main__":
    typer.run(main)
