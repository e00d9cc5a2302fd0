"""200 interactions at once: the bot's process between a local Discord and an engine that takes two seconds.

python -m benchmarks.discord_load
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time

import numpy as np

from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import Discord
from tests.fakes.engine_server import EngineServer


async def measure(commands: int, latency_s: float, folder: str) -> None:
    """Prints how fast receipts and answers come."""
    async with Discord() as discord, EngineServer(latency_s=latency_s) as engine:
        settings = {
            "DEEPGIF_DATA_DIR": folder,
            "DEEPGIF_DISCORD_TOKEN": TOKEN,
            "DEEPGIF_DISCORD_API_URL": discord.api_url,
            "DEEPGIF_DISCORD_PORT": "0",
            "DEEPGIF_ENGINE_URL": engine.url,
            "DEEPGIF_LOG_LEVEL": "warning",
        }
        bot = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "discord", env=settings)
        await discord.connected()
        await discord.command(query="warm up", channel="999")
        await discord.until(lambda: discord.public)
        started = time.perf_counter()
        asked = await asyncio.gather(
            *(
                discord.command(query=f"a cat {number}", person=str(1000 + number), channel=str(2000 + number))
                for number in range(commands)
            )
        )
        await discord.until(lambda: len(discord.public) > commands, timeout_s=60)
        answered_s = time.perf_counter() - started
        bot.terminate()
        await bot.wait()
        elapsed_ms = 1000 * np.array([one.elapsed_s for one in asked])
        posts = [one.channel for one in discord.public]
        print(f"{commands} commands at once, an engine that takes {latency_s:g} s")
        print(f"receipt: p50 {np.median(elapsed_ms):.0f} ms, p99 {np.quantile(elapsed_ms, 0.99):.0f} ms, ", end="")
        print(f"slowest {elapsed_ms.max():.0f} ms")
        print(f"all posted after {answered_s:.2f} s, {answered_s / latency_s:.2f} of the engine's own time")
        print(f"posted {len(posts) - 1}, twice {len(posts) - len(set(posts))}, refused by Discord {len(discord.wrong)}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=200, help="How many people ask at once.")
    parser.add_argument("--latency", type=float, default=2.0, help="Seconds that the engine takes.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options.commands, options.latency, folder))


if __name__ == "__main__":
    main()
