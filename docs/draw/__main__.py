"""Draws the pictures in README.md and the documentation: ``python -m docs.draw [page|slack|discord]...``

The search page is a screenshot. The messages are those that the bots send to the tests' local Slack and Discord, drawn
in the style of each platform's client. Everything is drawn twice, for a light and a dark colour scheme.

Needs Chromium; looks best with the fonts Lato and Inter (``apt-get install chromium fonts-lato fonts-inter``).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from docs.draw import discord, page, slack
from docs.draw.studio import PUBLIC_URL, Studio
from tests.fakes.browser import chromium
from tests.fakes.process import environment, serving

DRAWERS = {"page": page.draw, "slack": slack.draw, "discord": discord.draw}


async def main(names: list[str], data_dir: Path) -> None:
    """Indexes the bundled GIFs, starts an engine, and draws."""
    index = (sys.executable, "-m", "deepgif.cli", "index")
    process = await asyncio.create_subprocess_exec(*index, env=environment(data_dir), cwd=data_dir)
    if await process.wait():
        sys.exit("The bundled GIFs could not be indexed.")
    async with serving(data_dir=data_dir, public_url=PUBLIC_URL) as engine, chromium() as browser:
        await engine.ready()
        for name in names or DRAWERS:
            await DRAWERS[name](Studio(browser, engine.origin))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draws the pictures of the documentation.")
    parser.add_argument("names", nargs="*", choices=[*DRAWERS, []], metavar="page|slack|discord")
    parser.add_argument("--data-dir", type=Path, help="Keeps the engine's data here, for the next run.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(given.names, given.data_dir or Path(folder)))
