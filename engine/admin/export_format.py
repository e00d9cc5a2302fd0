"""The files of an export: what is known of GIFs, in safetensors files that anybody can read.

One export is one file, or several parts of at most ``CHUNKS`` chunks each. The metadata of each hold ``format``,
``version``, ``export`` (the same for all parts), ``part`` and ``parts`` (from 1) and ``chunks``: a JSON list with an
object for each chunk, which says its ``kind``, how many ``rows`` it has, for vectors their ``space`` and ``provider``,
and the ``sha256`` of all that and of its tensors' bytes. Chunk I has these tensors:

    I.rows      (B,)   uint8    UTF-8 JSON, a list: of ids where the kind is "vectors", of objects where it is "gifs"
    I.vectors   (N, D) float16  of unit length; for "vectors" only

Every byte of a file may be a stranger's: shapes and sizes are checked before anything is read into memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from deepgif.engine.errors import NotFoundError, StoreError
from deepgif.engine.types import Rating

FORMAT, VERSION = "deepgif-export", 1
ROWS = 4096  # of a chunk
CHUNKS = 8  # of a file: 64 MB of vectors with 1,024 numbers
MOST_PARTS = 99_999
MAX_JSON_BYTES = 64 * 1024 * 1024  # of a chunk's rows: 16 KB for each
MAX_DIMENSION = 16_384
MAX_NAME, MAX_TEXT, MAX_TAGS, MAX_SIDE = 1000, 10_000, 100, 1_000_000
UNIT = 0.01  # how far a vector's length may be from 1; float16 costs a twentieth of it

Vectors16 = NDArray[np.float16]  # (N, D)


@dataclass(frozen=True, slots=True)
class GifRow:
    """What is remembered of a provider's GIF. ``expires_at`` is in seconds since 1970."""

    provider: str
    id: str
    title: str
    alt_text: str
    tags: tuple[str, ...]
    rating: str
    width: int
    height: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Gifs:
    """A chunk of GIFs."""

    rows: tuple[GifRow, ...]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A chunk of vectors (N, D) of unit length, and the N ids of their GIFs."""

    space: str
    provider: str
    rows: tuple[str, ...]
    vectors: Vectors16


Chunk = Gifs | Embedded


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of itself."""

    export: str
    part: int
    parts: int
    chunks: tuple[dict[str, Any], ...]


def part_path(path: Path, part: int, parts: int) -> Path:
    """Where a part lies: at ``path`` itself where it is the only one."""
    return path if parts == 1 else path.with_name(f"{path.stem}-{part:05}-of-{parts:05}{path.suffix}")


def parts_of(path: Path) -> list[Path]:
    """All files of an export to ``path``, in order. Raises ``NotFoundError`` and ``StoreError``."""
    if path.is_file():
        found = [path]
    else:
        name = re.compile(rf"{re.escape(path.stem)}-\d{{5}}-of-\d{{5}}{re.escape(path.suffix)}")
        found = sorted(one for one in path.parent.glob("*-of-*") if name.fullmatch(one.name))
        if not found:
            raise NotFoundError(f"There is no export {path}.")
    heads = [read_head(one) for one in found]
    if len({head.export for head in heads}) > 1:
        raise StoreError(f"There are parts of several exports to {path}; move those away that do not belong to it.")
    there = [head.part for head in heads]
    if there != list(range(1, heads[0].parts + 1)):
        whole = path if not path.is_file() else "all parts, by the name that was given to deepgif export"
        raise StoreError(f"{len(there)} of the {heads[0].parts} parts are there; please give {whole}.")
    return found


def write_part(path: Path, export: str, part: int, parts: int, chunks: Sequence[Chunk]) -> None:
    """Writes one file. Raises ``OSError`` and ``SafetensorError``."""
    tensors: dict[str, NDArray[Any]] = {}
    heads = []
    for place, chunk in enumerate(chunks):
        rows = [asdict(row) for row in chunk.rows] if isinstance(chunk, Gifs) else list(chunk.rows)
        coded = json.dumps(rows, ensure_ascii=False).encode()
        tensors[f"{place}.rows"] = np.frombuffer(coded, np.uint8)
        head: dict[str, Any] = {"kind": "gifs", "rows": len(rows)}
        if isinstance(chunk, Embedded):
            head |= {"kind": "vectors", "space": chunk.space, "provider": chunk.provider}
            tensors[f"{place}.vectors"] = np.ascontiguousarray(chunk.vectors, "<f2")
        sha256 = digest(head, tensors[f"{place}.rows"], tensors.get(f"{place}.vectors"))
        heads.append({**head, "sha256": sha256})
    facts = {"format": FORMAT, "version": str(VERSION), "export": export, "part": str(part), "parts": str(parts)}
    save_file(tensors, path, {**facts, "chunks": json.dumps(heads, ensure_ascii=False)})
    with path.open("rb") as written:
        os.fsync(written.fileno())


def digest(head: dict[str, Any], rows: NDArray[Any], vectors: NDArray[Any] | None) -> str:
    """SHA-256 (hexadecimal) of a chunk: what its head says, as JSON in the order of the names, and its tensors."""
    said = {name: value for name, value in head.items() if name != "sha256"}
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    found.update(rows.tobytes())
    if vectors is not None:
        found.update(vectors.tobytes())
    return found.hexdigest()


