"""What engines tell each other in a Redis stream: which pictures were embedded, and which GIFs are forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from deepgif.engine.cluster.embeddings import part_of_key
from deepgif.engine.cluster.redis import PATIENT_S, RedisConnection
from deepgif.engine.cluster.write_behind import QueuedWrite
from deepgif.engine.types import GifKey

KEPT = 100_000  # events, about 10 MB; who lags behind more looks through the store
AT_ONCE = 500
BLOCK_MS = 1000
BEGINNING = "0-0"
MAX_FIELD = 1000  # bytes
ADDED, FORGOTTEN = "added", "forgotten"


@dataclass(frozen=True, slots=True)
class Events:
    """What came: GIFs whose pictures were embedded elsewhere, GIFs that are forgotten, and where to go on.
    ``gap`` is whether something before was missed."""

    added: tuple[GifKey, ...]
    forgotten: tuple[GifKey, ...]
    position: str
    gap: bool = False


class EventStream:
    """The stream of one space. ``views`` names what is told of: the spaces of pictures, and what they show."""

    def __init__(self, link: RedisConnection, space: str, views: Mapping[str, str], providers: Collection[str]) -> None:
        self._link = link
        self._name = stream_key(link.prefix, space)
        self._views = views
        self._providers = frozenset(providers)
        self._me = secrets.token_hex(8)

    def added(self, space: str, keys: Iterable[GifKey]) -> list[QueuedWrite]:
        """What tells the others of new vectors. Texts come along with their pictures; local files are one's own."""
        view = self._views.get(space)
        if view is None:
            return []
        return [self._event(ADDED, key, view) for key in keys if key.provider in self._providers]

    def forgotten(self, keys: Iterable[GifKey]) -> list[QueuedWrite]:
        """What tells the others that GIFs are forgotten."""
        return [self._event(FORGOTTEN, key, "") for key in keys]

    async def identity(self) -> tuple[str, bool]:
        """By what this Redis can be told from one that was emptied since, and whether this engine is the first that
        asks. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        name, mine = f"{self._link.prefix}:identity", secrets.token_hex(8)
        first = await self._link.call(lambda client: client.set(name, mine, nx=True), PATIENT_S)
        return (mine, True) if first else (_text(await self._link.call(lambda client: client.get(name))), False)

    async def last(self) -> str:
        """Where the stream ends now. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        found = await self._link.call(lambda client: client.xrevrange(self._name, count=1), PATIENT_S)
        return _text(found[0][0]) if found else BEGINNING

    async def read(self, after: str) -> Events:
        """What came after a position, waiting a moment where there is nothing. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        told = await self._link.call(
            lambda client: client.xread({self._name: after}, count=AT_ONCE, block=BLOCK_MS), PATIENT_S
        )
        # In this order: an event that is trimmed in between is noticed here.
        first = await self._link.call(lambda client: client.xrange(self._name, count=1), PATIENT_S)
        gap = after != BEGINNING and (
            not first  # the stream is gone
            or _place(_text(first[0][0])) > _place(after)
            or _place(await self.last()) < _place(after)  # it is another one, by a clock that was set back
        )
        events = told[0][1] if told else []
        added: dict[GifKey, None] = {}
        forgotten: dict[GifKey, None] = {}
        for _, fields in events:
            by, kind, provider, gif_id = (_text(fields.get(name)) for name in (b"by", b"kind", b"provider", b"id"))
            if by == self._me or not provider or not gif_id:
                continue
            key = GifKey(provider, gif_id)
            (added if kind == ADDED else forgotten if kind == FORGOTTEN else {})[key] = None
        position = _text(events[-1][0]) if events else after
        return Events(tuple(added), tuple(forgotten), position, gap)

    def _event(self, kind: str, key: GifKey, view: str) -> QueuedWrite:
        fields = ("by", self._me, "kind", kind, "provider", key.provider, "id", key.id, "view", view)
        return QueuedWrite(
            f"{kind}:{key.provider}:{key.id}:{view}", (("XADD", self._name, "MAXLEN", "~", KEPT, "*", *fields),)
        )


def stream_key(prefix: str, space: str) -> str:
    """The key of the stream of one space."""
    return f"{prefix}:s:{part_of_key(space)}"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) and len(value) <= MAX_FIELD else ""


def _place(position: str) -> tuple[int, int]:
    """A position in a stream, as something that can be compared."""
    time_ms, _, number = position.partition("-")
    return int(time_ms), int(number)
