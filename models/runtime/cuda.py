"""GPU only: uploads from pinned memory on a separate stream, so that one batch is copied while another is computed, and
networks as CUDA graphs, which launch with one call.

Shapes: F frames of all clips, H x W their pixels, S pixels of each side, A features.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

IN_FLIGHT = 2  # batches: one is copied while another is computed
BATCHES = (4, 8, 16, 32, 64, 96, 128, 192, 256)  # batch sizes that are captured, up to what fits


class Upload:
    """Uploads frames to a GPU in one transfer, through alternating pinned buffers."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers = [torch.empty(0, dtype=torch.uint8)] * IN_FLIGHT
        self._copied = [torch.cuda.Event() for _ in range(IN_FLIGHT)]
        self._turn = 0
        self._lock = threading.Lock()

    def __call__(self, groups: Sequence[Sequence[NDArray[np.uint8]]]) -> list[Tensor]:
        """Clips (T, H, W, 3), grouped by their size, to (F, H, W, 3) of each group, ready for the device's current
        stream."""
        clips = [torch.from_numpy(np.ascontiguousarray(clip)).view(-1) for group in groups for clip in group]
        sizes = [sum(clip.size for clip in group) for group in groups]
        with self._lock:
            turn = self._turn = (self._turn + 1) % IN_FLIGHT
            self._copied[turn].synchronize()  # this buffer's last content must have been copied
            if len(self._buffers[turn]) < sum(sizes):
                self._buffers[turn] = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=True)
            buffer = self._buffers[turn][: sum(sizes)]
            torch.cat(clips, out=buffer)  # multi-threaded, unlike NumPy
            with torch.cuda.stream(self._stream):
                flat = buffer.to(self._device, non_blocking=True)
                self._copied[turn].record(self._stream)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        flat.record_stream(current)
        return [part.view(-1, *group[0].shape[1:]) for part, group in zip(flat.split(sizes), groups, strict=True)]


class Graphs:
    """A network from pixels (F, 3, S, S) uint8 to features (F, A), captured once for each of a few batch sizes; other
    batches are padded. For small batches, launching kernel by kernel takes longer than computing, and each launch waits
    for the GIL. ``most`` is the largest batch that fits, at most the requested one.

    Thread-safe. Raises ``torch.OutOfMemoryError`` if not even one frame fits.
    """

    def __init__(self, network: nn.Module, size: int, most: int, device: torch.device) -> None:
        self._network = network
        self._size = size
        self._device = device
        self._lock = threading.Lock()
        with torch.inference_mode(), torch.cuda.device(device):
            while True:
                try:
                    self._graphs = self._captured([count for count in BATCHES if count < most] + [most])
                    break
                except torch.OutOfMemoryError:
                    if most == 1:
                        raise
                most //= 2  # outside the handler: the exception keeps the tensors alive
                torch.cuda.empty_cache()
        self.most = most

    def __call__(self, pixels: Tensor) -> Tensor:
        """(F, A), possibly still being computed."""
        count = len(pixels)
        batch = next(batch for batch in self._graphs if batch >= count)
        graph, features = self._graphs[batch]
        with self._lock, torch.inference_mode():
            self._pixels[:count].copy_(pixels)
            graph.replay()
            return features[:count].clone()

    def _captured(self, batches: Sequence[int]) -> dict[int, tuple[torch.cuda.CUDAGraph, Tensor]]:
        """The graphs, smallest first. They share their memory, since only one runs at a time."""
        frames = torch.zeros((batches[-1], self._size, self._size, 3), dtype=torch.uint8, device=self._device)
        self._pixels = frames.permute(0, 3, 1, 2)
        pool, stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream(self._device)
        found = {}
        for batch in reversed(batches):  # the largest first: the others fit in its memory
            stream.wait_stream(torch.cuda.current_stream(self._device))
            with torch.cuda.stream(stream):
                self._network(self._pixels[:batch])  # libraries choose their kernels
            torch.cuda.current_stream(self._device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads may be running another bundle's network meanwhile.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                features = self._network(self._pixels[:batch])
            found[batch] = graph, features
        return dict(reversed(found.items()))
