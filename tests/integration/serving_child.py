"""A service with an encoder of colours whose searches for ``wait`` are held: ``serving_child.py FOLDER DATA DRAIN_S``.

While such a search is encoded, the file DATA/held is there; it goes on when the file DATA/gate is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deepgif.config.logging import configure_logging
from deepgif.engine.api import server
from deepgif.engine.api.app import ServerOptions
from deepgif.engine.api.middleware import AccessRules
from deepgif.engine.options import EngineOptions
from deepgif.engine.protocols import Vectors
from deepgif.engine.search import service
from tests.fakes.encoder import ColourEncoder
from tests.fakes.waiting import WITHIN_S


class HeldEncoder(ColourEncoder):
    """Holds whoever searches for ``wait``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        if "wait" in texts:
            (self._folder / "held").touch()
            ends_at = time.monotonic() + WITHIN_S
            while not (self._folder / "gate").exists() and time.monotonic() < ends_at:
                time.sleep(0.01)
        return super().encode_texts(texts)


def main() -> None:
    folder, data, drain_s = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    configure_logging("info", "text")
    service.MAX_DEADLINE_S = WITHIN_S
    server.FINISH_S = 10 * WITHIN_S
    asyncio.run(
        server.serve(
            EngineOptions(bundle=data, data_dir=data, folder=folder),
            ServerOptions(AccessRules(), deadline_s=WITHIN_S, drain_s=drain_s),
            "127.0.0.1",
            0,
            lambda address: print(address, file=sys.stderr, flush=True),
            lambda options: HeldEncoder(data),
        )
    )


if __name__ == "__main__":
    main()
