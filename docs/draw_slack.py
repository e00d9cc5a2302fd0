"""Draws the Slack screenshots in README.md, from a run of the bot and the engine on this machine.

    python -m docs.draw_slack

The messages are the ones that the bot sends to the tests' local Slack, drawn in the style of Slack's own client.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Page, Route, async_playwright

from tests.fakes.slack_server import Said, Slack

HERE = Path(__file__).parent / "slack"
PUBLIC = "https://gifs.example.org"
QUERY = "a rocket takes off at night"
WIDTH, SCALE, READY_S = 560, 1.5, 120
STYLE = """
body { margin: 0; padding: 16px; font: 15px/1.45 system-ui, sans-serif; color: #1d1c1d; background: #fff; width: 528px }
.message { display: flex; gap: 10px; padding: 10px 0 } .only { background: #f8f8f8; border-radius: 6px; padding: 10px }
.face { width: 36px; height: 36px; border-radius: 6px; background: #1d1b2e; color: #fff; flex: none; font-size: 11px;
  display: grid; place-items: center } .name { font-weight: 700 } .small { color: #616061; font-size: 13px }
.title { font-weight: 700; font-size: 13px } img { max-width: 300px; border-radius: 8px; display: block; margin: 4px 0 }
button { font: 700 13px system-ui, sans-serif; padding: 5px 11px; border: 1px solid #bbb; border-radius: 6px;
  background: #fff; margin: 6px 6px 0 0 } button.primary { background: #007a5a; border-color: #007a5a; color: #fff }
.section { display: flex; justify-content: space-between; gap: 12px }
.modal { border: 1px solid #ddd; border-radius: 10px; padding: 16px }
label { display: block; font-weight: 700; margin-top: 12px }
.field { border: 1px solid #bbb; border-radius: 6px; padding: 6px 10px; min-height: 22px }
h2 { margin: 0; font-size: 20px }
"""


def block(one: dict[str, Any]) -> str:
    """One block as HTML."""
    match one["type"]:
        case "section":
            menu = "<button>⋯</button>" if "accessory" in one else ""
            return f'<div class="section"><div>{escape(one["text"]["text"])}</div>{menu}</div>'
        case "image":
            title, url = escape(one["title"]["text"]), escape(one["image_url"])
            return f'<div class="title">{title}</div><img src="{url}" alt="{escape(one["alt_text"])}">'
        case "context":
            return "".join(f'<div class="small">{escape(part["text"])}</div>' for part in one["elements"])
        case "actions":
            made = (
                f'<button class="{part.get("style", "")}">{escape(part["text"]["text"])}</button>'
                for part in one["elements"]
            )
            return f"<div>{''.join(made)}</div>"
        case "input":
            element = one["element"]
            chosen = element.get("initial_option", {}).get("text", {}).get("text") or element.get("initial_value", "")
            hint = f'<div class="small">{escape(one["hint"]["text"])}</div>' if "hint" in one else ""
            return f'<label>{escape(one["label"]["text"])}</label><div class="field">{escape(chosen)}</div>{hint}'
        case kind:
            raise ValueError(f"can't draw a block of type {kind}")


def message(said: Said) -> str:
    """A message as HTML."""
    only = '<div class="small">Only visible to you</div>' if said.to else ""
    shown = "".join(block(one) for one in said.blocks)
    name = '<span class="name">DeepGIF</span> <span class="small">APP</span>'
    return (
        f'<div class="message{" only" if said.to else ""}"><div class="face">GIF</div>'
        f"<div>{only}{name}{shown}</div></div>"
    )


def modal(view: dict[str, Any]) -> str:
    """A modal as HTML."""
    shown = "".join(block(one) for one in view["blocks"])
    ends = f"<button>{view['close']['text']}</button><button class='primary'>{view['submit']['text']}</button>"
    return f'<div class="modal"><h2>{escape(view["title"]["text"])}</h2>{shown}<div>{ends}</div></div>'


async def draw(page: Page, name: str, shown: str) -> None:
    """Writes one screenshot."""
    await page.set_content(f"<meta charset=utf-8><style>{STYLE}</style>{shown}", wait_until="networkidle")
    await page.screenshot(path=HERE / name, full_page=True)
    print(HERE / name)


async def ready(engine: str) -> None:
    """Waits until the engine has embedded all of its GIFs."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(READY_S):
        while True:
            try:
                async with http.get(f"{engine}/readyz") as response:
                    body = await response.json()
                    if response.status == 200 and body["embedded"] == body["total"] > 0:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(1)


async def main() -> None:
    """Runs the engine and the bot, sends commands, and draws what users see."""
    HERE.mkdir(exist_ok=True)
    async with Slack() as slack, async_playwright() as playwright:
        engine = "http://127.0.0.1:8797"
        with tempfile.TemporaryDirectory() as folder:
            settings = {
                "PATH": "/usr/bin:/bin",
                "DEEPGIF_DATA_DIR": folder,
                "DEEPGIF_PORT": engine.rpartition(":")[2],
                "DEEPGIF_PUBLIC_URL": PUBLIC,
                "DEEPGIF_ENGINE_URL": engine,
                "DEEPGIF_SLACK_BOT_TOKEN": "xoxb-1",
                "DEEPGIF_SLACK_APP_TOKEN": "xapp-1",
                "DEEPGIF_SLACK_API_URL": slack.api_url,
                "DEEPGIF_SLACK_PORT": "0",
                "DEEPGIF_SEARCH_DEADLINE_SECONDS": "10",
            }
            processes = [
                await asyncio.create_subprocess_exec(sys.executable, "-m", *module, env=settings)
                for module in (("deepgif.cli", "serve"), ("deepgif.bot", "slack"))
            ]
            try:
                await ready(engine)
                await slack.connected()
                browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                page = await browser.new_page(viewport={"width": WIDTH, "height": 200}, device_scale_factor=SCALE)

                async def fetch(route: Route) -> None:
                    await route.fulfill(response=await page.request.get(route.request.url.replace(PUBLIC, engine)))

                await page.route(f"{PUBLIC}/**", fetch)
                await slack.command(QUERY, user_name="ana")
                await slack.until(lambda: slack.private("U1"))
                await draw(page, "posted.png", message(slack.public[0]) + message(slack.private("U1")[0]))
                await slack.command("settings", user="UADMIN")
                await slack.until(lambda: slack.views)
                shown = slack.views[0]
                await draw(page, "settings.png", modal(shown))
                preview = {"selected_option": {"value": "preview"}}
                await slack.submit(shown, {"user": preview}, "UADMIN")
                await slack.command("somebody dances in the rain", user="UADMIN", user_name="ben", channel="C2")
                await slack.until(lambda: slack.private("UADMIN"))
                await draw(page, "preview.png", message(slack.private("UADMIN")[0]))
                await browser.close()
            finally:
                for process in processes:
                    process.terminate()
                    await process.wait()
    if slack.wrong:
        raise SystemExit(f"The local Slack rejected: {slack.wrong}")


if __name__ == "__main__":
    asyncio.run(main())
