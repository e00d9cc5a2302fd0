"""A local Discord: gateway, REST API, interactions and messages, with Discord's validation.

Written from discord.com/developers/docs; not compared with the live service.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.discord_gateway import TOKEN, Gateway
from tests.fakes.discord_rules import (
    EPHEMERAL,
    BodyError,
    check_choices,
    check_commands,
    check_message,
    check_modal,
    need,
    walk,
)
from tests.fakes.waiting import WITHIN_S, Gate, until

APPLICATION, BOT = "4242", "4242"
TOKEN_S, FOLLOW_UPS = 900.0, 5
ACK_S = WITHIN_S  # Discord waits for 3 s; benchmarks/bot/load.py measures that, tests run on slow machines
GUILD, CHANNEL, NSFW, THREAD, DM, GROUP = (str(n << 22) for n in (4, 11, 12, 13, 14, 15))
EVERYTHING, MANAGE_GUILD = str((1 << 10) | (1 << 11) | (1 << 14) | (1 << 16)), 1 << 5
_EPOCH_MS = 1420070400000


@dataclass(slots=True)
class Said:
    """A message. ``to`` is the only user who sees it, or empty."""

    id: str
    channel: str
    body: dict[str, Any]
    to: str = ""
    deleted: bool = False
    edits: int = 0

    @property
    def parts(self) -> list[dict[str, Any]]:
        """All components, also nested ones."""
        return list(walk(self.body["components"]))

    @property
    def text(self) -> str:
        """The texts as users see them."""
        return "\n".join(one["content"] for one in self.parts if one["type"] == 10).replace("\\", "")

    @property
    def image(self) -> dict[str, Any]:
        """The media item."""
        return dict(next(one for one in self.parts if one["type"] == 12)["items"][0])

    @property
    def title(self) -> str:
        """The caption below the GIF."""
        return next(one for one in reversed(self.parts) if one["type"] == 10)["content"].replace("\\", "")

    @property
    def buttons(self) -> dict[str, str]:
        """The ``custom_id`` of each button, by action."""
        named = (one["custom_id"] for one in self.parts if one["type"] == 2)
        return {name.split(":")[1]: name for name in named}

    @property
    def reply_to(self) -> str:
        """The message that this one replies to."""
        return str((self.body.get("message_reference") or {}).get("message_id", ""))


@dataclass(slots=True)
class Asked:
    """An interaction and its response: ``kind`` is the type of the callback, 0 before there is one, ``data`` its data,
    and ``original`` the message of the response."""

    id: str
    token: str
    type: int
    user: str
    channel: str
    at: float
    abroad: bool
    source: Said | None = None
    kind: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    elapsed_s: float = 0.0
    original: Said | None = None
    follow_ups: int = 0


@dataclass(slots=True)
class Discord:
    """``admins`` manage the server; the bot can't post in ``closed`` channels. The next ``limited`` responses are a
    429, a global one if ``everywhere``, and the next ``broken`` ones a 502. Interaction tokens are valid for
    ``token_s`` seconds, and interactions are ``late_s`` seconds old on arrival. The next ``cut`` posts are accepted but
    get a 502; messages held at the ``gate`` are accepted but get no response. ``gone`` messages can't be replied
    to."""

    admins: set[str] = field(default_factory=lambda: {"99"})
    closed: set[str] = field(default_factory=set)
    limited: int = 0
    everywhere: bool = False
    token_s: float = TOKEN_S
    late_s: float = 0.0
    broken: int = 0
    cut: int = 0
    gone: set[str] = field(default_factory=set)
    said: list[Said] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)
    commands: list[dict[str, Any]] = field(default_factory=list)
    synced: int = 0
    refused_posts: int = 0
    calls: list[str] = field(default_factory=list)
    guilds: list[str] = field(default_factory=lambda: [GUILD])
    gate: Gate = field(default_factory=Gate)
    origin: str = ""
    gateway: Gateway = field(init=False)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _posts: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        self.gateway = Gateway(self._ready)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/gw/", self.gateway.handle)
        for method, path, handler in (
            ("GET", "/users/@me", self._me),
            ("GET", "/applications/@me", self._application),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway_bot),
            ("GET", "/applications/{app}/commands", self._get_commands),
            ("PUT", "/applications/{app}/commands", self._put_commands),
            ("POST", "/interactions/{id}/{token}/callback", self._callback),
            ("POST", "/webhooks/{app}/{token}", self._follow_up),
            ("PATCH", "/webhooks/{app}/{token}/messages/{message}", self._edit),
            ("DELETE", "/webhooks/{app}/{token}/messages/{message}", self._delete),
            ("POST", "/channels/{channel}/messages", self._post),
            ("DELETE", "/channels/{channel}/messages/{message}", self._delete_post),
        ):
            app.router.add_route(method, f"/api/v10{path}", self._checked(handler))
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.gateway.url = self.origin.replace("http", "ws", 1) + "/gw/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.gate.release()
        await self.gateway.drop()
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"{self.origin}/api/v10"

    @property
    def wrong(self) -> list[str]:
        """What Discord would have rejected."""
        return self.gateway.wrong

    @property
    def public(self) -> list[Said]:
        """Messages that everybody sees."""
        return [one for one in self.said if not one.to and not one.deleted]

    def private(self, user: str = "1") -> list[Said]:
        """Messages that only this user sees."""
        return [one for one in self.said if one.to == user and not one.deleted]

    async def connected(self) -> None:
        """Waits until every shard is connected."""
        await until(self.gateway.connected)

    def new(self) -> str:
        """A new snowflake ID."""
        return str((int(1000 * time.time()) - _EPOCH_MS << 22) + next(self._numbers) % (1 << 22))

    async def command(self, name: str = "deepgif", user: str = "1", channel: str = CHANNEL, **given: Any) -> Asked:
        """A user sends a slash command with options such as ``query``."""
        where = {key: given.pop(key) for key in ("guild", "owner", "abroad", "without") if key in given}
        options = [{"name": option, "type": 3, "value": value} for option, value in given.items()]
        data = {"id": "1", "name": name, "type": 1, "options": options}
        return await self._interact(2, data, user, channel, **where)

    async def type(self, text: str, user: str = "1") -> list[str]:
        """The completions of what a user types."""
        option = {"name": "query", "type": 3, "value": text, "focused": True}
        data = {"id": "1", "name": "deepgif", "type": 1, "options": [option]}
        asked = await self._interact(4, data, user, CHANNEL)
        await until(lambda: asked.kind)
        return [choice["value"] for choice in asked.data["choices"]]

    async def react(self, text: str, user: str = "1", channel: str = CHANNEL) -> Asked:
        """A user chooses the command in a message's menu."""
        message = self._message(Said(self.new(), channel, {"content": text, "components": []}), author="7")
        data = {"id": "2", "name": "React with a GIF", "type": 3, "target_id": message["id"]}
        return await self._interact(2, {**data, "resolved": {"messages": {message["id"]: message}}}, user, channel)

    async def press(self, said: Said, action: str, user: str = "1", **where: Any) -> Asked:
        """A user presses a button."""
        data = {"custom_id": said.buttons[action], "component_type": 2}
        return await self._interact(3, data, user, said.channel, said=said, **where)

    async def choose(self, said: Said, name: str, values: list[str], user: str = "99") -> Asked:
        """A user chooses in a menu of the settings."""
        part = next(one for one in said.parts if one.get("custom_id") == f"set:{name}")
        data = {"custom_id": part["custom_id"], "component_type": part["type"], "values": values, "resolved": {}}
        return await self._interact(3, data, user, said.channel, said=said)

    async def fill(self, modal: dict[str, Any], user: str = "99", **values: str) -> Asked:
        """A user submits a modal. ``values`` are by the start of the field ID; other fields keep their values."""
        fields = [label["component"] for label in modal["components"]]
        components = [
            {
                "type": 18,
                "id": place,
                "component": {
                    "type": 4,
                    "id": 10 + place,
                    "custom_id": one["custom_id"],
                    "value": values.get(one["custom_id"].partition(":")[0], one.get("value") or ""),
                },
            }
            for place, one in enumerate(fields)
        ]
        return await self._interact(5, {"custom_id": modal["custom_id"], "components": components}, user, CHANNEL)

    async def write(self, text: str, user: str = "1", channel: str = CHANNEL, **changes: Any) -> str:
        """A user sends a message."""
        message = self._message(Said(self.new(), channel, {"content": text, "components": []}), author=user)
        mentioned = [name for name in (BOT, "7") if f"<@{name}>" in text or f"<@!{name}>" in text]
        message["mentions"] = [_user(name) for name in mentioned]
        if channel not in (DM, GROUP):
            message |= {"guild_id": GUILD, "member": _member(user)}
        await self.gateway.send("MESSAGE_CREATE", {**message, **changes})
        return str(message["id"])

    async def again(self) -> None:
        """The gateway repeats the latest event."""
        for session in self.gateway.live():
            frame = session.sent[-1]
            await session.send(frame["t"], frame["d"])

    async def _interact(
        self,
        kind: int,
        data: dict[str, Any],
        user: str,
        channel: str,
        *,
        said: Said | None = None,
        guild: str = GUILD,
        owner: str = "",
        abroad: bool = False,
        without: str = "",
    ) -> Asked:
        """Delivers an interaction. ``owner`` installed the app for themselves; with ``abroad``, the bot is not on the
        server; ``without`` is a field to leave out."""
        direct = channel in (DM, GROUP)
        asked = Asked(
            self.new(),
            f"token{next(self._numbers)}",
            kind,
            user,
            channel,
            time.monotonic() - self.late_s,
            bool(owner),
            said,
        )
        self.asked[asked.id] = asked
        owners = {"1": owner} if owner else {"0": "0" if direct else guild}
        payload = {
            "id": asked.id,
            "application_id": APPLICATION,
            "type": kind,
            "token": asked.token,
            "version": 1,
            "data": data,
            "channel_id": channel,
            "channel": _channel(channel),
            "locale": "en-US",
            "app_permissions": EVERYTHING,
            "entitlements": [],
            "attachment_size_limit": 10485760,
            "authorizing_integration_owners": owners,
            "context": 1 if channel == DM else 2 if direct else 0,
        }
        if direct:
            payload["user"] = _user(user)
        else:
            allowed = int(EVERYTHING) | (MANAGE_GUILD if user in self.admins else 0)
            place = "777" if abroad else guild
            payload |= {"guild_id": place, "guild": {"id": place, "locale": "en-US", "features": []}}
            payload |= {
                "guild_locale": "en-US",
                "member": {**_member(user), "permissions": str(allowed), "user": _user(user)},
            }
        if said is not None:
            payload["message"] = self._message(said)
        payload.pop(without, None)
        await self.gateway.send("INTERACTION_CREATE", payload, self.shard_of(None if direct else guild))
        return asked

    def shard_of(self, guild: str | None) -> int:
        """The shard of a server; direct messages go to the first one."""
        return (int(guild) >> 22) % self.gateway.shards if guild else 0

    def _ready(self, shard: int, count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        mine = [guild for guild in self.guilds if (int(guild) >> 22) % count == shard]
        data = {
            "v": 10,
            "user": _user(BOT, bot=True),
            "guilds": [{"id": guild, "unavailable": True} for guild in mine],
            "shard": [shard, count],
            "application": {"id": APPLICATION, "flags": 0},
        }
        return data, [_guild(guild) for guild in mine]

    def _checked(self, handler: Any) -> Any:
        """Checks the token, content type and rate limits of each call; an invalid body gets a 400."""

        async def checked(request: web.Request) -> web.StreamResponse:
            path = request.path.removeprefix("/api/v10")
            self.calls.append(f"{request.method} {path}")
            by_token = path.startswith(("/interactions/", "/webhooks/"))
            if not by_token and request.headers.get("Authorization") != f"Bot {TOKEN}":
                return _refusal(401, 0, "401: Unauthorized")
            if request.can_read_body and request.headers["Content-Type"] != "application/json":
                self.wrong.append(f"Content-Type {request.headers['Content-Type']}")
            if self.broken:
                self.broken -= 1
                return web.Response(status=502)
            too_often = self._too_often(request) if request.method != "GET" else None
            if too_often is not None:
                return too_often
            try:
                answer: web.StreamResponse = await handler(request)
            except BodyError as error:
                self.wrong.append(str(error))
                answer = _refusal(400, 50035, "Invalid Form Body")
            if path.startswith(("/webhooks/", "/channels/")):
                await self.gate.passed()
            posts = self._posts.get(request.path)
            if posts:
                left = str(5 - len(posts))
                answer.headers.update(
                    {"X-RateLimit-Bucket": "posts", "X-RateLimit-Limit": "5", "X-RateLimit-Remaining": left}
                )
                answer.headers["X-RateLimit-Reset-After"] = f"{max(0.0, posts[0] + 5 - time.monotonic()):.3f}"
            return answer

        return checked

    def _too_often(self, request: web.Request) -> web.Response | None:
        """A 429 if the test wants one, or for more than five posts in a channel within five seconds."""
        if self.limited and "/interactions/" not in request.path:
            self.limited -= 1
            return _limit(1.0, everywhere=self.everywhere)
        if request.method == "POST" and "/channels/" in request.path:
            posts, now = self._posts[request.path], time.monotonic()
            if posts and posts[0] < now - 5:
                posts.clear()
            if len(posts) >= 5:
                self.refused_posts += 1
                return _limit(posts[0] + 5 - now)
            posts.append(now)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return _json(_user(BOT, bot=True))

    async def _application(self, request: web.Request) -> web.Response:
        known = {"id": APPLICATION, "name": "DeepGIF", "description": "", "icon": None, "summary": "", "flags": 0}
        rest = {
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "k",
            "owner": _user("99"),
            "team": None,
        }
        return _json({**known, **rest, "rpc_origins": []})

    async def _gateway_bot(self, request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return _json({"url": self.gateway.url, "shards": self.gateway.shards, "session_start_limit": limit})

    async def _get_commands(self, request: web.Request) -> web.Response:
        return _json(self.commands)

    async def _put_commands(self, request: web.Request) -> web.Response:
        given = await request.json()
        check_commands(given)
        self.synced += 1
        self.commands = [_stored(command, place) for place, command in enumerate(given)]
        return _json(self.commands)

    async def _callback(self, request: web.Request) -> web.Response:
        asked, given = self.asked.get(request.match_info["id"]), await request.json()
        elapsed_s = time.monotonic() - asked.at if asked is not None else 0.0
        if asked is None or asked.token != request.match_info["token"] or elapsed_s > ACK_S:
            return _refusal(404, 10062, "Unknown interaction")
        if asked.kind:
            return _refusal(400, 40060, "Interaction has already been acknowledged.")
        kind, data = given["type"], given.get("data") or {}
        ephemeral = bool((data.get("flags") or 0) & EPHEMERAL)
        allowed = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5, 6)}[asked.type]
        need(kind in allowed, f"callback {kind} for an interaction {asked.type}")
        if kind == 4:
            check_message(data)
            asked.original = self._say(asked.channel, data, asked.user if ephemeral else "")
        elif kind == 5:
            need(set(data) <= {"flags"}, "a receipt has flags only")
        elif kind in (6, 7):
            need(asked.source is not None, "there is no message to change")
            asked.original = asked.source
            if kind == 7 and asked.source is not None:
                check_message(data)
                asked.source.body = {**asked.source.body, **data}
        elif kind == 8:
            check_choices(data["choices"])
        else:
            check_modal(data)
        asked.kind, asked.data, asked.elapsed_s = kind, data, elapsed_s
        answer: dict[str, Any] = {"interaction": {"id": asked.id, "type": asked.type, "activity_instance_id": None}}
        if asked.original is not None:
            answer["resource"] = {"type": kind, "message": self._message(asked.original)}
        return _json(answer)

    def _by_token(self, request: web.Request) -> Asked | web.Response:
        asked = next((one for one in self.asked.values() if one.token == request.match_info["token"]), None)
        if asked is None or not asked.kind:
            return _refusal(404, 10015, "Unknown Webhook")
        if time.monotonic() - asked.at > self.token_s:
            return _refusal(401, 50027, "Invalid Webhook Token")
        return asked

    async def _follow_up(self, request: web.Request) -> web.Response:
        asked, given = self._by_token(request), await request.json()
        if isinstance(asked, web.Response):
            return asked
        check_message(given)
        if asked.kind == 5 and asked.original is None:  # it is taken for the answer that was deferred
            return self._resolve(asked, given)
        asked.follow_ups += 1
        if asked.abroad and asked.follow_ups > FOLLOW_UPS:
            return _refusal(400, 40094, "This interaction has reached its maximum follow ups.")
        only = bool((given.get("flags") or 0) & EPHEMERAL)
        return _json(self._message(self._say(asked.channel, given, asked.user if only else "")))

    def _resolve(self, asked: Asked, given: dict[str, Any]) -> web.Response:
        only = bool((asked.data.get("flags") or 0) & EPHEMERAL)
        asked.original = self._say(asked.channel, given, asked.user if only else "")
        return _json(self._message(asked.original))

    async def _edit(self, request: web.Request) -> web.Response:
        asked, given = self._by_token(request), await request.json()
        if isinstance(asked, web.Response):
            return asked
        check_message(given)
        if asked.original is None:
            return self._resolve(asked, given)
        if asked.original.deleted:
            return _refusal(404, 10008, "Unknown Message")
        asked.original.body = {**asked.original.body, **given}
        asked.original.edits += 1
        return _json(self._message(asked.original))

    async def _delete(self, request: web.Request) -> web.Response:
        asked = self._by_token(request)
        if isinstance(asked, web.Response):
            return asked
        if asked.original is None:  # what was deferred goes
            asked.original = Said(self.new(), asked.channel, {"components": []}, deleted=True)
            self.said.append(asked.original)
        elif asked.original.deleted:
            return _refusal(404, 10008, "Unknown Message")
        asked.original.deleted = True
        return web.Response(status=204)

    async def _post(self, request: web.Request) -> web.Response:
        channel, given = request.match_info["channel"], await request.json()
        if channel in self.closed:
            return _refusal(403, 50013, "Missing Permissions")
        check_message(given, reference=True)
        reference = given.get("message_reference") or {}
        if str(reference.get("message_id")) in self.gone and reference.get("fail_if_not_exists", True):
            return _refusal(400, 50035, "Unknown message")
        nonce = given.get("nonce")
        same = next((one for one in self.said if nonce and one.body.get("nonce") == nonce), None)
        if same is not None and given.get("enforce_nonce"):
            return _json(self._message(same))
        said = self._say(channel, given)
        if self.cut:
            self.cut -= 1
            return web.Response(status=502)
        return _json(self._message(said))

    async def _delete_post(self, request: web.Request) -> web.Response:
        channel, name = request.match_info["channel"], request.match_info["message"]
        if channel in self.closed:
            return _refusal(403, 50001, "Missing Access")
        said = next((one for one in self.said if one.id == name and one.channel == channel and not one.deleted), None)
        if said is None:
            return _refusal(404, 10008, "Unknown Message")
        said.deleted = True
        return web.Response(status=204)

    def _say(self, channel: str, body: dict[str, Any], to: str = "") -> Said:
        said = Said(self.new(), channel, body, to)
        self.said.append(said)
        return said

    def _message(self, said: Said, author: str = BOT) -> dict[str, Any]:
        components = json.loads(json.dumps(said.body.get("components") or []))
        for place, one in enumerate(walk(components)):
            one["id"] = place + 1
            for item in one.get("items", ()):
                item["media"] |= {
                    "proxy_url": item["media"]["url"],
                    "width": 1,
                    "height": 1,
                    "content_type": "image/gif",
                }
        flags = (said.body.get("flags") or 0) | (EPHEMERAL if said.to else 0)
        stamp = "2026-11-25T00:00:00.000000+00:00"
        return {
            "id": said.id, "channel_id": said.channel, "author": _user(author, bot=author == BOT),
            "content": said.body.get("content") or "", "timestamp": stamp, "edited_timestamp": None, "tts": False,
            "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
            "pinned": False, "type": 0, "flags": flags, "components": components, "nonce": said.body.get("nonce"),
        }  # fmt: skip


