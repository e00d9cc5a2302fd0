"""Messages in Slack."""

from __future__ import annotations

from html import escape
from typing import Any

from docs.draw.studio import Studio, button
from tests.fakes.slack_server import Said, Slack
from tests.fakes.waiting import until

POSTED, PREVIEWED = "when the build passes", "time for coffee"
WIDTH = 640
STYLE = """
:root { --page: #fff; --ink: #1d1c1d; --soft: #616061; --edge: #1d1c1d4d; --own: #f8f8f8; --badge: #dddddd99 }
@media (prefers-color-scheme: dark) {
  :root { --page: #1a1d21; --ink: #d1d2d3; --soft: #ababad; --edge: #e8e8e84d; --own: #222529; --badge: #ffffff24 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 12px 0; background: var(--page); color: var(--ink); font: 15px/1.47 Lato, Inter, sans-serif }
.message { display: flex; gap: 8px; padding: 8px 20px } .only { background: var(--own) } .content { flex: 1 }
.face { flex: none; width: 36px; height: 36px; border-radius: 8px } .name { font-weight: 900 }
.badge { padding: 1px 4px; border-radius: 3px; background: var(--badge); color: var(--soft);
  font: 700 10px Lato, Inter }
.badge, .time { margin-left: 4px } .time, .note { color: var(--soft); font-size: 12px }
.section { display: flex; justify-content: space-between; gap: 12px; margin-top: 2px }
.title { margin-top: 4px } .title::after { content: " ▾"; color: var(--soft) }
img.gif { display: block; width: 280px; margin-top: 4px; border-radius: 8px }
.small { color: var(--soft); font-size: 13px }
.actions { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px }
button { height: 28px; padding: 0 9px; border: 1px solid var(--edge); border-radius: 8px; background: none;
  color: inherit; font: 700 13px Lato, Inter, sans-serif } button.menu { height: 24px; border: 0; letter-spacing: 1px }
button.primary { border-color: #007a5a; background: #007a5a; color: #fff }
"""


async def draw(studio: Studio) -> None:
    """Draws a post with its private buttons, and a preview."""
    async with Slack() as slack:
        tokens = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1"}
        async with studio.bot("slack", slack_api_url=slack.api_url, slack_port="0", **tokens):
            await slack.connected()
            await slack.command(POSTED, user="U1", user_name="ana")
            await until(lambda: slack.private("U1"))
            await slack.command("settings", user="U2")
            await until(lambda: slack.views)
            await slack.submit(slack.views[0], {"user": {"selected_option": {"value": "preview"}}}, "U2")
            await slack.command(PREVIEWED, user="U2", user_name="ben")
            await until(lambda: slack.private("U2"))
        if slack.wrong:
            raise ValueError(f"The local Slack rejected: {slack.wrong}")
        posted = [*slack.public, *slack.private("U1")]
        previewed = slack.private("U2")[-1:]
    icon = f"{studio.engine}/assets/icon.svg"
    await studio.draw("slack-posted", STYLE, "".join(_message(one, icon) for one in posted), WIDTH)
    await studio.draw("slack-preview", STYLE, "".join(_message(one, icon) for one in previewed), WIDTH)


def _message(said: Said, icon: str) -> str:
    note = '<div class="note">Only visible to you</div>' if said.to else ""
    head = '<span class="name">DeepGIF</span><span class="badge">APP</span><span class="time">10:42 AM</span>'
    content = note + head + "".join(_block(one) for one in said.blocks)
    kind = "message only" if said.to else "message"
    return f'<div class="{kind}"><img class="face" src="{icon}" alt=""><div class="content">{content}</div></div>'


def _block(one: dict[str, Any]) -> str:
    match one["type"]:
        case "section":
            menu = button("•••", "menu") if "accessory" in one else ""
            return f'<div class="section"><div>{escape(one["text"]["text"])}</div>{menu}</div>'
        case "image":
            title, url = escape(one["title"]["text"]), escape(one["image_url"])
            return f'<div class="title">{title}</div><img class="gif" src="{url}" alt="{escape(one["alt_text"])}">'
        case "context":
            return "".join(f'<div class="small">{escape(part["text"])}</div>' for part in one["elements"])
        case "actions":
            made = (button(part["text"]["text"], part.get("style", "")) for part in one["elements"])
            return f'<div class="actions">{"".join(made)}</div>'
        case kind:
            raise ValueError(f"can't draw a block of type {kind}")
