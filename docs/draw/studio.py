"""What all drawers share: the browser, the engine, and how a picture is taken and stored."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.async_api import Browser, Page, Route

from tests.fakes.process import environment

PICTURES = Path(__file__).parents[1] / "pictures"
PUBLIC_URL = "https://gifs.example.org"  # chat platforms only load GIFs from such an address
COLOURS, MAX_BYTES = 256, 300_000
MOMENT_MS = 900  # into the GIFs, when most of them show what they are about
LOADED = "() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)"
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Studio:
    """Takes pictures in ``browser``, with the GIFs of the engine at ``engine``."""

    browser: Browser
    engine: str

    @asynccontextmanager
    async def page(self, scheme: Scheme, width: int, height: int, scale: float) -> AsyncIterator[Page]:
        """An empty page, which gets the engine's GIFs from ``PUBLIC_URL``."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme=scheme
        )

        async def fetch(route: Route) -> None:
            url = route.request.url.replace(PUBLIC_URL, self.engine)
            await route.fulfill(response=await context.request.get(url))

        await context.route(f"{PUBLIC_URL}/**", fetch)
        try:
            yield await context.new_page()
        finally:
            await context.close()

    async def draw(self, name: str, style: str, body: str, width: int) -> None:
        """Draws HTML in both colour schemes."""
        html = f"<!doctype html><meta charset=utf-8><style>{style}</style><body>{body}"
        for scheme in SCHEMES:
            async with self.page(scheme, width, 100, 1.5) as page:
                await page.set_content(html)
                await shoot(page, f"{name}-{scheme}", whole=True)

    @asynccontextmanager
    async def bot(self, platform: str, **settings: str) -> AsyncIterator[None]:
        """A running bot."""
        with tempfile.TemporaryDirectory() as folder:
            given = environment(
                Path(folder), engine_url=self.engine, search_deadline_seconds="10", log_level="warning", **settings
            )
            command = ("-m", "deepgif.bot", platform)
            process = await asyncio.create_subprocess_exec(sys.executable, *command, env=given, cwd=folder)
            try:
                yield
            finally:
                process.terminate()
                await process.wait()


async def shoot(page: Page, name: str, *, whole: bool = False) -> None:
    """Stores what a page shows once all of its GIFs are loaded. Raises ``ValueError`` if the file would be too big."""
    await page.wait_for_function(LOADED)
    await page.wait_for_timeout(MOMENT_MS)
    shot = Image.open(BytesIO(await page.screenshot(full_page=whole)))
    path = PICTURES / f"{name}.png"
    shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} is bigger than {MAX_BYTES:,} bytes.")


def button(label: str, look: str = "") -> str:
    """A button as HTML."""
    return f'<button class="{look}">{escape(label)}</button>'
