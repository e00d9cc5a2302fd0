"""``python -m benchmarks.models.encode``: frames per second through the micro-batcher and in a bare loop, the latency
of a query on one core, and the overhead of the motion head."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from benchmarks.measure import alternate, machine, percentile, queries
from deepgif.engine.engine import CLIPS_WAITING
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.models.runtime.frame_runner import choose_devices

CLIPS = 128
ROUNDS, SHORT_ROUNDS = 5, 25


def main() -> None:
    print(machine())
    encoder, moving = (load_bundle(bundle_folder(name), choose_devices("auto")) for name in ("small", "small_motion"))
    sampling = encoder.sampling
    rng = np.random.default_rng(0)
    clips = [
        rng.integers(0, 256, (sampling.count, sampling.size, sampling.size, 3), dtype=np.uint8) for _ in range(CLIPS)
    ]
    at_once = encoder.frames_at_once // sampling.count

    def bare() -> None:
        for start in range(0, CLIPS, at_once):
            encoder.encode_clips(clips[start : start + at_once])

    def in_a_thread() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(bare).result()

    async def batched() -> None:
        async with MicroBatcher(
            lambda batch: list(encoder.encode_clips(batch)),
            name="clips",
            max_cost=encoder.frames_at_once,
            max_waiting=CLIPS_WAITING,
            cost=len,
        ) as batcher:
            await asyncio.gather(*(batcher.submit(clip) for clip in clips))

    bare()
    times = alternate(ROUNDS, bare, in_a_thread, lambda: asyncio.run(batched()))
    main_s, loop_s, batcher_s = (min(seconds) for seconds in times)
    main_rate, loop_rate, batcher_rate = (CLIPS * sampling.count / seconds for seconds in (main_s, loop_s, batcher_s))
    print(
        f"frames per second: bare loop {main_rate:.1f}, in a second thread {loop_rate:.1f}, through the batcher, which "
        f"has such a thread, {batcher_rate:.1f}"
    )
    print(f"the batcher reaches {100 * loop_s / batcher_s:.1f} % of the loop in a thread (best of {ROUNDS} rounds)")

    torch.set_num_threads(1)
    seconds = []
    for query in queries():
        started = time.perf_counter()
        encoder.encode_texts([query])
        seconds.append(time.perf_counter() - started)
    p50, p99 = (1000 * percentile(seconds, percent) for percent in (50, 99))
    print(f"one query on one core: p50 {p50:.2f} ms, p99 {p99:.2f} ms, over {len(seconds)} queries")

    few, asked = clips[:4], queries()[:60]
    for what, count, run in (
        ("clip", len(few), lambda model: model.encode_clips(few)),
        ("query", len(asked), lambda model: [model.encode_texts([query]) for query in asked]),
    ):
        plain_s, moving_s = processor_time(partial(run, encoder), partial(run, moving))
        print(
            f"CPU time of a {what}: small {1000 * plain_s / count:.2f} ms, "
            f"small_motion {1000 * moving_s / count:.2f} ms ({moving_s / plain_s:.2f})"
        )


def processor_time(*runs: Callable[[], object]) -> list[float]:
    """The median CPU seconds of each of ``runs`` in alternating rounds, which other load hardly affects."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(SHORT_ROUNDS):
        for column, run in zip(seconds, runs, strict=True):
            started = time.process_time()
            run()
            column.append(time.process_time() - started)
    return [float(np.median(column)) for column in seconds]


if __name__ == "__main__":
    main()