def _user(name: str, *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": name,
        "username": f"name{name}",
        "discriminator": "0",
        "global_name": f"Person {name}",
        "avatar": None,
        "bot": bot,
    }


def _member(name: str) -> dict[str, Any]:
    stamp = "2020-01-01T00:00:00.000000+00:00"
    return {"nick": None, "roles": [], "joined_at": stamp, "deaf": False, "mute": False, "flags": 0, "avatar": None}


def _channel(name: str) -> dict[str, Any]:
    if name in (DM, GROUP):
        return {
            "id": name,
            "type": 1 if name == DM else 3,
            "recipients": [],
            "name": "group",
            "owner_id": "1",
            "icon": None,
        }
    common = {"id": name, "name": f"channel-{name}", "guild_id": GUILD, "permission_overwrites": [], "position": 0}
    if name == THREAD:
        data = {
            "archived": False,
            "auto_archive_duration": 60,
            "archive_timestamp": "2026-01-01T00:00:00+00:00",
            "locked": False,
        }
        return {
            **common,
            "type": 11,
            "parent_id": NSFW,
            "owner_id": "1",
            "message_count": 1,
            "member_count": 1,
            "thread_metadata": data,
        }
    return {**common, "type": 0, "nsfw": name == NSFW, "parent_id": None, "topic": None, "rate_limit_per_user": 0}


