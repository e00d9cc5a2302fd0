"""Measures a bot process under 200 concurrent commands, with a local platform and an engine that takes two seconds.

python -m benchmarks.bot.load slack
python -m benchmarks.bot.load discord
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np

from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import Discord
from tests.fakes.engine_server import EngineServer
from tests.fakes.slack_server import Slack
from tests.fakes.waiting import until


@asynccontextmanager
async def bot(platform: str, latency_s: float, **settings: str) -> AsyncIterator[None]:
    """A bot process and its engine."""
    async with EngineServer(latency_s=latency_s) as engine:
        with tempfile.TemporaryDirectory() as folder:
            shared = {"data_dir": folder, "engine_url": engine.url, "log_level": "warning", f"{platform}_port": "0"}
            environment = {f"DEEPGIF_{name.upper()}": value for name, value in {**shared, **settings}.items()}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "deepgif.bot", platform, env=environment
            )
            try:
                yield
            finally:
                process.terminate()
                await process.wait()


async def slack(commands: int, latency_s: float) -> None:
    """The Slack bot, in Socket Mode."""
    async with Slack() as here:
        tokens = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1", "slack_api_url": here.api_url}
        async with bot("slack", latency_s, **tokens):
            await here.connected()
            await here.command("warm up", channel="CWARM")
            await until(lambda: here.public)
            started = time.perf_counter()
            acks = await asyncio.gather(
                *(here.command(f"a cat {n}", user=f"U{n}", channel=f"C{n}") for n in range(commands))
            )
            await until(lambda: len(here.public) > commands)
            answered_s = time.perf_counter() - started
        report(latency_s, [ack.elapsed_s for ack in acks], answered_s, [one.channel for one in here.public], here.wrong)


async def discord(commands: int, latency_s: float) -> None:
    """The Discord bot, on one shard."""
    async with Discord() as here:
        async with bot("discord", latency_s, discord_token=TOKEN, discord_api_url=here.api_url):
            await here.connected()
            await here.command(query="warm up", channel="999")
            await until(lambda: here.public)
            started = time.perf_counter()
            asked = await asyncio.gather(
                *(here.command(query=f"a cat {n}", user=str(1000 + n), channel=str(2000 + n)) for n in range(commands))
            )
            await until(lambda: len(here.public) > commands)
            answered_s = time.perf_counter() - started
        report(
            latency_s, [one.elapsed_s for one in asked], answered_s, [one.channel for one in here.public], here.wrong
        )


def report(
    latency_s: float, elapsed_s: Sequence[float], answered_s: float, channels: Sequence[str], wrong: Sequence[str]
) -> None:
    """Prints the latency of acknowledgements and answers."""
    elapsed_ms = 1000 * np.array(elapsed_s)
    print(f"{len(elapsed_s)} concurrent commands, engine latency {latency_s:g} s")
    print(f"acknowledgement: p50 {np.median(elapsed_ms):.0f} ms, p99 {np.quantile(elapsed_ms, 0.99):.0f} ms, ", end="")
    print(f"max {elapsed_ms.max():.0f} ms")
    print(f"all posted after {answered_s:.2f} s, {answered_s / latency_s:.2f} times the engine's latency")
    print(f"posted {len(channels) - 1}, duplicates {len(channels) - len(set(channels))}, rejected {len(wrong)}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("platform", choices=("slack", "discord"))
    parser.add_argument("--commands", type=int, default=200, help="Number of concurrent commands.")
    parser.add_argument("--latency", type=float, default=2.0, help="Latency of the engine, in seconds.")
    options = parser.parse_args()
    measure = slack if options.platform == "slack" else discord
    asyncio.run(measure(options.commands, options.latency))


if __name__ == "__main__":
    main()
