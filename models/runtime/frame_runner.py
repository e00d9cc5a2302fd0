"""Runs a frame encoder on the CPU or on one or more GPUs.

A GPU receives the bytes of the frames and resizes them; the network runs in bfloat16 (``deepgif.models.runtime.cuda``).
The batch size depends on the free memory; if memory runs out anyway, it is halved.

Shapes: N clips, T frames of a clip, F frames of all clips, H x W their pixels, S pixels of each side, A features.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.preprocess.frames import placed
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime import onnx as onnx_runtime
from deepgif.models.runtime.cuda import IN_FLIGHT, Graphs, Upload

FRAMES_ON_CPU = 64  # in one batch
MOST_FRAMES = 256  # in one batch on a GPU; larger ones are no faster
TRIED = 8  # frames for measuring the memory of one
SHARE = 0.5  # of the free memory; the rest is for the index and for queued frames
_log = logging.getLogger(__name__)

Clips = Sequence[NDArray[np.uint8]]  # (T, H, W, 3) each, RGB


class DeviceError(Exception):
    """There is no such device; the message says what to do."""


def choose_devices(setting: str) -> tuple[str, ...]:
    """The devices of a setting: ``auto`` is the first GPU or else the CPU, ``all`` is every GPU, ``onnxruntime`` is the
    CPU through ONNX Runtime; otherwise names separated by commas. Raises ``DeviceError``."""
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if setting == "auto":
        return ("cuda:0",) if there else ("cpu",)
    names = [f"cuda:{number}" for number in range(there)] if setting == "all" else setting.split(",")
    chosen = tuple(dict.fromkeys("cuda:0" if name == "cuda" else name for name in names))
    known = {"cpu", onnx_runtime.NAME, *(f"cuda:{number}" for number in range(there))}
    if not chosen or not known.issuperset(chosen):
        has = f"{there} GPU{'s' if there > 1 else ''}" if there else "no GPU"
        raise DeviceError(f"This machine has {has} that torch can use: set DEEPGIF_DEVICE to auto or cpu.")
    if onnx_runtime.NAME in chosen and not onnx_runtime.installed():
        raise DeviceError("ONNX Runtime is not installed: pip install 'deepgif[onnx]', or set DEEPGIF_DEVICE to cpu.")
    return chosen


def torch_device(name: str) -> torch.device:
    """The torch device of one of the chosen devices."""
    return torch.device("cpu" if name == onnx_runtime.NAME else name)


class FrameRunner:
    """Runs a network from pixels (B, 3, S, S) in [0, 255] to features (B, A); on a CPU with at most ``few`` frames at a
    time. Thread-safe."""

    def __init__(
        self,
        network: nn.Module,
        sampling: FrameSampling,
        devices: Sequence[str] = ("cpu",),
        few: int = FRAMES_ON_CPU,
    ) -> None:
        # Copies first: ``to`` changes the network itself.
        networks = [network, *(copy.deepcopy(network) for _ in devices[1:])]
        self._lanes = [_DeviceWorker(one, sampling, device, few) for one, device in zip(networks, devices, strict=True)]
        self.device = torch_device(devices[0])

    @property
    def frames_at_once(self) -> int:
        """The most efficient number of frames in one call, for all devices together; a GPU receives one batch while it
        computes another."""
        return sum(lane.batch * lane.in_flight for lane in self._lanes)

    def __call__(self, clips: Clips) -> list[Tensor]:
        """(T, A) float32 of each clip, on the first device; clips of any size are resized to S x S. Raises
        ``torch.OutOfMemoryError`` if not even one frame fits."""
        count = sum(len(clip) for clip in clips)
        if not count:
            return []
        each = min(-(-count // len(self._lanes)), *(lane.batch for lane in self._lanes))
        # Clips of one size are resized together.
        order = sorted(range(len(clips)), key=lambda place: _size(clips[place]))
        alike = [clips[place] for place in order]
        features = []
        with torch.inference_mode():
            for number, piece in enumerate(pieces(alike, each)):
                lane = self._lanes[number % len(self._lanes)]
                features.append(lane.run(piece).float().to(self.device, non_blocking=True))
            found = dict(zip(order, torch.cat(features).split([len(clip) for clip in alike]), strict=True))
        return [found[place] for place in range(len(clips))]


class _DeviceWorker:
    """One device with its copy of the network: ``batch`` frames at a time, ``in_flight`` batches."""

    def __init__(self, network: nn.Module, sampling: FrameSampling, name: str, few: int) -> None:
        self._device = torch_device(name)
        self._sampling = sampling
        network.eval().to(self._device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.batch, self.in_flight = FRAMES_ON_CPU, 1
        self._upload: Callable[[Sequence[Clips]], list[Tensor]] = _on_cpu
        self._network: Callable[[Tensor], Tensor] = network
        if self._device.type == "cuda":
            if torch.cuda.is_bf16_supported(including_emulation=False):
                network.to(torch.bfloat16)
            self._upload = Upload(self._device)
            self._network, self.batch = as_graphs(network, sampling.size, self._measure(), self._device)
            self.in_flight = IN_FLIGHT
            return
        if name == onnx_runtime.NAME:
            self._network = onnx_runtime.OnnxNetwork(network, sampling.size)
        self._network = partial(_few_at_a_time, self._network, few)

    def run(self, clips: Clips) -> Tensor:
        """(F, A), possibly still being computed."""
        count = sum(len(clip) for clip in clips)
        if count <= self.batch:
            try:
                return self._run(clips)
            except torch.OutOfMemoryError:
                if count == 1:
                    raise
            # Outside the handler: the exception keeps the tensors alive.
            self.batch = count // 2
            _log.warning("Out of memory on %s: reduced the batch to %d frames.", self._device, self.batch)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        return torch.cat([self.run(piece) for piece in pieces(clips, self.batch)])

    def _run(self, clips: Clips) -> Tensor:
        groups = [list(group) for _, group in groupby(clips, key=_size)]
        return self._network(squares(self._upload(groups), self._sampling))

    def _measure(self) -> int:
        """How many frames fit, judging by the memory of a few."""
        few = [np.zeros((TRIED, self._sampling.size, self._sampling.size, 3), np.uint8)]
        with torch.inference_mode():
            self._run(few)  # libraries take their workspaces
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            before = torch.cuda.memory_allocated(self._device)
            self._run(few)
            torch.cuda.synchronize(self._device)
        needed = torch.cuda.max_memory_allocated(self._device) - before
        return frames_that_fit(torch.cuda.mem_get_info(self._device)[0], needed / TRIED)


def as_graphs(network: nn.Module, size: int, most: int, device: torch.device) -> tuple[Callable[[Tensor], Tensor], int]:
    """The network as CUDA graphs, and its batch size; unchanged if it cannot be captured, for example because it reads
    from the host in each run. Raises ``torch.OutOfMemoryError``."""
    try:
        graphs = Graphs(network, size, most, device)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        _log.warning("This model cannot be captured as a CUDA graph, so it runs more slowly: %s", error)
        return network, most
    return graphs, graphs.most


def _size(clip: NDArray[np.uint8]) -> tuple[int, int]:
    _, height, width, _ = clip.shape
    return height, width


def _on_cpu(groups: Sequence[Clips]) -> list[Tensor]:
    """Clips (T, H, W, 3), grouped by their size, to (F, H, W, 3) of each group."""
    return [torch.from_numpy(np.concatenate(group)) for group in groups]


def _few_at_a_time(network: Callable[[Tensor], Tensor], few: int, pixels: Tensor) -> Tensor:
    return torch.cat([network(some) for some in pixels.split(few)])


def frames_that_fit(free_bytes: int, bytes_a_frame: float) -> int:
    """The batch size for so much free memory; at least 1."""
    return max(1, min(MOST_FRAMES, int(SHARE * free_bytes / max(bytes_a_frame, 1.0))))


def pieces(clips: Clips, most: int) -> Iterator[list[NDArray[np.uint8]]]:
    """The frames in order, in lists of at most ``most`` frames; a clip may be split between two."""
    piece: list[NDArray[np.uint8]] = []
    room = most
    for clip in clips:
        rest = clip
        while len(rest):
            piece.append(rest[:room])
            rest, room = rest[room:], room - len(piece[-1])
            if not room:
                yield piece
                piece, room = [], most
    if piece:
        yield piece


def squares(groups: Sequence[Tensor], sampling: FrameSampling) -> Tensor:
    """Frames (T, H, W, 3) uint8, grouped by size, to pixels (F, 3, S, S) uint8 on their device: like
    ``deepgif.models.preprocess.frames.frame_of``, within 2 of 255 levels. Frames of S x S pixels are unchanged."""
    resized = [_resized(frames.permute(0, 3, 1, 2), sampling) for frames in groups]
    pixels = resized[0] if len(resized) == 1 else torch.cat(resized)
    return pixels if pixels.dtype == torch.uint8 else pixels.round_().to(torch.uint8)


def _resized(pixels: Tensor, sampling: FrameSampling) -> Tensor:
    """(T, 3, H, W) to (T, 3, S, S), float in [0, 255], or unchanged."""
    height, width = pixels.shape[2:]
    size = sampling.size
    if (height, width) == (size, size):
        return pixels
    place = placed(width, height, sampling)
    resized = F.interpolate(pixels.float(), (place.height, place.width), mode="bilinear", antialias=True)
    return resized[:, :, place.top : place.top + size, place.left : place.left + size]
