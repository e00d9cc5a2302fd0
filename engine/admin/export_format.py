"""The format of an export: safetensors files, which other programs can read too.

An export is one file, or several parts of at most ``CHUNKS`` chunks each. Each file's metadata has ``format``,
``version``, ``export`` (the same for all parts), ``part`` and ``parts`` (from 1) and ``chunks``: a JSON list with an
object per chunk. It has the chunk's ``kind``, the number of ``rows``, for vectors their ``space`` and ``provider``, and
the ``sha256`` of all that and of the tensors' bytes. Chunk I has these tensors:

    I.rows      (B,)   uint8    UTF-8 JSON, a list: of ids for the kind "vectors", of objects for "gifs"
    I.vectors   (N, D) float16  of unit length; for "vectors" only

Files are not trusted: shapes and sizes are checked before anything is read into memory.
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
ROWS = 4096  # per chunk
CHUNKS = 8  # per file: 64 MB of 1,024-dimensional vectors
MAX_PARTS = 99_999
MAX_JSON_BYTES = 64 * 1024 * 1024  # of a chunk's rows: 16 KB each
MAX_DIMENSION = 16_384
MAX_NAME, MAX_TEXT, MAX_TAGS, MAX_SIDE = 1000, 10_000, 100, 1_000_000
UNIT_TOLERANCE = 0.01  # float16 needs a twentieth of it

Vectors16 = NDArray[np.float16]  # (N, D)


@dataclass(frozen=True, slots=True)
class GifRow:
    """The metadata of a provider's GIF. ``expires_at`` is in seconds since 1970."""

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
class GifChunk:
    """A chunk of GIFs."""

    rows: tuple[GifRow, ...]


@dataclass(frozen=True, slots=True)
class VectorChunk:
    """A chunk of vectors (N, D) of unit length, and the ids of their N GIFs."""

    space: str
    provider: str
    rows: tuple[str, ...]
    vectors: Vectors16


Chunk = GifChunk | VectorChunk


@dataclass(frozen=True, slots=True)
class PartHeader:
    """The metadata of a file."""

    export: str
    part: int
    parts: int
    chunks: tuple[dict[str, Any], ...]


def part_path(path: Path, part: int, parts: int) -> Path:
    """The path of a part: ``path`` itself if it is the only one."""
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
    headers = [read_header(one) for one in found]
    if len({header.export for header in headers}) > 1:
        raise StoreError(f"{path} has parts of several exports. Move the others away.")
    found_parts = [header.part for header in headers]
    if found_parts != list(range(1, headers[0].parts + 1)):
        if path.is_file():
            raise StoreError(f"{path} is only one of {headers[0].parts} parts. Use the name given to deepgif export.")
        raise StoreError(f"Only {len(found_parts)} of the {headers[0].parts} parts of {path} are there.")
    return found


def write_part(path: Path, export: str, part: int, parts: int, chunks: Sequence[Chunk]) -> None:
    """Writes one file. Raises ``OSError`` and ``SafetensorError``."""
    tensors: dict[str, NDArray[Any]] = {}
    headers = []
    for number, chunk in enumerate(chunks):
        rows = [asdict(row) for row in chunk.rows] if isinstance(chunk, GifChunk) else list(chunk.rows)
        encoded = json.dumps(rows, ensure_ascii=False).encode()
        tensors[f"{number}.rows"] = np.frombuffer(encoded, np.uint8)
        header: dict[str, Any] = {"kind": "gifs", "rows": len(rows)}
        if isinstance(chunk, VectorChunk):
            header |= {"kind": "vectors", "space": chunk.space, "provider": chunk.provider}
            tensors[f"{number}.vectors"] = np.ascontiguousarray(chunk.vectors, "<f2")
        sha256 = digest(header, tensors[f"{number}.rows"], tensors.get(f"{number}.vectors"))
        headers.append({**header, "sha256": sha256})
    metadata = {"format": FORMAT, "version": str(VERSION), "export": export, "part": str(part), "parts": str(parts)}
    save_file(tensors, path, {**metadata, "chunks": json.dumps(headers, ensure_ascii=False)})
    with path.open("rb") as written:
        os.fsync(written.fileno())


def digest(header: dict[str, Any], rows: NDArray[Any], vectors: NDArray[Any] | None) -> str:
    """SHA-256 (hexadecimal) of a chunk's header, as JSON with sorted keys, and its tensors."""
    signed = {name: value for name, value in header.items() if name != "sha256"}
    found = hashlib.sha256(json.dumps(signed, sort_keys=True).encode())
    found.update(rows.tobytes())
    if vectors is not None:
        found.update(vectors.tobytes())
    return found.hexdigest()


