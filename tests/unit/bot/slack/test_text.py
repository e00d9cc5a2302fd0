"""Slack's markup, and the manifest."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deepgif.bot.slack.blocks import can_show, plain_text
from deepgif.bot.slack.installations import SCOPES
from deepgif.bot.slack.listeners import SHORTCUT
from deepgif.bot.slack.text import escape, plain
from tests.fakes.engine_server import gif
from tests.fakes.slack_server import SCOPES as NEEDED

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<@UBOT> a cat", " a cat"),
        ("<@U1|ana> and <@U2>", "ana and "),
        ("<#C1|general> <!channel> <!subteam^S1|@team>", "general  @team"),
        ("<https://cats.example/a|cats> <https://b.example>", "cats https://b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;", "&lt;"),
    ],
)
def test_plain(text, words):
    """References become their labels, and entities are decoded once."""
    assert plain(text, "UBOT") == words


@given(st.text())
def test_escaped_text_has_no_meaning_for_slack(text):
    """Escaped text contains no reference, and decodes to the original."""
    assert not re.search("[<>]", escape(text))
    assert plain(escape(text)) == text


@given(st.text(max_size=200), st.integers(2, 100))
def test_plain_texts_fit(text, most):
    """Slack accepts 1 to ``most`` characters."""
    assert 1 <= len(plain_text(text, most)["text"]) <= most


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://media.giphy.com/a.gif?x=1", True),
        ("https://93.184.216.34/a.gif", True),
        ("https://media.giphy.com/a.webp", False),
        ("http://localhost:8710/v1/media/a/b", False),
        ("http://127.0.0.1:8710/v1/media/a/b", False),
        ("http://[::1]/a.gif", False),
        ("http://192.168.1.4/a.gif", False),
        ("ftp://media.giphy.com/a.gif", False),
        ("/v1/media/a/b", False),
        ("https://media.giphy.com/" + "a" * 3000, False),
    ],
)
def test_what_slack_can_show(url, shown):
    """Slack's servers load the image, so its URL must be public."""
    assert can_show(gif(1, url=url)) is shown


def test_the_manifest_fits_the_code():
    """It has exactly the scopes, events and names that the code uses."""
    manifest = yaml.safe_load((ROOT / "config" / "slack_manifest.yaml").read_text())
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    assert scopes == sorted(SCOPES)
    code = "".join(path.read_text() for path in (ROOT / "bot" / "slack").glob("*.py"))
    methods = {name for name in NEEDED if re.search(rf"\.{name.replace('.', '_')}\b", code)}
    assert methods == set(NEEDED)
    listened = set(re.findall(r'(?:app\.event\(|before_acknowledgement\(app, )"(\w+)"', code))
    asked = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    assert {name.partition(".")[0] for name in asked} == listened
    by_event = {"app_mention": "app_mentions:read", "message.im": "im:history"}
    by_method = {NEEDED[name] for name in methods} | {"chat:write.public", "commands"}
    assert set(scopes) == by_method | {by_event[name] for name in asked & set(by_event)}
    assert [one["callback_id"] for one in manifest["features"]["shortcuts"]] == [SHORTCUT]
    assert [one["command"] for one in manifest["features"]["slash_commands"]] == ["/deepgif"]
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert 'app.action(f"gif:{action}")' in code
