"""The search page."""

from __future__ import annotations

from urllib.parse import urlencode

from docs.draw.studio import SCHEMES, Studio, shoot

QUERY = "happy birthday"
WIDTH, HEIGHT = 1240, 800


async def draw(studio: Studio) -> None:
    """Draws the results of a search."""
    for scheme in SCHEMES:
        async with studio.page(scheme, WIDTH, HEIGHT, 1) as page:
            await page.goto(f"{studio.engine}/?{urlencode({'q': QUERY})}")
            await page.locator("#answer").wait_for()
            await page.evaluate("document.activeElement.blur()")
            await shoot(page, f"page-{scheme}")
