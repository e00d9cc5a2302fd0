"""The life of the service: listen at once, load, answer, embed what is new meanwhile, stop when asked to."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from engine.assembly import Engine, EngineOptions, open_engine
from engine.errors import DeepGifError, ListenError
from engine.metrics import Metrics
from engine.search import SearchEngine
from engine.server import ServerOptions, create_app, create_runner

_log = logging.getLogger(__name__)
FORGET_EVERY_S = 3600.0  # between two looks for GIFs of providers that were kept long enough
PROGRESS_EVERY = 100  # GIFs between two lines in the log


async def serve(
    options: EngineOptions, server: ServerOptions, host: str, port: int, on_listening: Callable[[str], None]
) -> None:
    """Serves until SIGINT or SIGTERM. ``on_listening`` gets the address. Raises ``ListenError``, and whatever keeps
    the engine from loading."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    loaded: list[SearchEngine] = []
    metrics = Metrics()
    runner = create_runner(create_app(lambda: loaded[0] if loaded else None, metrics, server))
    await runner.setup()
    try:
        on_listening(await _listen(runner, host, port))
        work = asyncio.create_task(_run_engine(options, metrics, loaded))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if work.done():
            work.result()  # raises what ended it
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
    finally:
        loaded.clear()
        await runner.cleanup()


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


async def _run_engine(options: EngineOptions, metrics: Metrics, loaded: list[SearchEngine]) -> None:
    async with open_engine(options, metrics) as engine:
        coverage = await engine.search.coverage()
        loaded.append(engine.search)
        _log.info("Ready with the model %s and %d GIFs from before.", engine.search.model, coverage.seen)
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