def read_header(path: Path) -> PartHeader:
    """The metadata of a file. Raises ``StoreError``."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path} cannot be read ({error}).") from error
    if metadata.get("format") != FORMAT:
        raise StoreError(f"{path} is not an export of DeepGIF.")
    if metadata.get("version") != str(VERSION):
        raise StoreError(f"{path} was written by another version of DeepGIF, probably a newer one.")
    numbers = [metadata.get(name, "") for name in ("part", "parts")]
    try:
        chunks = json.loads(metadata.get("chunks", ""))
    except (ValueError, RecursionError):
        chunks = None
    valid = (
        all(re.fullmatch(r"[1-9]\d{0,4}", number, re.ASCII) for number in numbers)
        and isinstance(chunks, list)
        and len(chunks) <= CHUNKS
        and all(_is_chunk_header(chunk) for chunk in chunks)
    )
    if not valid:
        raise _damaged(path, "its metadata do not match its contents")
    return PartHeader(metadata.get("export", ""), int(numbers[0]), int(numbers[1]), tuple(chunks))


def read_chunks(path: Path) -> Iterator[Chunk]:
    """The chunks of a file one by one, each checked. Raises ``StoreError``."""
    header = read_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = {f"{number}.rows" for number in range(len(header.chunks))}
            names |= {f"{number}.vectors" for number, one in enumerate(header.chunks) if one["kind"] == "vectors"}
            if set(file.keys()) != names:
                raise _damaged(path, "its metadata do not match its contents")
            for number, one in enumerate(header.chunks):
                rows = _tensor(path, file, f"{number}.rows", "U8", (None,))
                shape = (one["rows"], None)
                vectors = _tensor(path, file, f"{number}.vectors", "F16", shape) if one["kind"] == "vectors" else None
                if digest(one, rows, vectors) != one["sha256"]:
                    raise _damaged(path, "its checksum is wrong")
                yield _chunk(path, one, rows, vectors)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path} cannot be read ({error}).") from error


def _tensor(path: Path, file: Any, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The tensor, after its dtype, shape and size are checked."""
    found = file.get_slice(name)
    sizes = found.get_shape()
    largest = MAX_JSON_BYTES if dtype == "U8" else MAX_DIMENSION
    fits = len(sizes) == len(shape) and all(want in (None, size) for want, size in zip(shape, sizes, strict=True))
    if found.get_dtype() != dtype or not fits or not 0 < sizes[-1] <= largest:
        raise _damaged(path, "it has tensors of a wrong size")
    tensor: NDArray[Any] = file.get_tensor(name)
    return tensor


def _chunk(path: Path, header: dict[str, Any], encoded: NDArray[Any], vectors: Vectors16 | None) -> Chunk:
    try:
        rows = json.loads(encoded.tobytes().decode())
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) != header["rows"]:
        raise _damaged(path, "its texts are not valid JSON")
    if vectors is None:
        gifs = tuple(_gif(row) for row in rows)
        if not all(row is not None and is_gif(row) for row in gifs):
            raise _damaged(path, "its metadata of GIFs are invalid")
        return GifChunk(tuple(row for row in gifs if row is not None))
    if not all(is_name(row) for row in rows):
        raise _damaged(path, "its metadata of GIFs are invalid")
    if not are_units(vectors).all():
        raise _damaged(path, "its vectors are not of unit length")
    return VectorChunk(header["space"], header["provider"], tuple(rows), vectors)


def _gif(row: object) -> GifRow | None:
    if not isinstance(row, dict) or row.keys() != {field.name for field in fields(GifRow)}:
        return None
    return GifRow(**{**row, "tags": tuple(row["tags"]) if isinstance(row["tags"], list) else row["tags"]})


def are_units(vectors: Vectors16) -> NDArray[np.bool_]:
    """Which of N vectors (N, D) have unit length, within the precision of float16: (N,)."""
    unit: NDArray[np.bool_] = np.abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1) <= UNIT_TOLERANCE
    return unit


def is_gif(row: GifRow) -> bool:
    """Whether the metadata of a GIF, which may have any types, are valid in an export."""
    tags, rating, expires_at = (getattr(row, name) for name in ("tags", "rating", "expires_at"))
    return (
        all(is_name(name) for name in (row.provider, row.id))
        and all(_is_text(text, MAX_TEXT) for text in (row.title, row.alt_text))
        and isinstance(tags, tuple)
        and len(tags) <= MAX_TAGS
        and all(_is_text(tag, MAX_TEXT) for tag in tags)
        and isinstance(rating, str)
        and rating in list(Rating)
        and all(_is_integer(side, MAX_SIDE) for side in (row.width, row.height))
        and isinstance(expires_at, float)
        and math.isfinite(expires_at)
    )


def is_name(value: object) -> bool:
    """Whether a value can be an id, or the name of a provider or space."""
    return value != "" and _is_text(value, MAX_NAME)


def _is_chunk_header(header: object) -> bool:
    if not isinstance(header, dict) or header.get("kind") not in ("gifs", "vectors"):
        return False
    named = {"space", "provider"} if header["kind"] == "vectors" else set()
    return (
        header.keys() == {"kind", "rows", "sha256"} | named
        and _is_integer(header["rows"], ROWS)
        and isinstance(header["sha256"], str)
        and all(is_name(header[name]) for name in named)
    )


def _is_text(value: object, longest: int) -> bool:
    """Whether it is a text of at most ``longest`` characters that UTF-8, and so SQLite, can store."""
    if not isinstance(value, str) or len(value) > longest:
        return False
    return not any("\ud800" <= character <= "\udfff" or character == "\0" for character in value)


def _is_integer(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged: {why}. Nothing was imported.")