def read_head(path: Path) -> Head:
    """What a file says of itself. Raises ``StoreError``."""
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path} cannot be read ({error}).") from error
    if facts.get("format") != FORMAT:
        raise StoreError(f"{path} was not written by deepgif export.")
    if facts.get("version") != str(VERSION):
        raise StoreError(f"{path} was written by another DeepGIF, probably a newer one; install that one to import it.")
    numbers = [facts.get(name, "") for name in ("part", "parts")]
    try:
        chunks = json.loads(facts.get("chunks", ""))
    except (ValueError, RecursionError):
        chunks = None
    sound = (
        all(re.fullmatch(r"[1-9]\d{0,4}", number, re.ASCII) for number in numbers)
        and isinstance(chunks, list)
        and len(chunks) <= CHUNKS
        and all(_is_head(chunk) for chunk in chunks)
    )
    if not sound:
        raise _damaged(path, "its head does not say what is in it")
    return Head(facts.get("export", ""), int(numbers[0]), int(numbers[1]), tuple(chunks))


def read_chunks(path: Path) -> Iterator[Chunk]:
    """The chunks of a file, one after the other, each whole and checked. Raises ``StoreError``."""
    head = read_head(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = {f"{place}.rows" for place in range(len(head.chunks))}
            names |= {f"{place}.vectors" for place, one in enumerate(head.chunks) if one["kind"] == "vectors"}
            if set(file.keys()) != names:
                raise _damaged(path, "its head does not say what is in it")
            for place, one in enumerate(head.chunks):
                rows = _tensor(path, file, f"{place}.rows", "U8", (None,))
                shape = (one["rows"], None)
                vectors = _tensor(path, file, f"{place}.vectors", "F16", shape) if one["kind"] == "vectors" else None
                if digest(one, rows, vectors) != one["sha256"]:
                    raise _damaged(path, "its bytes are not those that were written")
                yield _chunk(path, one, rows, vectors)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path} cannot be read ({error}).") from error


def _tensor(path: Path, file: Any, name: str, kind: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The tensor, once it is known to be of this kind and shape, and not too large."""
    found = file.get_slice(name)
    sizes = found.get_shape()
    largest = MAX_JSON_BYTES if kind == "U8" else MAX_DIMENSION
    fits = len(sizes) == len(shape) and all(want in (None, size) for want, size in zip(shape, sizes, strict=True))
    if found.get_dtype() != kind or not fits or not 0 < sizes[-1] <= largest:
        raise _damaged(path, "the sizes in it are not those of an export")
    tensor: NDArray[Any] = file.get_tensor(name)
    return tensor


def _chunk(path: Path, head: dict[str, Any], coded: NDArray[Any], vectors: Vectors16 | None) -> Chunk:
    try:
        rows = json.loads(coded.tobytes().decode())
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) != head["rows"]:
        raise _damaged(path, "its texts cannot be read")
    if vectors is None:
        gifs = tuple(_gif(row) for row in rows)
        if not all(row is not None and is_gif(row) for row in gifs):
            raise _damaged(path, "what it says of GIFs is not what an export says")
        return Gifs(tuple(row for row in gifs if row is not None))
    if not all(is_name(row) for row in rows):
        raise _damaged(path, "what it says of GIFs is not what an export says")
    if not are_units(vectors).all():
        raise _damaged(path, "its vectors are not of unit length")
    return Embedded(head["space"], head["provider"], tuple(rows), vectors)


def _gif(row: object) -> GifRow | None:
    if not isinstance(row, dict) or row.keys() != {field.name for field in fields(GifRow)}:
        return None
    return GifRow(**{**row, "tags": tuple(row["tags"]) if isinstance(row["tags"], list) else row["tags"]})


def are_units(vectors: Vectors16) -> NDArray[np.bool_]:
    """Which of N vectors (N, D) are of unit length (N,), as far as float16 can tell."""
    unit: NDArray[np.bool_] = np.abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1) <= UNIT
    return unit


def is_gif(row: GifRow) -> bool:
    """Whether all that is said of a GIF is what an export may hold, whatever the types turned out to be."""
    tags, rating, expires_at = (getattr(row, name) for name in ("tags", "rating", "expires_at"))
    return (
        all(is_name(name) for name in (row.provider, row.id))
        and all(_is_text(text, MAX_TEXT) for text in (row.title, row.alt_text))
        and isinstance(tags, tuple)
        and len(tags) <= MAX_TAGS
        and all(_is_text(tag, MAX_TEXT) for tag in tags)
        and isinstance(rating, str)
        and rating in list(Rating)
        and all(_is_whole(side, MAX_SIDE) for side in (row.width, row.height))
        and isinstance(expires_at, float)
        and math.isfinite(expires_at)
    )


def is_name(value: object) -> bool:
    """Whether it can be an id, or the name of a provider or space."""
    return value != "" and _is_text(value, MAX_NAME)


def _is_head(head: object) -> bool:
    if not isinstance(head, dict) or head.get("kind") not in ("gifs", "vectors"):
        return False
    named = {"space", "provider"} if head["kind"] == "vectors" else set()
    return (
        head.keys() == {"kind", "rows", "sha256"} | named
        and _is_whole(head["rows"], ROWS)
        and isinstance(head["sha256"], str)
        and all(is_name(head[name]) for name in named)
    )


def _is_text(value: object, most: int) -> bool:
    """Whether it is a text of at most so many characters that UTF-8, and so SQLite, can hold."""
    if not isinstance(value, str) or len(value) > most:
        return False
    return not any("\ud800" <= character <= "\udfff" or character == "\0" for character in value)


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged: {why}. Nothing was imported.")
