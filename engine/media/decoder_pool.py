"""Decodes GIFs off the event loop, in processes (``deepgif.engine.media.decoder_worker``) or on threads.

Because of the GIL, many threads decode no faster than few, and they delay the thread that feeds a GPU. A file that
crashes a process ends only that process.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, cast

import numpy as np

from deepgif.engine.errors import MediaError, NotReadyError
from deepgif.engine.media.decode import MOST_PIXELS, decode_clip
from deepgif.engine.media.decoder_worker import FRAMES, LENGTH, READY, REFUSED, SHAPE, command
from deepgif.engine.options import MediaLimits
from deepgif.engine.protocols import Clip
from deepgif.engine.types import FrameSampling

MAX_DECODERS = 32  # enough for one GPU
START_S = 30.0  # that a process may take to start
GRACE_S = 5.0  # after the decoding limit, before the process is killed
MAX_MESSAGE = 1000  # bytes of an error message
PASSED_ON = ("PATH", "LANG", "TMPDIR", "VIRTUAL_ENV")  # of the environment; the rest may contain keys
PASSED_ON_PREFIXES = ("PYTHON", "LD_", "DYLD_")


class DecoderPool:
    """Up to ``most`` processes, started on demand. ``decode`` blocks; call it from as many threads."""

    def __init__(self, sampling: FrameSampling, limits: MediaLimits, *, resize: bool, most: int) -> None:
        self._command = command(sampling, limits, resize=resize)
        self._limits = limits
        self._most_bytes = sampling.count * 3 * max(sampling.size**2, MOST_PIXELS)
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(most)

    def decode(self, data: bytes) -> Clip:
        """The clip, as ``decode_clip`` returns it. Raises ``MediaError``, or ``NotReadyError`` if no process can be
        started."""
        if len(data) > self._limits.max_bytes:  # not worth sending
            raise MediaError(f"The file has {len(data):,} bytes; the limit is {self._limits.max_bytes:,}.")
        with self._slots:
            try:
                answer = self._try(data)
            except _GoneError:  # it may have been killed because of another file
                try:
                    answer = self._try(data)
                except _GoneError as error:
                    raise MediaError("The file is damaged.") from error
        if isinstance(answer, str):
            raise MediaError(answer)
        return answer

    def close(self) -> None:
        """Kills all processes. Do not decode afterwards."""
        with self._lock:
            for worker in self._idle:
                worker.kill()
            self._idle.clear()

    def _try(self, data: bytes) -> Clip | str:
        """The clip or an error message. Raises ``_GoneError``, ``MediaError`` or ``NotReadyError``."""
        worker = self._take()
        try:
            answer = worker.decode(data, self._limits.decode_s + GRACE_S, self._most_bytes)
        except TimeoutError as error:
            worker.kill()
            raise MediaError(f"Decoding took longer than {self._limits.decode_s:g} s.") from error
        except BaseException:
            worker.kill()
            raise
        with self._lock:
            self._idle.append(worker)
        return answer

    def _take(self) -> _Worker:
        while True:
            with self._lock:
                if not self._idle:
                    break
                worker = self._idle.pop()
            if worker.is_alive():
                return worker
            worker.kill()
        try:
            return _Worker(self._command)
        except (OSError, _GoneError, TimeoutError) as error:
            raise NotReadyError("The engine cannot start a process to decode GIFs. See its log.") from error


class _GoneError(Exception):
    """The process has ended or broken the protocol."""


class _Worker:
    """A process that decodes one file at a time."""

    def __init__(self, arguments: list[str]) -> None:
        own = os.environ.items()
        passed_on = {name: value for name, value in own if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)}
        passed_on["OPENBLAS_NUM_THREADS"] = "1"  # there is one process per core already
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, env=passed_on)  # noqa: S603 - our own
        pipes = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._input, self._output = (pipe.fileno() for pipe in pipes)
        os.set_blocking(self._input, False)
        try:
            if self._read(1, time.monotonic() + START_S) != READY:
                raise _GoneError
        except BaseException:
            self.kill()
            raise

    def is_alive(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def decode(self, data: bytes, limit_s: float, most_bytes: int) -> Clip | str:
        """The clip or an error message. Kill the process if this raises ``_GoneError`` or ``TimeoutError``."""
        ends_at = time.monotonic() + limit_s
        self._write(LENGTH.pack(len(data)), ends_at)
        self._write(data, ends_at)  # it reads everything before it answers
        kind = self._read(1, ends_at)
        if kind == FRAMES:
            shape = SHAPE.unpack(self._read(SHAPE.size, ends_at))
            if shape[3] != 3 or not 0 < math.prod(shape) <= most_bytes:
                raise _GoneError
            clip = np.empty(shape, np.uint8)
            self._read_into(clip.data.cast("B"), ends_at)
            return clip
        (length,) = LENGTH.unpack(self._read(LENGTH.size, ends_at))
        if kind != REFUSED or length > MAX_MESSAGE:
            raise _GoneError
        return self._read(length, ends_at).decode(errors="replace")

    def kill(self) -> None:
        """Kills the process."""
        self._process.kill()
        self._process.communicate()

    def _write(self, data: bytes, ends_at: float) -> None:
        view = memoryview(data)
        while view:
            _wait(self._input, select.POLLOUT, ends_at)
            try:
                view = view[os.write(self._input, view) :]
            except OSError as error:
                raise _GoneError from error

    def _read(self, count: int, ends_at: float) -> bytes:
        found = bytearray(count)
        self._read_into(memoryview(found), ends_at)
        return bytes(found)

    def _read_into(self, view: memoryview, ends_at: float) -> None:
        while view:
            _wait(self._output, select.POLLIN, ends_at)
            count = os.readv(self._output, [view])
            if not count:
                raise _GoneError
            view = view[count:]


def _wait(pipe: int, event: int, ends_at: float) -> None:
    """Waits until the pipe is ready or closed. Raises ``TimeoutError``."""
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, ends_at - time.monotonic()) * 1000):
        raise TimeoutError


class AsyncDecoder:
    """Decodes GIFs off the event loop, at most one per CPU core. An encoder on the CPU is slower than decoding, so
    threads suffice; a GPU needs ``processes``, and resizes frames faster than they would."""

    def __init__(self, sampling: FrameSampling, limits: MediaLimits, *, processes: bool) -> None:
        count = min(os.cpu_count() or 1, MAX_DECODERS)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="deepgif-decode")
        self._pool = DecoderPool(sampling, limits, resize=False, most=count) if processes else None
        self._decode: Callable[[bytes], Clip] = partial(decode_clip, sampling=sampling, limits=limits)
        if self._pool is not None:
            self._decode = self._pool.decode

    async def decode(self, data: bytes) -> Clip:
        """The clip, as ``decode_clip`` returns it. Raises ``MediaError`` or ``NotReadyError``."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, data)

    def close(self) -> None:
        """Waits for the files being decoded, cancels the rest, and ends the processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._pool is not None:
            self._pool.close()
