"""A message in Discord."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docs.draw.studio import Studio, button
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import Discord
from tests.fakes.waiting import until

QUERY = "let's celebrate"
WIDTH = 680
NAME, NUMBERED = "ana", "Person 1"  # the local Discord numbers people
STYLES = {1: "primary", 2: "", 4: "danger"}
STYLE = """
:root { --page: #fff; --ink: #2f3035; --strong: #060607; --soft: #5c5e66; --button: #ebebed;
  --line: #c4c9ce; --link: #4752c4 }
@media (prefers-color-scheme: dark) {
  :root { --page: #313338; --ink: #dbdee1; --strong: #f2f3f5; --soft: #949ba4; --button: #4e5058;
    --line: #4e5058; --link: #a5b0ff }
}
* { box-sizing: border-box }
body { margin: 0; padding: 16px; background: var(--page); color: var(--ink); font: 16px/1.375 Inter, sans-serif }
.used { position: relative; margin: 0 0 4px 56px; color: var(--soft); font-size: 14px }
.used::before { content: ""; position: absolute; left: -37px; top: 10px; width: 30px; height: 12px;
  border: solid var(--line); border-width: 2px 0 0 2px; border-top-left-radius: 6px }
.used b { color: var(--strong); font-weight: 500 } .used i { color: var(--link); font-style: normal }
.message { display: flex; gap: 16px } .face { flex: none; width: 40px; height: 40px; border-radius: 50% }
.name { color: var(--strong); font-weight: 500 }
.badge { margin: 0 6px 0 4px; padding: 1px 5px; border-radius: 3px; background: #5865f2; color: #fff;
  font: 600 11px Inter, sans-serif } .time, .small { color: var(--soft); font-size: 12px }
img.gif { display: block; width: 300px; margin: 4px 0; border-radius: 8px } .small { font-size: 13px }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 6px }
button { height: 32px; padding: 0 12px; border: 0; border-radius: 8px; background: var(--button); color: var(--strong);
  font: 500 14px Inter, sans-serif }
button.primary { background: #5865f2; color: #fff } button.danger { background: #d22d39; color: #fff }
"""


async def draw(studio: Studio) -> None:
    """Draws a post with its buttons."""
    async with Discord() as discord:
        given = {"discord_token": TOKEN, "discord_api_url": discord.api_url, "discord_port": "0"}
        async with studio.bot("discord", **given):
            await discord.connected()
            asked = await discord.command(query=QUERY)
            await until(lambda: asked.original and asked.original.body.get("components"))
        if discord.wrong:
            raise ValueError(f"The local Discord rejected: {discord.wrong}")
        (said,) = discord.public
    shown = "".join(_component(one) for one in said.body["components"]).replace(NUMBERED, NAME)
    head = '<span class="name">DeepGIF</span><span class="badge">APP</span><span class="time">Today at 10:42</span>'
    face = f'<img class="face" src="{studio.engine}/assets/icon.svg" alt="">'
    used = f'<div class="used"><b>{NAME}</b> used <i>/deepgif</i></div>'
    await studio.draw(
        "discord-posted", STYLE, f'{used}<div class="message">{face}<div>{head}{shown}</div></div>', WIDTH
    )


def _component(one: dict[str, Any]) -> str:
    match one["type"]:
        case 10:
            return "".join(_line(line) for line in one["content"].splitlines())
        case 12:
            media = one["items"][0]
            return f'<img class="gif" src="{escape(media["media"]["url"])}" alt="{escape(media["description"])}">'
        case 1:
            made = (button(part["label"], STYLES[part["style"]]) for part in one["components"])
            return f'<div class="row">{"".join(made)}</div>'
        case kind:
            raise ValueError(f"can't draw a component of type {kind}")


def _line(text: str) -> str:
    """The little Markdown that the bot writes."""
    kind, shown = ("small", text.removeprefix("-# ")) if text.startswith("-# ") else ("", text)
    shown = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(shown, quote=False))
    shown = re.sub(r"\\([^\w\s])", r"\1", shown)
    return f'<div class="{kind}">{shown}</div>'
