"""Everything that can be chosen about an engine, as plain data. Imported by the modules that use it; imports none of
them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

IndexKind = Literal["auto", "exact", "compact", "qdrant"]


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Limits on GIFs and WebPs, checked before decoding. ``max_total_pixels`` is canvas pixels times frames;
    ``decode_s`` is in seconds."""

    max_bytes: int = 20 * 1024 * 1024
    max_side: int = 4096
    max_canvas_pixels: int = 4_000_000
    max_frames: int = 1000
    max_total_pixels: int = 250_000_000
    decode_s: float = 10.0


@dataclass(frozen=True, slots=True)
class DownloadRules:
    """What may be downloaded: allowed ``hosts`` and ``schemes``, bytes per file, seconds per file (redirects
    included), and concurrent downloads. ``private`` allows non-public IP addresses and any port."""

    hosts: frozenset[str]
    schemes: frozenset[str] = frozenset({"https"})
    private: bool = False
    max_bytes: int = 4 * 1024 * 1024
    timeout_s: float = 5.0
    max_redirects: int = 3
    at_once: int = 32


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """One provider: its ``name`` (giphy or klipy), API key, and the key's hourly quota (0: unlimited). Set
    ``keep_urls`` only with the provider's approval; ``url`` overrides the API's base URL."""

    name: str
    key: str = field(repr=False)
    calls_per_hour: int = 100
    keep_urls: bool = False
    pingbacks: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class ProvidersOptions:
    """All providers, and for how many days their GIFs' metadata and embeddings are stored. Without ``downloads``,
    media may come from the hosts that the providers document."""

    providers: tuple[ProviderOptions, ...] = ()
    keep_days: float = 30.0
    downloads: DownloadRules | None = None


@dataclass(frozen=True, slots=True)
class QdrantOptions:
    """A Qdrant server, and how collections are created: with ``shards`` 0, Qdrant chooses the number of shards."""

    url: str
    api_key: str = field(default="", repr=False)
    shards: int = 0
    replicas: int = 1
    quantization: Literal["none", "scalar", "binary"] = "scalar"


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """The Redis that replicas share: its URL (``redis://``, ``rediss://`` or ``unix://``), whether it is a Redis
    Cluster, and the prefix of all keys of this deployment. A search waits at most ``timeout_s`` seconds for Redis.
    After ``lease_s`` seconds without renewal, another engine takes over a dead engine's embedding work."""

    url: str = field(repr=False)
    cluster: bool = False
    prefix: str = "deepgif"
    timeout_s: float = 0.3
    lease_s: float = 6.0


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """An engine. ``folder`` None means the bundled GIFs, or none at all where providers are set; ``device`` is auto,
    cpu, cuda, or several GPUs (cuda:0,cuda:1); ``threads`` 0 leaves the number to PyTorch; ``weights`` is the folder
    of third-party weights. The index answers without asking a provider where the best GIF's confidence is at least
    ``min_confidence``. ``ocr`` auto reads the words in GIFs if the extra ocr is installed."""

    bundle: Path
    data_dir: Path
    folder: Path | None = None
    device: str = "auto"
    threads: int = 0
    limits: MediaLimits = field(default_factory=MediaLimits)
    providers: ProvidersOptions = field(default_factory=ProvidersOptions)
    min_confidence: float = 0.8
    weights: Path | None = None
    index: IndexKind = "auto"
    qdrant: QdrantOptions | None = None
    redis: RedisOptions | None = None
    ocr: Literal["auto", "on", "off"] = "off"
