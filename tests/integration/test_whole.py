"""All of it at once: the real program with the shipped model and GIFs, in a real browser."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from deepgif.engine.api.client import EngineClient
from deepgif.engine.engine import SHIPPED_CATALOGUE
from deepgif.engine.errors import InvalidRequestError
from tests.fakes.browser import Watched, chromium
from tests.fakes.process import ROOT, Served, serving
from tests.fakes.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def shipped() -> list[dict[str, str]]:
    """The entries of the shipped catalogue."""
    entries: list[dict[str, str]] = json.loads((SHIPPED_CATALOGUE / "catalogue.json").read_text("utf-8"))["gifs"]
    return entries


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The engine with the shipped catalogue, every GIF embedded."""
    data_dir: Path = tmp_path_factory.mktemp("data")
    async with serving(data_dir=data_dir) as started:
        assert (await started.ready())["total"] == len(shipped())
        yield started


async def test_searching_in_a_browser(served: Served) -> None:
    """Words in, the GIF that shows them large, its picture really loaded, and nothing asked of any other host."""
    async with chromium() as browser:
        page = await browser.new_page()
        watched = Watched(page)
        await page.goto(served.origin)
        await page.get_by_label("Describe the GIF").fill("a rocket lifts off")
        await page.keyboard.press("Enter")
        await expect(page.locator("#chosen-title")).to_have_text("Deploy! A rocket lifts off")
        image = page.locator("#stage-picture img")
        await expect(image).to_have_attribute("alt", re.compile("leaves a cloud of smoke"))
        await until(lambda: image.evaluate("(image) => image.naturalWidth > 0"))
        await expect(page.locator(".tile")).to_have_count(12)
        assert watched.complaints == []
        assert watched.hosts == {urlsplit(served.origin).netloc}


async def test_the_page_s_examples_find_something(served: Served) -> None:
    """Every example on the page has a fitting GIF among those shipped."""
    script = (ROOT / "engine" / "api" / "web" / "app.js").read_text(encoding="utf-8")
    block = re.search(r"const EXAMPLES = \[(.*?)\];", script, re.DOTALL)
    assert block
    examples = re.findall(r'"(.+?)"', block[1])
    assert len(examples) >= 4
    async with aiohttp.ClientSession() as http:
        for words in examples:
            async with http.get(f"{served.origin}/v1/search", params={"q": words}) as response:
                best = (await response.json())["results"][0]
            assert best["fit"] in ("strong", "fair"), (words, best["title"])


async def test_other_words_for_the_shipped_gifs(served: Served) -> None:
    """Words that the titles do not use find most of the GIFs they describe."""
    titles = {entry["file"]: entry["title"] for entry in shipped()}
    with (SHIPPED_CATALOGUE / "descriptions.csv").open(encoding="utf-8", newline="") as file:
        described = list(csv.DictReader(file))[::10]
    found = 0
    async with aiohttp.ClientSession() as http:
        for row in described:
            asked = {"q": row["sentence"], "limit": "10"}
            async with http.get(f"{served.origin}/v1/search", params=asked) as response:
                found += titles[row["file"]] in [result["title"] for result in (await response.json())["results"]]
    assert found / len(described) > 0.5


async def test_words_that_are_begun_are_completed(served: Served) -> None:
    """With the words of the shipped GIFs' texts."""
    async with EngineClient(served.origin) as client:
        words = await client.suggest("rock", 5)
        assert "rocket" in words
        assert all(word.startswith("rock") for word in words)
        assert await client.suggest("qqq", 5) == ()
        with pytest.raises(InvalidRequestError, match="limit"):
            await client.suggest("a", 0)
