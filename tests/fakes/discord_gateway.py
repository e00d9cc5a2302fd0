"""A local Discord gateway: identify, heartbeats, resumable sessions, and faults.

Written after discord.com/developers/docs/events/gateway; the live service was not asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)
TOKEN = "bot-token"


@dataclass(slots=True)
class Session:
    """A shard's session: what was sent in it, and its current socket."""

    name: str
    shard: int
    socket: web.WebSocketResponse | None
    sent: list[dict[str, Any]] = field(default_factory=list)
    valid: bool = True

    async def send(self, event: str, data: dict[str, Any]) -> None:
        """Sends an event, or stores it until the session is resumed."""
        frame = {"op": 0, "t": event, "s": len(self.sent) + 1, "d": data}
        self.sent.append(frame)
        if self.socket is not None and not self.socket.closed:
            await self.socket.send_json(frame)


class Gateway:
    """``ready`` returns the data of READY and the events after it for a shard. ``heartbeat_s`` is the heartbeat
    interval; a ``silent`` gateway acknowledges no heartbeat."""

    def __init__(self, ready: Callable[[int, int], tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
        self._ready = ready
        self._numbers = itertools.count(1)
        self.heartbeat_s = 40.0
        self.silent = False
        self.shards = 1
        self.url = ""
        self.sessions: list[Session] = []
        self.identified: list[dict[str, Any]] = []
        self.resumed = 0
        self.wrong: list[str] = []

    def live(self, shard: int = 0) -> list[Session]:
        """The valid sessions of a shard, newest last. Each gets every event."""
        return [one for one in self.sessions if one.valid and one.shard == shard]

    def connected(self) -> bool:
        """Whether every shard is connected."""
        return all(
            any(one.socket is not None and not one.socket.closed for one in self.live(shard))
            for shard in range(self.shards)
        )

    async def send(self, event: str, data: dict[str, Any], shard: int = 0) -> None:
        """Sends an event to every session of a shard."""
        for session in self.live(shard):
            await session.send(event, data)

    async def drop(self, code: int = 4000) -> None:
        """Closes all sockets. Sessions stay valid unless the code ends them."""
        for session in self.sessions:
            session.valid = session.valid and code not in (1000, 4004)
            if session.socket is not None:
                await session.socket.close(code=code)

    async def ask(self, op: int, data: Any = None) -> None:
        """Sends an opcode, such as 7 (reconnect) or 9 (invalid session)."""
        for session in [one for one in self.sessions if one.valid]:
            session.valid = op != 9 or bool(data)
            if session.socket is not None:
                await session.socket.send_json({"op": op, "d": data})

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serves a connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": int(1000 * self.heartbeat_s)}})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                frame = message.json()
                if frame["op"] == 1 and not self.silent:
                    await socket.send_json({"op": 11})
                elif frame["op"] == 2:
                    await self._identify(socket, frame["d"])
                elif frame["op"] == 6:
                    await self._resume(socket, frame["d"])
        return socket

    async def _identify(self, socket: web.WebSocketResponse, given: dict[str, Any]) -> None:
        if given["token"] != TOKEN:
            await socket.close(code=4004)
            return
        if given["intents"] & PRIVILEGED:
            self.wrong.append("a privileged intent")
        self.identified.append(given)
        shard, count = given["shard"]
        session = Session(f"session{next(self._numbers)}", shard, socket)
        self.sessions.append(session)
        data, events = self._ready(shard, count)
        await session.send("READY", {**data, "session_id": session.name, "resume_gateway_url": self.url})
        for event in events:
            await session.send("GUILD_CREATE", event)

    async def _resume(self, socket: web.WebSocketResponse, given: dict[str, Any]) -> None:
        session = next((one for one in self.sessions if one.name == given["session_id"] and one.valid), None)
        if session is None or given["token"] != TOKEN:
            await socket.send_json({"op": 9, "d": False})
            return
        session.socket = socket
        self.resumed += 1
        for frame in session.sent[given["seq"] or 0 :]:
            await socket.send_json(frame)
        await session.send("RESUMED", {})