def _guild(name: str) -> dict[str, Any]:
    everyone = {
        "id": name,
        "name": "@everyone",
        "color": 0,
        "hoist": False,
        "position": 0,
        "permissions": EVERYTHING,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    own = {**everyone, "id": "55", "name": "DeepGIF", "managed": True, "tags": {"bot_id": BOT}}
    zero = (
        "verification_level",
        "default_message_notifications",
        "explicit_content_filter",
        "mfa_level",
        "nsfw_level",
        "premium_tier",
        "system_channel_flags",
        "afk_timeout",
    )
    empty = (
        "emojis",
        "stickers",
        "features",
        "members",
        "presences",
        "voice_states",
        "stage_instances",
        "guild_scheduled_events",
        "soundboard_sounds",
    )
    return {
        "id": name, "name": "Here", "owner_id": "99", "roles": [everyone, own], "member_count": 3, "large": False,
        "channels": [_channel(CHANNEL), _channel(NSFW)], "threads": [_channel(THREAD)], "unavailable": False,
        "joined_at": "2020-01-01T00:00:00.000000+00:00", "preferred_locale": "en-US",
        **dict.fromkeys(zero, 0), **{key: [] for key in empty},
    }  # fmt: skip


def _stored(command: dict[str, Any], place: int) -> dict[str, Any]:
    """A command as Discord returns it: with more keys, without empty ones, big numbers as text."""
    known = {
        key: value for key, value in command.items() if value not in (None, False, [], "") and key != "dm_permission"
    }
    if "default_member_permissions" in known:
        known["default_member_permissions"] = str(known["default_member_permissions"])
    known["contexts"] = sorted(known["contexts"], reverse=True)
    return {
        **known,
        "id": str(place + 1),
        "application_id": APPLICATION,
        "version": "1",
        "description": command.get("description", ""),
    }


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """discord.py parses JSON only if the content type has no charset."""
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers={"Content-Type": "application/json", **(headers or {})}
    )


def _refusal(status: int, code: int, message: str) -> web.Response:
    return _json({"code": code, "message": message}, status=status)


def _limit(after_s: float, *, everywhere: bool = False) -> web.Response:
    headers = {
        "Retry-After": str(after_s),
        "Via": "1.1 google",
        "X-RateLimit-Scope": "global" if everywhere else "user",
    }
    body = {"message": "You are being rate limited.", "retry_after": after_s, "global": everywhere}
    return _json(body, status=429, headers=headers)
