"""A discrete-event simulation (simpy) of one engine: its event loop, its two workers and its cores.

Requests are a Poisson process, or come from closed-loop clients. A worker takes whatever is queued, like
``deepgif.engine.ingest.batcher``. All work needs a core, in time slices of ``TURN_S``. The event loop and the query
batches also need the GIL, which switches as often (``sys.getswitchinterval``); the loop keeps it while it has work.
Frames and decoders do not need the GIL. Waiting for Redis, the provider or downloads needs neither.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

Steps = Generator[simpy.Event, Any, None]
TURN_S = 0.005
QUERIES_AT_ONCE, FRAMES_AT_ONCE = 64, 64
WARM_UP = 0.1  # share of requests that are not counted


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds. ``batch_s`` and ``query_s``: encoding and searching a batch, and each query in it; ``loop_s``: the
    event loop per request; ``frame_s`` and ``decode_s``: encoding a frame and decoding a GIF. ``remote_s`` is the wait
    per batch for an index on another machine. ``spread`` is the coefficient of variation of all these times, which are
    gamma distributed (0: constant, 1: exponential)."""

    loop_s: float
    batch_s: float
    query_s: float
    frame_s: float = 0.0
    decode_s: float = 0.0
    remote_s: float = 0.0
    spread: float = 0.0
    cores: int = 2
    queries_at_once: int = QUERIES_AT_ONCE


@dataclass(frozen=True, slots=True)
class Load:
    """``rate`` requests per second, or ``clients`` closed-loop clients. The share ``cached`` is answered from cached
    results, which takes ``redis_s``; the share ``cold`` asks the provider, which takes ``provider_s`` on average
    (exponentially distributed), and embeds ``new`` GIFs on average, of ``frames`` frames each. ``client_s`` is the
    client's own CPU time per request on this machine."""

    rate: float = 0.0
    clients: int = 0
    cached: float = 0.0
    cold: float = 0.0
    new: float = 0.0
    frames: int = 4
    redis_s: float = 0.0
    provider_s: float = 0.0
    client_s: float = 0.0


class _Worker:
    """Processes queued items in batches, one at a time; ``work`` takes the number of items."""

    def __init__(self, env: simpy.Environment, most: int, work: Callable[[int], Steps]) -> None:
        self._env = env
        self._most = most
        self._work = work
        self._waiting: deque[tuple[int, simpy.Event]] = deque()
        self._arrived = env.event()
        env.process(self._run())

    def submit(self, items: int) -> simpy.Event:
        done = self._env.event()
        self._waiting.append((items, done))
        if not self._arrived.triggered:
            self._arrived.succeed()
        return done

    def _run(self) -> Steps:
        while True:
            if not self._waiting:
                self._arrived = self._env.event()
                yield self._arrived
            batch, size = [], 0
            while self._waiting and (not batch or size + self._waiting[0][0] <= self._most):
                batch.append(self._waiting.popleft())
                size += batch[-1][0]
            yield from self._work(size)
            for _, done in batch:
                done.succeed()


class _Loop:
    """The event loop: runs callbacks in sequence, and offers the GIL to others every ``TURN_S``."""

    def __init__(self, machine: _Machine) -> None:
        self._machine = machine
        self._waiting: deque[tuple[float, simpy.Event]] = deque()
        self._arrived = machine.env.event()
        machine.env.process(self._run())

    def submit(self, seconds: float) -> simpy.Event:
        done = self._machine.env.event()
        self._waiting.append((seconds, done))
        if not self._arrived.triggered:
            self._arrived.succeed()
        return done

    def _run(self) -> Steps:
        env = self._machine.env
        while True:
            if not self._waiting:
                self._arrived = env.event()
                yield self._arrived
            with self._machine.interpreter.request() as turn:
                yield turn
                ends = env.now + TURN_S
                while self._waiting and env.now < ends:
                    seconds, done = self._waiting.popleft()
                    yield from self._machine.work(self._machine.about(seconds))
                    done.succeed()


