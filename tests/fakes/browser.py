"""A headless Chromium, and a record of what a page did in it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from tests.fakes.waiting import WITHIN_S

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE_MS = 1000 * WITHIN_S

# The contrast ratio (WCAG 2.2, section 1.4.3) of every visible piece of text, over its nearest painted background.
CONTRASTS = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const channel = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
      if (colour[3] !== 0) throw new Error("a see-through background: " + at.outerHTML.slice(0, 80));
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || node.value;
    if (!own || !node.checkVisibility({ visibilityProperty: true }) || node.closest(".unseen")) continue;
    for (let at = node; at; at = at.parentElement) {
      if (getComputedStyle(at).opacity !== "1") throw new Error("a see-through part: " + at.outerHTML.slice(0, 80));
    }
    const both = [luminance(parse(getComputedStyle(node).color)), luminance(ground(node))];
    const [light, dark] = both.sort((a, b) => b - a);
    found.push([(node.textContent.trim() || node.value).slice(0, 40), (light + 0.05) / (dark + 0.05)]);
  }
  return found;
}"""


@dataclass(slots=True)
class Watched:
    """A page with its console errors and the hosts it contacted."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Lambdas, because playwright keeps a mark on the owner of a bound method, and this class has slots.
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self._on_console(message))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._on_request(request))

    def _on_console(self, message: ConsoleMessage) -> None:
        # The browser itself notes every answer of 400 and above; those are the test's own doing.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.hosts.add(urlsplit(request.url).netloc)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Starts the system's Chromium; skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("No Chromium is installed: the tests of the search page need one (apt-get install chromium).")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            await browser.close()
