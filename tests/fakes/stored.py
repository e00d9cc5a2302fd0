"""What DeepGIF 0.1 kept, in ``tests/data/v0.1``: a data folder as SQL with the GIFs it had indexed, an export, and the
keys in Redis. Two models had embedded everything: ``ColourEncoder`` and ``WideEncoder``. Put back here as if it had
been written a moment ago."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepgif.engine.store.database import FILE

if TYPE_CHECKING:
    from redis.asyncio import Redis

STORED = Path(__file__).parents[1] / "data" / "v0.1"
EXPORT = STORED / "known.safetensors"  # in two parts
_REDIS = json.loads((STORED / "redis.json").read_text())
_FOLDER = "/FOLDER"  # in place of where the GIFs were


def restore_data_dir(parent: Path) -> tuple[Path, Path]:
    """The data folder and the folder of GIFs, below ``parent``."""
    data_dir, folder = parent / "data", (parent / "folder").resolve()
    data_dir.mkdir()
    shutil.copytree(STORED / "folder", folder)
    with closing(sqlite3.connect(data_dir / FILE)) as connection:
        connection.executescript((STORED / "deepgif.sql").read_text().replace(_FOLDER, str(folder)))
        connection.execute("UPDATE calls SET at=at+?", (_age_s(),))
        connection.commit()
        for path, mtime_ns in connection.execute("SELECT path, mtime_ns FROM files"):
            os.utime(folder / path, ns=(mtime_ns, mtime_ns))
    return data_dir, folder


async def restore_redis(client: Redis) -> None:
    """Writes the keys, with what is left of their times to live."""
    for name, key, *rest in _REDIS["commands"]:
        values = [base64.b64decode(one["base64"]) if isinstance(one, dict) else one for one in rest]
        if name == "PEXPIREAT" or values[1:2] == ["PXAT"]:
            values[-1] = int(values[-1]) + int(1e3 * _age_s())
        if name == "ZADD" and ":b:" in key:  # scored by time, in microseconds
            values[::2] = [int(score) + int(1e6 * _age_s()) for score in values[::2]]
        await client.execute_command(name, key, *values)


def rows(query: str) -> list[Any]:
    """What a query finds in the database as it was."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((STORED / "deepgif.sql").read_text())
        return connection.execute(query).fetchall()


def _age_s() -> float:
    return time.time() - float(_REDIS["written_at"])
