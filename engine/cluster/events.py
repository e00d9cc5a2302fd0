"""Events between engines in a Redis stream: which GIFs were embedded, and which were forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from deepgif.engine.cluster.embeddings import key_part
from deepgif.engine.cluster.redis import PATIENT_S, RedisConnection
from deepgif.engine.cluster.write_behind import QueuedWrite
from deepgif.engine.types import GifKey

MAX_EVENTS = 100_000  # about 10 MB; an engine that falls further behind scans the stores instead
BATCH = 500
BLOCK_MS = 1000
BEGINNING = "0-0"
MAX_FIELD = 1000  # bytes
ADDED, FORGOTTEN = "added", "forgotten"


@dataclass(frozen=True, slots=True)
class Events:
    """GIFs that other engines embedded or forgot, and the position to read on from. ``gap`` means that earlier events
    were missed."""

    added: tuple[GifKey, ...]
    forgotten: tuple[GifKey, ...]
    position: str
    gap: bool = False


class EventStream:
    """The stream of one space. ``views`` maps the spaces of stills and clips to the names of these views."""

    def __init__(
        self, connection: RedisConnection, space: str, views: Mapping[str, str], providers: Collection[str]
    ) -> None:
        self._connection = connection
        self._name = stream_key(connection.prefix, space)
        self._views = views
        self._providers = frozenset(providers)
        self._engine = secrets.token_hex(8)

    def added(self, space: str, keys: Iterable[GifKey]) -> list[QueuedWrite]:
        """The writes that announce new vectors. Texts follow their pictures; local files are not shared."""
        view = self._views.get(space)
        if view is None:
            return []
        return [self._event(ADDED, key, view) for key in keys if key.provider in self._providers]

    def forgotten(self, keys: Iterable[GifKey]) -> list[QueuedWrite]:
        """The writes that announce forgotten GIFs."""
        return [self._event(FORGOTTEN, key, "") for key in keys]

    async def identity(self) -> tuple[str, bool]:
        """A token that changes when Redis is emptied, and whether this engine just created it. Raises
        ``RedisDownError`` or ``RedisRefusedError``."""
        name, new = f"{self._connection.prefix}:identity", secrets.token_hex(8)
        if await self._connection.call(lambda client: client.set(name, new, nx=True), PATIENT_S):
            return new, True
        return _text(await self._connection.call(lambda client: client.get(name))), False

    async def last(self) -> str:
        """The position of the newest event. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        found = await self._connection.call(lambda client: client.xrevrange(self._name, count=1), PATIENT_S)
        return _text(found[0][0]) if found else BEGINNING

    async def read(self, after: str) -> Events:
        """The events after a position; waits up to a second for one. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        streams = await self._connection.call(
            lambda client: client.xread({self._name: after}, count=BATCH, block=BLOCK_MS), PATIENT_S
        )
        # Second, so that events trimmed since the read are noticed.
        first = await self._connection.call(lambda client: client.xrange(self._name, count=1), PATIENT_S)
        gap = after != BEGINNING and (
            not first  # the stream is gone
            or _position(_text(first[0][0])) > _position(after)
            or _position(await self.last()) < _position(after)  # a new stream, after the clock was set back
        )
        events = streams[0][1] if streams else []
        added: dict[GifKey, None] = {}
        forgotten: dict[GifKey, None] = {}
        for _, fields in events:
            by, kind, provider, gif_id = (_text(fields.get(name)) for name in (b"by", b"kind", b"provider", b"id"))
            if by == self._engine or not provider or not gif_id:
                continue
            (added if kind == ADDED else forgotten if kind == FORGOTTEN else {})[GifKey(provider, gif_id)] = None
        position = _text(events[-1][0]) if events else after
        return Events(tuple(added), tuple(forgotten), position, gap)

    def _event(self, kind: str, key: GifKey, view: str) -> QueuedWrite:
        fields = ("by", self._engine, "kind", kind, "provider", key.provider, "id", key.id, "view", view)
        command = ("XADD", self._name, "MAXLEN", "~", MAX_EVENTS, "*", *fields)
        return QueuedWrite(f"{kind}:{key.provider}:{key.id}:{view}", (command,))


def stream_key(prefix: str, space: str) -> str:
    """The Redis key of a space's stream."""
    return f"{prefix}:s:{key_part(space)}"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) and len(value) <= MAX_FIELD else ""


def _position(event_id: str) -> tuple[int, int]:
    """A comparable form of an event's id."""
    time_ms, _, number = event_id.partition("-")
    return int(time_ms), int(number)
