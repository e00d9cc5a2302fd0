"""Which Redis is used. Apart from what uses it, so that nobody else needs its client."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Where Redis is (``redis://``, ``rediss://`` or ``unix://``), whether it is a Cluster, and what all keys of this
    deployment begin with. ``timeout_s`` is how long a search waits for an answer of it; after ``lease_s`` what an
    engine that died was about to embed is embedded by another."""

    url: str = field(repr=False)
    cluster: bool = False
    prefix: str = "deepgif"
    timeout_s: float = 0.3
    lease_s: float = 6.0
