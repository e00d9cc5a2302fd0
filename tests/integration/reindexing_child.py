"""A process that moves what is remembered of a provider to another model, to be killed by ``test_reindex.py``.

Arguments: data folder, origin of a server that behaves like GIPHY, its key. Prints JSON, one object a line:
``{"embedding": clips}`` before each batch, and ``{"complete": ..., "known": ...}`` at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from deepgif.engine.admin.reindex import move
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions
from tests.fakes.encoder import ColourEncoder, WideEncoder
from tests.fakes.waiting import WITHIN_S

BATCH_S = 0.02


def say(**facts: Any) -> None:
    """One line, out of the process before anything else happens."""
    os.write(sys.stdout.fileno(), json.dumps(facts).encode() + b"\n")


def before_batch(count: int) -> None:
    """A model that takes its time."""
    say(embedding=count)
    time.sleep(BATCH_S)


async def main(data_dir: Path, origin: str, key: str) -> None:
    """Moves as ``deepgif reindex`` does."""
    rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, timeout_s=WITHIN_S)
    remote = ProvidersOptions((ProviderOptions("giphy", key, 0, url=origin),), downloads=rules)
    options = EngineOptions(data_dir, data_dir, providers=remote)
    encoder, show = WideEncoder(before_batch), nullcontext(lambda done, total: None)
    old = f"{ColourEncoder.space}/{ColourEncoder.sampling}"
    report = await move(options, old, lambda name: show, lambda _: encoder)
    (one,) = report.remote
    say(complete=report.complete, known=one.known, embedded=one.embedded, waiting=one.waiting)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
