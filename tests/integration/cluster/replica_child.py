"""An engine with an encoder of colours over a provider and a Redis Cluster:
``replica_child.py NAME FOLDER PROVIDER KEY REDIS JOURNAL``.

Media come from ``MEDIA_HOST``, a name as platforms take it, which leads to this machine. Of each still and clip that it
embeds a line goes into the file JOURNAL, which all share: its own name, the number of frames, and their colour.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deepgif.config.logging import configure_logging
from deepgif.engine.api import schemas
from deepgif.engine.api.app import ServerOptions
from deepgif.engine.api.middleware import AccessRules
from deepgif.engine.api.server import serve
from deepgif.engine.cluster import leases
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions, RedisOptions
from deepgif.engine.protocols import Clip, Vectors
from deepgif.engine.search import service
from deepgif.engine.types import SearchRequest
from tests.fakes.encoder import ColourEncoder
from tests.fakes.waiting import WITHIN_S

MEDIA_HOST = "gifs.example.org"
DRAIN_S = WITHIN_S  # a second signal ends it


class Tokens:
    """``secrets`` of an engine whose leases tell whose they are."""

    def __init__(self, name: str) -> None:
        self._name = name

    def token_hex(self, count: int) -> str:
        return self._name + secrets.token_hex(count)


class WritingEncoder(ColourEncoder):
    """Writes down what it embeds, so that it is known even if the process is killed."""

    def __init__(self, name: str, journal: Path) -> None:
        super().__init__()
        self._name = name
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def encode_clips(self, clips: Sequence[Clip]) -> Vectors:
        for clip in clips:
            colour = np.median(clip, axis=(0, 1, 2)).astype(int)
            line = " ".join((self._name, str(len(clip)), *(f"{value:02x}" for value in colour)))
            os.write(self._journal, f"{line}\n".encode())
        return super().encode_clips(clips)


def resolve(ask: Any, host: Any, *rest: Any, **named: Any) -> Any:
    """``socket.getaddrinfo``, by which ``MEDIA_HOST`` is this machine."""
    return ask("127.0.0.1" if host == MEDIA_HOST else host, *rest, **named)


def patient(read: Callable[..., SearchRequest]) -> Callable[..., SearchRequest]:
    """``read``, with all the time that a slow machine needs."""
    return lambda *given: replace(read(*given), deadline_s=WITHIN_S)


def main() -> None:
    name, folder, provider, key, redis, journal = sys.argv[1:]
    configure_logging("warning", "text")
    leases.secrets = Tokens(name)  # type: ignore[assignment]
    socket.getaddrinfo = partial(resolve, socket.getaddrinfo)
    service.MAX_DEADLINE_S = WITHIN_S
    schemas.SearchRequest.to_request = patient(schemas.SearchRequest.to_request)  # type: ignore[method-assign]
    rules = DownloadRules(frozenset({MEDIA_HOST}), frozenset({"http"}), private=True, timeout_s=WITHIN_S)
    asyncio.run(
        serve(
            EngineOptions(
                bundle=Path(folder),
                data_dir=Path(folder),
                providers=ProvidersOptions((ProviderOptions("giphy", key, 0, url=provider),), 30.0, rules),
                min_confidence=2.0,
                redis=RedisOptions(redis, cluster=True, timeout_s=WITHIN_S, lease_s=WITHIN_S),
            ),
            ServerOptions(AccessRules(), drain_s=DRAIN_S),
            "127.0.0.1",
            0,
            lambda address: print(address, file=sys.stderr, flush=True),
            lambda options: WritingEncoder(name, Path(journal)),
        )
    )


if __name__ == "__main__":
    main()