class _Machine:
    def __init__(self, costs: Costs, load: Load, rng: random.Random) -> None:
        self.env = simpy.Environment()
        self.costs, self.load, self.rng = costs, load, rng
        self.cores = simpy.Resource(self.env, costs.cores)
        self.interpreter = simpy.Resource(self.env, 1)
        self.client_loop = simpy.Resource(self.env, 1)
        self.queries = _Worker(self.env, costs.queries_at_once, self._find)
        self.clips = _Worker(self.env, FRAMES_AT_ONCE, self._encode)
        self.loop = _Loop(self)
        self.took: list[tuple[float, float]] = []  # arrival time and latency

    def about(self, seconds: float) -> float:
        """A random time with the mean ``seconds``."""
        shape = self.costs.spread**-2 if self.costs.spread else 0.0
        return self.rng.gammavariate(shape, seconds / shape) if shape and seconds else seconds

    def work(self, seconds: float) -> Steps:
        """Uses a core in time slices."""
        while seconds > 0:
            with self.cores.request() as turn:
                yield turn
                step = min(seconds, TURN_S)
                yield self.env.timeout(step)
            seconds -= step

    def interpret(self, seconds: float) -> Steps:
        """Uses a core and the GIL in time slices."""
        while seconds > 0:
            step = min(seconds, TURN_S)
            with self.interpreter.request() as turn:
                yield turn
                yield from self.work(step)
            seconds -= step

    def _find(self, count: int) -> Steps:
        yield from self.interpret(self.about(self.costs.batch_s + count * self.costs.query_s))
        yield self.env.timeout(self.costs.remote_s)

    def _encode(self, frames: int) -> Steps:
        part = self.about(frames * self.costs.frame_s) / self.costs.cores
        yield self.env.all_of([self.env.process(self.work(part)) for _ in range(self.costs.cores)])

    def request(self) -> Steps:
        came = self.env.now
        with self.client_loop.request() as turn:
            yield turn
            yield from self.work(self.about(self.load.client_s))
        yield from self._loop_part()
        kind = self.rng.random()
        if kind < self.load.cached:
            yield self.env.timeout(self.load.redis_s)
        else:
            yield self.queries.submit(1)
            if kind < self.load.cached + self.load.cold:
                yield self.env.timeout(self.rng.expovariate(1 / self.load.provider_s) if self.load.provider_s else 0.0)
                looks = [self.env.process(self.look()) for _ in range(self._new())]
                yield self.env.all_of(looks)
        yield from self._loop_part()
        self.took.append((came, self.env.now - came))

    def _loop_part(self) -> Steps:
        """Half of the event loop's work: before the search, or after it."""
        if self.costs.loop_s:
            yield self.loop.submit(self.costs.loop_s / 2)

    def look(self) -> Steps:
        yield from self.work(self.about(self.costs.decode_s))
        yield self.clips.submit(self.load.frames)

    def _new(self) -> int:
        """A random integer with the mean ``new``."""
        whole = int(self.load.new)
        return whole + (self.rng.random() < self.load.new - whole)

    def open_arrivals(self, requests: int) -> Steps:
        for _ in range(requests):
            yield self.env.timeout(self.rng.expovariate(self.load.rate))
            self.env.process(self.request())

    def client(self, requests: int) -> Steps:
        for _ in range(requests):
            yield self.env.process(self.request())


def simulate(costs: Costs, load: Load, requests: int = 4000, seed: int = 0) -> np.ndarray:
    """The latencies (R,) in seconds in order of arrival, without the warm-up. All requests are completed."""
    machine = _Machine(costs, load, random.Random(seed))
    if load.clients:
        ends = [machine.env.process(machine.client(-(-requests // load.clients))) for _ in range(load.clients)]
        machine.env.run(machine.env.all_of(ends))
    else:
        machine.env.process(machine.open_arrivals(requests))
        machine.env.run()  # ends when no event is left; idle workers schedule none
    took = [seconds for _, seconds in sorted(machine.took)]
    return np.array(took[int(WARM_UP * len(took)) :])


def use(costs: Costs, load: Load) -> float:
    """The utilisation of the GIL or the cores, whichever is busier, with full batches: a lower bound."""
    found = costs.loop_s + (1 - load.cached) * (costs.query_s + costs.batch_s / costs.queries_at_once)
    looked = load.cold * load.new * (costs.decode_s + load.frames * costs.frame_s)
    return load.rate * max(found, (found + looked) / costs.cores)
