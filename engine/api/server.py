"""The life of the service: listens at once, loads the engine, indexes new GIFs while it answers, and shuts down
gracefully."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from deepgif.engine.api.app import ServerOptions, create_app
from deepgif.engine.api.middleware import is_loopback
from deepgif.engine.api.signals import ShutdownSignals, until
from deepgif.engine.engine import Engine, open_engine
from deepgif.engine.errors import DeepGifError, ListenError
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.protocols import Encoder
from deepgif.engine.search.service import SearchService
from deepgif.engine.types import MAX_DEADLINE_S

_log = logging.getLogger(__name__)
MAX_LINE_BYTES = 16 * 1024  # of a request's first line: 1,000 emoji are 12,000 bytes of URL
DRAIN_S = 5.0  # load balancers that probe /readyz every 2 seconds notice after two failures
FINISH_S = MAX_DEADLINE_S + 2.0  # for in-flight requests: the longest search, and sending its answer
FORGET_EVERY_S = 3600.0  # between deletions of providers' expired GIFs
PROGRESS_EVERY = 100  # GIFs between two log lines
CUT_S = 1.0  # for the last answers after the engine has closed


def drain_seconds(setting: float | None, host: str) -> float:
    """How long a stopping engine on ``host`` keeps answering: the setting, else ``DRAIN_S``, or 0 on loopback, where
    there is no load balancer."""
    if setting is not None:
        return setting
    return 0.0 if is_loopback(host) else DRAIN_S


def create_runner(app: web.Application) -> web.AppRunner:
    """Runs the application. Handlers are cancelled if the client disconnects. There is no access log, because URLs
    contain search queries."""
    return web.AppRunner(
        app, handler_cancellation=True, access_log=None, max_line_size=MAX_LINE_BYTES, shutdown_timeout=FINISH_S
    )


async def serve(
    options: EngineOptions,
    server: ServerOptions,
    host: str,
    port: int,
    on_listening: Callable[[str], None],
    load: Callable[[EngineOptions], Encoder] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. ``on_listening`` is called with the URL; ``load`` is passed to ``open_engine``.

    On the first signal, ``/readyz`` starts returning 503 and requests are answered for ``server.drain_s`` more seconds,
    so that load balancers notice. Then the service stops listening and finishes in-flight requests, for at most
    ``FINISH_S``. A second signal skips both. Raises ``ListenError``, and the errors of ``open_engine``.
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
    _log.info("Shutting down: finishing in-flight requests. A second signal stops at once.")
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
            message = f"Port {port} is taken. Stop the program that uses it, or choose another port with --port."
        else:
            message = f"Can't listen on {host}:{port} ({error.strerror})."
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
    """Keeps an engine open until ``finished``; its background work ends when ``asked`` is set."""
    async with open_engine(options, metrics, load) as engine:
        coverage = await engine.search.collection.coverage()
        loaded.append(engine.search)
        _log.info("Ready with the model %s and %d indexed GIFs.", engine.search.model, coverage.embedded)
        await until(asked, _in_background(engine, metrics))
        await finished.wait()


async def _in_background(engine: Engine, metrics: Metrics) -> None:
    await _index(engine, metrics)
    async with asyncio.TaskGroup() as group:
        group.create_task(_read_words(engine))
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            await _forget(engine)


async def _read_words(engine: Engine) -> None:
    try:
        await engine.ingestion.read_words()
    except DeepGifError as error:
        _log.error("%s", error)  # GIFs can still be found by their frames


async def _forget(engine: Engine) -> None:
    try:
        await engine.ingestion.forget_expired()
    except DeepGifError as error:
        _log.error("%s", error)  # tried again an hour later


async def _index(engine: Engine, metrics: Metrics) -> None:
    def report(done: int, total: int) -> None:
        if done % PROGRESS_EVERY == 0 or done == total:
            _log.info("%d of %d GIFs can be found.", done, total)

    try:
        done = await engine.ingestion.index(report)
    except DeepGifError as error:
        _log.error("%s", error)  # GIFs indexed earlier can still be found
        return
    metrics.unreadable.set(len(done.unreadable))
    for path, reason in done.unreadable:
        _log.warning("Skipped %s: %s", path, reason)
