"""The life of the service: listen at once, load, answer, embed what is new meanwhile, and when asked to stop, first
finish what is in hand."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from deepgif.engine.api.app import FINISH_S, ServerOptions, create_app, create_runner
from deepgif.engine.api.signals import ShutdownSignals, until
from deepgif.engine.engine import Engine, EngineOptions, open_engine
from deepgif.engine.errors import DeepGifError, ListenError
from deepgif.engine.metrics import Metrics
from deepgif.engine.protocols import Encoder
from deepgif.engine.search.service import SearchService

_log = logging.getLogger(__name__)
FORGET_EVERY_S = 3600.0  # between two looks for GIFs of providers that were kept long enough
PROGRESS_EVERY = 100  # GIFs between two lines in the log
CUT_S = 1.0  # for the last answers once the engine is closed


async def serve(
    options: EngineOptions,
    server: ServerOptions,
    host: str,
    port: int,
    on_listening: Callable[[str], None],
    load: Callable[[EngineOptions], Encoder] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. ``on_listening`` gets the address, ``load`` is that of ``open_engine``.

    Asked to stop, it says so on ``/readyz`` and answers for ``server.drain_s`` more, in which load balancers notice;
    then it listens no more and finishes what is in hand, for at most ``FINISH_S``. A second signal ends both. Raises
    ``ListenError``, and whatever keeps the engine from loading.
    """
    stop = ShutdownSignals()
    stop.listen()
    loaded: list[SearchService] = []
    finished = asyncio.Event()
    metrics = Metrics()
    runner = create_runner(create_app(lambda: loaded[0] if loaded else None, metrics, server, stop.asked.is_set))
    await runner.setup()
    try:
        on_listening(await _listen(runner, host, port))
        work = asyncio.create_task(_run_engine(options, metrics, loaded, stop.asked, finished, load))
        asked = asyncio.create_task(stop.asked.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if loaded and not work.done():
            await _drain(runner, server.drain_s, stop)
        else:
            work.cancel()
        finished.set()
        with suppress(asyncio.CancelledError):
            await work  # raises what ended it
    finally:
        loaded.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CUT_S):
                await runner.cleanup()


async def _drain(runner: web.AppRunner, grace_s: float, stop: ShutdownSignals) -> None:
    _log.info("Closing down: what is in hand is finished first; a second signal stops at once.")
    with suppress(TimeoutError):
        async with asyncio.timeout(grace_s):
            await stop.at_once.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(FINISH_S):
            await until(stop.at_once, runner.cleanup())


async def _listen(runner: web.AppRunner, host: str, port: int) -> str:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {port} is taken: stop what uses it, or choose another with --port."
        else:
            message = f"{host}:{port} cannot be listened on ({error.strerror})."
        raise ListenError(message) from error
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{'localhost' if host in ('0.0.0.0', '::') else shown}:{bound}/"  # noqa: S104 - only compared


async def _run_engine(
    options: EngineOptions,
    metrics: Metrics,
    loaded: list[SearchService],
    asked: asyncio.Event,
    finished: asyncio.Event,
    load: Callable[[EngineOptions], Encoder] | None,
) -> None:
    """Keeps an engine open until ``finished``; what it does in the background ends when it is ``asked`` to stop."""
    async with open_engine(options, metrics, load) as engine:
        coverage = await engine.search.coverage()
        loaded.append(engine.search)
        _log.info("Ready with the model %s and %d GIFs from before.", engine.search.model, coverage.seen)
        await until(asked, _in_background(engine, metrics))
        await finished.wait()


async def _in_background(engine: Engine, metrics: Metrics) -> None:
    await _index(engine, metrics)
    while True:
        await asyncio.sleep(FORGET_EVERY_S)
        await _forget(engine)


async def _forget(engine: Engine) -> None:
    try:
        await engine.forget_expired()
    except DeepGifError as error:
        _log.error("%s", error)  # the next time will do


async def _index(engine: Engine, metrics: Metrics) -> None:
    def report(done: int, total: int) -> None:
        if done % PROGRESS_EVERY == 0 or done == total:
            _log.info("%d of %d GIFs can be found.", done, total)

    try:
        done = await engine.index(report)
    except DeepGifError as error:
        _log.error("%s", error)  # what is embedded already can still be searched
        return
    metrics.unreadable.set(len(done.unreadable))
    for path, reason in done.unreadable:
        _log.warning("Skipped %s: %s", path, reason)
