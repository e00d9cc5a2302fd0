"""A local Slack: Web API, Socket Mode, response_url and OAuth, with Slack's validation.

Written from docs.slack.dev; not compared with the live service.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

import aiohttp
from aiohttp import WSMsgType, web
from slack_sdk.signature import SignatureVerifier

from tests.fakes.slack_rules import BlockError, check_blocks, check_view, words_of
from tests.fakes.waiting import WITHIN_S, Gate, until

SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "users.info": "users:read",
}
USES = 5
ACK_S = WITHIN_S  # Slack waits for 3 s; benchmarks/bot/load.py measures that, tests run on slow machines
SECRET = "signing-secret"


@dataclass(slots=True)
class Said:
    """A message. ``ts`` is its ID; ``to`` is the only user who sees it, or empty."""

    ts: str
    channel: str
    text: str
    blocks: list[dict[str, Any]]
    to: str = ""
    thread: str = ""
    deleted: bool = False

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """The buttons and menus, by action ID."""
        parts = [part for one in self.blocks for part in (*one.get("elements", ()), one.get("accessory", {}))]
        return {part["action_id"]: part for part in parts if "action_id" in part}

    @property
    def image(self) -> dict[str, Any] | None:
        """The image block."""
        return next((one for one in self.blocks if one["type"] == "image"), None)

    @property
    def shown(self) -> str:
        """All text in the blocks."""
        return json.dumps(self.blocks, ensure_ascii=False)


@dataclass(slots=True)
class Ack:
    """An acknowledgement: its payload and latency."""

    payload: Any
    elapsed_s: float


@dataclass(slots=True)
class Slack:
    """``tokens`` are the workspaces' tokens with their scopes. The bot is in the ``member`` channels, and can't post in
    ``closed`` ones without being a member. The next ``limited`` posts and ``limited_urls`` responses get a 429. Posts
    held at the ``gate`` are accepted, but get no response. ``wrong`` lists what Slack would have rejected."""

    tokens: dict[str, tuple[str, set[str]]] = field(
        default_factory=lambda: {
            "xoxb-1": (
                "T1",
                {"app_mentions:read", "chat:write", "chat:write.public", "commands", "im:history", "users:read"},
            )
        }
    )
    member: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    admins: set[str] = field(default_factory=lambda: {"UADMIN"})
    limited: int = 0
    limited_urls: int = 0
    said: list[Said] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    homes: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)
    origin: str = ""
    http_url: str = ""
    _sockets: deque[web.WebSocketResponse] = field(default_factory=deque)
    _acks: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _urls: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _runner: web.AppRunner | None = None
    _http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._link)
        app.router.add_post("/response/{id}", self._respond)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._http is not None
        self.gate.release()
        await self._http.close()
        for socket in self._sockets:
            await socket.close()
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"{self.origin}/api/"

    @property
    def public(self) -> list[Said]:
        """Messages that everybody sees."""
        return [one for one in self.said if not one.to and not one.deleted]

    def private(self, user: str) -> list[Said]:
        """Messages that only this user sees."""
        return [one for one in self.said if one.to == user and not one.deleted]

    @property
    def sockets(self) -> int:
        """The number of connections so far."""
        return len(self._sockets)

    def listening(self) -> bool:
        """Whether a bot is connected."""
        return any(not socket.closed for socket in self._sockets)

    async def connected(self) -> None:
        """Waits for a bot."""
        await until(self.listening)

    async def command(self, text: str, user: str = "U1", channel: str = "C1", **changes: Any) -> Ack:
        """``/deepgif text``"""
        payload = {
            "command": "/deepgif",
            "text": text,
            "team_id": "T1",
            "channel_id": channel,
            "user_id": user,
            "user_name": f"name.{user.lower()}",
            "api_app_id": "A1",
            "trigger_id": self.new("trigger"),
            "response_url": self.url(channel, user),
            **changes,
        }
        return await self.deliver("slash_commands", payload)

    async def event(self, event: dict[str, Any], event_id: str = "", team: str = "T1") -> Ack:
        """Delivers an event."""
        payload = {
            "type": "event_callback",
            "team_id": team,
            "api_app_id": "A1",
            "event_id": event_id or self.new("Ev"),
            "event": {"ts": self.new_ts(), **event},
            "authorizations": [{"team_id": team, "user_id": "UBOT", "is_bot": True}],
        }
        return await self.deliver("events_api", payload)

    async def press(self, said: Said, action: str, user: str = "U1", trigger: str = "", team: str = "T1") -> Ack:
        """A user presses a button. The same ``trigger`` makes it a second delivery of the same press."""
        part = said.buttons[f"gif:{action}"]
        pressed: dict[str, Any] = {"action_id": part["action_id"], "type": part["type"]}
        pressed["action_ts"] = trigger or self.new_ts()
        if part["type"] == "overflow":
            pressed["selected_option"] = part["options"][0]
        else:
            pressed["value"] = part["value"]
        container = {
            "type": "message",
            "message_ts": said.ts,
            "channel_id": said.channel,
            "is_ephemeral": bool(said.to),
        }
        if said.thread:
            container["thread_ts"] = said.thread
        payload = self._interaction("block_actions", user, said.channel, said, trigger) | {"team": {"id": team}}
        return await self.deliver("interactive", {**payload, "container": container, "actions": [pressed]})

    async def react(self, text: str, user: str = "U1", channel: str = "C1", ts: str = "1.1", thread: str = "") -> Ack:
        """A user chooses the shortcut in a message's menu."""
        message = {"type": "message", "text": text, "ts": ts, "user": "U9", **({"thread_ts": thread} if thread else {})}
        payload = self._interaction("message_action", user, channel, None, "")
        return await self.deliver("interactive", {**payload, "callback_id": "react", "message": message})

    async def submit(self, view: dict[str, Any], values: dict[str, Any], user: str) -> Ack:
        """A user submits a modal."""
        state = {block["block_id"]: {block["block_id"]: {}} for block in view["blocks"] if block["type"] == "input"}
        for block in view["blocks"]:
            element, name = block["element"], block["block_id"]
            given = {"type": element["type"]}
            if "initial_option" in element:
                given["selected_option"] = element["initial_option"]
            given["value"] = element.get("initial_value")
            given["selected_conversations"] = element.get("initial_conversations", [])
            given["selected_options"] = []
            state[name][name] = given | values.get(name, {})
        payload = self._interaction("view_submission", user, "", None, "")
        return await self.deliver("interactive", {**payload, "view": {**view, "id": "V1", "state": {"values": state}}})

    async def deliver(self, kind: str, payload: dict[str, Any]) -> Ack:
        """Sends a request, through the socket or as a signed POST, and waits for the acknowledgement."""
        started = time.perf_counter()
        if self.http_url:
            answer = await self.post(kind, payload)
        else:
            envelope = self.new("envelope")
            self._acks[envelope] = asyncio.get_running_loop().create_future()
            socket = next(socket for socket in reversed(self._sockets) if not socket.closed)
            await socket.send_json(
                {"envelope_id": envelope, "type": kind, "payload": payload, "accepts_response_payload": True}
            )
            answer = await asyncio.wait_for(self._acks[envelope], ACK_S)
        return Ack(answer, time.perf_counter() - started)

    async def post(
        self, kind: str, payload: dict[str, Any], *, secret: str = SECRET, at: float | None = None, expect: int = 200
    ) -> Any:
        """Sends a signed request over HTTP."""
        assert self._http is not None
        if kind == "slash_commands":
            body, content = urlencode(payload), "application/x-www-form-urlencoded"
        elif kind == "interactive":
            body, content = urlencode({"payload": json.dumps(payload)}), "application/x-www-form-urlencoded"
        else:
            body, content = json.dumps(payload), "application/json"
        stamp = str(int(time.time() if at is None else at))
        mark = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
        headers = {"Content-Type": content, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": mark or ""}
        timeout = aiohttp.ClientTimeout(total=ACK_S)
        async with self._http.post(self.http_url, data=body, headers=headers, timeout=timeout) as response:
            answer = await response.text()
            assert response.status == expect, answer
        return json.loads(answer) if answer.startswith("{") else answer

    def url(self, channel: str, user: str, said: Said | None = None) -> str:
        """A new response_url."""
        name = self.new("r")
        self._urls[name] = {"channel": channel, "user": user, "said": said, "uses": 0}
        return f"{self.origin}/response/{name}"

    def new(self, what: str) -> str:
        return f"{what}{next(self._numbers)}"

    def new_ts(self) -> str:
        return f"1700000000.{next(self._numbers):06}"

    def _interaction(self, kind: str, user: str, channel: str, said: Said | None, trigger: str) -> dict[str, Any]:
        return {
            "type": kind,
            "team": {"id": "T1", "domain": "here"},
            "user": {"id": user, "name": f"name.{user.lower()}", "username": "x", "team_id": "T1"},
            "api_app_id": "A1",
            "channel": {"id": channel, "name": "general"},
            "trigger_id": trigger or self.new("trigger"),
            "response_url": self.url(channel, user, said),
        }

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}})
        self._sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                body = json.loads(message.data)
                waiting = self._acks.pop(body["envelope_id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(body.get("payload"))
        return socket

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.content_type == "application/json":
            given = await request.json()
        else:
            given = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        given |= request.query
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or given.get("token", "")
        self.calls.append(method)
        answer = self._answer(method, token, given)
        if answer is None:
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"})
        if method == "chat.postMessage":
            await self.gate.passed()
        return web.json_response(answer)

    def _answer(self, method: str, token: str, given: dict[str, Any]) -> dict[str, Any] | None:
        if method == "apps.connections.open":
            ok = token.startswith("xapp-")
            url = self.origin.replace("http", "ws", 1) + "/link"
            return {"ok": True, "url": url} if ok else {"ok": False, "error": "invalid_auth"}
        if method == "oauth.v2.access":
            return self._access(given, token)
        if token not in self.tokens:
            return {"ok": False, "error": "invalid_auth"}
        team, scopes = self.tokens[token]
        if method == "auth.test":
            return {
                "ok": True,
                "team_id": team,
                "user_id": "UBOT",
                "bot_id": "B1",
                "team": "here",
                "user": "deepgif",
                "url": "https://here.slack.com/",
            }
        if SCOPES.get(method, "commands") not in scopes:
            self.wrong.append(f"{method} without {SCOPES[method]}")
            return {"ok": False, "error": "missing_scope"}
        if method == "users.info":
            name = given["user"]
            user = {"id": name, "is_admin": name in self.admins, "profile": {"display_name": f"Person {name}"}}
            return {"ok": True, "user": user}
        if method in ("views.open", "views.publish"):
            return self._view(method, given)
        return self._chat(method, given, scopes)

    def _view(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        view = given["view"] if isinstance(given["view"], dict) else json.loads(given["view"])
        try:
            check_view(view)
        except BlockError as error:
            self.wrong.append(str(error))
            return {"ok": False, "error": "invalid_arguments"}
        if method == "views.open":
            self.views.append(view)
        else:
            self.homes[given["user_id"]] = view
        return {"ok": True, "view": view}

    def _chat(self, method: str, given: dict[str, Any], scopes: set[str]) -> dict[str, Any] | None:
        channel = given["channel"]
        if method == "chat.postMessage" and self.limited:
            self.limited -= 1
            return None
        outside = channel not in self.member and not channel.startswith("D")
        if channel in self.closed and outside:
            return {"ok": False, "error": "channel_not_found"}
        if outside and "chat:write.public" not in scopes:
            return {"ok": False, "error": "not_in_channel"}
        if method == "chat.delete":
            return self._delete(given["ts"])
        blocks = self._checked(given)
        if blocks is None:
            return {"ok": False, "error": "invalid_blocks"}
        if method == "chat.update":
            said = next((one for one in self.public if one.ts == given["ts"]), None)
            if said is None:
                return {"ok": False, "error": "message_not_found"}
            said.text, said.blocks = given["text"], blocks
            return {"ok": True, "ts": said.ts}
        said = Said(self.new_ts(), channel, given["text"], blocks, given.get("user", ""), given.get("thread_ts", ""))
        self.said.append(said)
        return {"ok": True, "ts": said.ts, "message_ts": said.ts, "channel": channel}

    def _delete(self, ts: str) -> dict[str, Any]:
        said = next((one for one in self.public if one.ts == ts), None)
        if said is None:
            return {"ok": False, "error": "message_not_found"}
        said.deleted = True
        return {"ok": True}

    def _checked(self, given: dict[str, Any]) -> list[dict[str, Any]] | None:
        raw = given.get("blocks") or []
        blocks = raw if isinstance(raw, list) else json.loads(raw)
        try:
            if blocks:
                check_blocks(blocks)
            texts = [given.get("text") or "", *words_of(blocks)]
            if not texts[0] or any(special in text for text in texts for special in ("<!", "<@", "<#", "<http")):
                raise BlockError(f"a text that is missing or not escaped: {texts}")
        except BlockError as error:
            self.wrong.append(str(error))
            return None
        return list(blocks)

    async def _respond(self, request: web.Request) -> web.Response:
        url, given = self._urls[request.match_info["id"]], await request.json()
        if self.limited_urls:
            self.limited_urls -= 1
            return web.Response(status=429, headers={"Retry-After": "1"})
        url["uses"] += 1
        if url["uses"] > USES:
            self.wrong.append("a response_url was used more than 5 times")
            return web.Response(status=404, text="used_url")
        original = url["said"]
        if given.get("delete_original"):
            if original is None:
                return web.Response(status=404, text="no_original")
            original.deleted = True
        else:
            blocks = self._checked(given)
            if blocks is None:
                return web.Response(status=500, text="invalid_blocks")
            if given.get("replace_original") and original is not None:
                original.text, original.blocks = given["text"], blocks
            else:
                to = "" if given.get("response_type") == "in_channel" else url["user"]
                said = Said(self.new_ts(), url["channel"], given["text"], blocks, to, given.get("thread_ts", ""))
                self.said.append(said)
        return web.Response(text="ok")

    def _access(self, given: dict[str, Any], authorization: str) -> dict[str, Any]:
        if (given.get("code"), authorization) != ("the-code", aiohttp.encode_basic_auth("C.1", "app-secret")):
            return {"ok": False, "error": "invalid_code"}
        _, scopes = self.tokens["xoxb-2"]
        return {
            "ok": True,
            "access_token": "xoxb-2",
            "token_type": "bot",
            "scope": ",".join(sorted(scopes)),
            "bot_user_id": "UBOT",
            "app_id": "A1",
            "team": {"id": "T2", "name": "There"},
            "enterprise": None,
            "authed_user": {"id": "U1"},
            "is_enterprise_install": False,
        }
