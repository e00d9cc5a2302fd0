"""``deepgif init``: what it asks, checks and writes, over fake services."""

import stat
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from typer.testing import CliRunner

from deepgif.cli import init
from deepgif.cli.app import app
from deepgif.config.settings import PREFIX, Settings, load_settings

KEYS = {
    "slack_bot_token": "xoxb-good",
    "slack_app_token": "xapp-good",
    "discord_token": "good",
    "giphy_api_key": "good",
}


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def answers(monkeypatch):
    """Runs ``deepgif init`` as on a terminal, with these answers; services know the values of ``KEYS``."""

    async def check(secret, value):
        if value == "away":
            raise aiohttp.ClientConnectionError
        if value != KEYS[secret.setting]:
            raise init.RejectedError("It was rejected.")
        return "somebody"

    monkeypatch.setattr(init, "is_terminal", lambda: True)
    monkeypatch.setattr(init, "_checked", check)
    return lambda *lines: CliRunner().invoke(app, ["init"], input="".join(f"{line}\n" for line in lines))


def test_slack(answers, tmp_path):
    """Tokens are asked for until they are right, never shown, and written for the owner only."""
    done = answers("slack", "xoxb-wrong", "two words", "xoxb-good", "xapp-good", "giphy", "good")
    assert done.exit_code == 0, done.output
    assert "deepgif bot slack" in done.output
    assert "It was rejected. Try again." in done.output
    assert not any(secret in done.output for secret in ("xoxb-wrong", "two words", "xoxb-good", "xapp-good"))
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    settings = load_settings()
    assert settings.slack_bot_token.get_secret_value() == "xoxb-good"
    assert settings.slack_app_token.get_secret_value() == "xapp-good"
    assert settings.giphy_api_key.get_secret_value() == "good"


def test_what_is_there_stays(answers, tmp_path):
    """Other lines and settings that are not replaced; replaced ones change where they are."""
    path = tmp_path / ".env"
    path.write_text("# mine\nDEEPGIF_DISCORD_TOKEN=old\nDEEPGIF_PORT=1\n", encoding="utf-8")
    assert answers("discord", "n", "bundled").exit_code == 0
    assert path.read_text(encoding="utf-8") == "# mine\nDEEPGIF_DISCORD_TOKEN=old\nDEEPGIF_PORT=1\n"
    done = answers("discord", "y", "good", "bundled")
    assert done.exit_code == 0
    assert "DEEPGIF_PUBLIC_URL" in done.output
    assert path.read_text(encoding="utf-8") == "# mine\nDEEPGIF_DISCORD_TOKEN=good\nDEEPGIF_PORT=1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_service_that_is_away(answers):
    """The token can be kept without a check, or asked for again."""
    done = answers("discord", "away", "n", "away", "y", "bundled")
    assert done.exit_code == 0, done.output
    assert load_settings().discord_token.get_secret_value() == "away"


def test_just_trying_writes_nothing(answers, tmp_path):
    """It names the command to run."""
    done = answers("teams", "try")
    assert "Type one of: slack, discord, try." in done.output
    assert "deepgif demo" in done.output
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal(tmp_path, monkeypatch):
    """It names what is missing, and does nothing."""
    done = CliRunner().invoke(app, ["init"])
    assert done.exit_code == 1
    assert all(PREFIX + name.upper() in done.output for name in ("slack_bot_token", "slack_app_token", "discord_token"))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("DEEPGIF_DISCORD_TOKEN", "t")
    done = CliRunner().invoke(app, ["init"])
    assert (done.exit_code, done.output) == (0, "Nothing is missing for discord.\n")


@pytest.fixture
async def services():
    """Slack, Discord, GIPHY and Klipy on loopback; they know the values of ``KEYS``."""

    async def slack(request):
        method, token = request.match_info["method"], request.headers["Authorization"].removeprefix("Bearer ")
        wanted = {"auth.test": "xoxb-good", "apps.connections.open": "xapp-good"}[method]
        known = {"ok": True, "user": "deepgif", "team": "Acme"}
        return web.json_response(known if token == wanted else {"ok": False, "error": "invalid_auth"})

    async def discord(request):
        known = request.headers["Authorization"] == "Bot good"
        return web.json_response({"username": "deepgif"} if known else {}, status=200 if known else 401)

    async def giphy(request):
        assert request.query["limit"] == "1"
        return web.json_response({}, status={"good": 200, "busy": 429}.get(request.query["api_key"], 401))

    async def klipy(request):
        return web.json_response({}, status=200 if request.match_info["key"] == "a/b" else 404)

    server = web.Application()
    server.add_routes(
        [
            web.post("/api/{method}", slack),
            web.get("/api/v10/users/@me", discord),
            web.get("/v1/gifs/search", giphy),
            web.get("/api/v1/{key}/gifs/search", klipy),
        ]
    )
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(server)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize(
    ("name", "right", "wrong", "says"),
    [
        ("slack_bot_token", "xoxb-good", "xoxb-bad", "invalid_auth"),
        ("slack_app_token", "xapp-good", "xoxb-good", "invalid_auth"),
        ("discord_token", "good", "bad", "401"),
        ("giphy_api_key", "good", "bad", "401"),
        ("giphy_api_key", "busy", "bad&q=", "401"),
        ("klipy_api_key", "a/b", "bad", "404"),
    ],
)
async def test_checks(services, name, right, wrong, says):
    """Each service is asked as it documents; a rejected key is told, without repeating it."""
    settings = load_settings(slack_api_url=f"{services}/api/", discord_api_url=f"{services}/api/v10")
    every = [*provider_of(services), *(one for some in init.bot_secrets(settings).values() for one in some)]
    secret = next(one for one in every if one.setting == name)
    assert await secret.check(right)
    with pytest.raises(init.RejectedError, match=says) as caught:
        await secret.check(wrong)
    assert wrong not in str(caught.value)


def provider_of(origin):
    return init.provider_secrets(origin, origin).values()


async def test_a_check_of_a_service_that_is_away():
    """Nobody listens: an error that is no rejection."""
    (secret,) = init.bot_secrets(load_settings(discord_api_url="http://127.0.0.1:9/api"))["discord"]
    with pytest.raises(aiohttp.ClientError):
        await secret.check("good")
