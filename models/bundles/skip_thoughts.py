"""Reads the published Skip-Thoughts files.

uni_skip.npz, bi_skip.npz             parameters of the encoders (and of the decoders, which are ignored)
uni_skip.npz.pkl, bi_skip.npz.pkl     options: a Python 2 pickle, which is interpreted, never executed
dictionary.txt                        one word per line, in the order of the tables' rows
utable.npy, btable.npy                word vectors, over 2 GB each: memory-mapped
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgif.models.networks.skip_thoughts import END, UNKNOWN, BiSkip, SkipThoughts, UniSkip, Words, gru_of

FILES = (
    "dictionary.txt", "utable.npy", "btable.npy", "uni_skip.npz", "uni_skip.npz.pkl", "bi_skip.npz", "bi_skip.npz.pkl",
)  # fmt: skip
MAX_OPTIONS_BYTES = 1024 * 1024
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = {"PROTO", "MEMOIZE", "FRAME", "STOP"}


class SkipFilesError(Exception):
    """A published file is missing or invalid; the message says which."""


def load_skip_thoughts(folder: Path, device: str = "cpu") -> SkipThoughts:
    """combine-skip from the published files. Raises ``SkipFilesError``."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise SkipFilesError(f"{folder} lacks {', '.join(missing)} of the published Skip-Thoughts files.")
    try:
        words = read_dictionary(folder / "dictionary.txt")
        uni, bi = (_arrays(folder / f"{name}.npz") for name in ("uni_skip", "bi_skip"))
        encoders = UniSkip(gru_of(uni)), BiSkip(gru_of(bi), gru_of(bi, "encoder_r_"))
        tables = [np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in ("utable.npy", "btable.npy")]
    except (OSError, ValueError, KeyError) as error:
        raise SkipFilesError(f"The Skip-Thoughts files in {folder} cannot be read: {error}") from error
    for encoder, table, name in zip((encoders[0].gru, encoders[1].forwards), tables, ("uni", "bi"), strict=True):
        options = read_options(folder / f"{name}_skip.npz.pkl")
        if options.get("encoder", "gru") != "gru":
            raise SkipFilesError(f"{name}_skip uses an encoder other than a GRU.")
        if len(table) < len(words) or table.shape[1] != encoder.input_size:
            raise SkipFilesError(f"{name}_skip, its word vectors and dictionary.txt do not match.")
    return SkipThoughts((encoders[0], Words(words, tables[0])), (encoders[1], Words(words, tables[1])), device=device)


def load_uni_skip(folder: Path, device: str = "cpu") -> SkipThoughts:
    """uni-skip alone, as ``deepgif.training.skip_thoughts.train`` writes it. Raises ``SkipFilesError``."""
    try:
        table = Words(
            read_dictionary(folder / "dictionary.txt"),
            np.load(folder / "utable.npy", mmap_mode="r", allow_pickle=False),
        )
        return SkipThoughts((UniSkip(gru_of(_arrays(folder / "uni_skip.npz"))), table), device=device)
    except (OSError, ValueError, KeyError) as error:
        raise SkipFilesError(f"There is no uni-skip in {folder}: {error}") from error


def read_dictionary(path: Path) -> dict[str, int]:
    """The row of each word; the last one of a repeated word. Raises ``ValueError`` without ``UNK`` or ``<eos>``."""
    with path.open(encoding="utf-8", newline="\n") as file:
        rows = {line.strip(): row for row, line in enumerate(file)}
    if not {UNKNOWN, END} <= set(rows):
        raise ValueError(f"{path.name} has no {UNKNOWN} or no {END}")
    return rows


def read_options(path: Path) -> dict[str, Any]:
    """The options in a pickle of one dictionary of strings, numbers, booleans and None. Opcodes are interpreted one by
    one, and none of those supported can call anything. Raises ``SkipFilesError``."""
    if path.stat().st_size > MAX_OPTIONS_BYTES:
        raise SkipFilesError(f"{path} is too large for options.")
    try:
        return _interpret(path.read_bytes())
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise SkipFilesError(f"{path} is not a dictionary of plain options: {error}") from error


def _interpret(data: bytes) -> dict[str, Any]:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "MARK":
            marks.append(len(stack))
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "DICT":
            start = marks.pop()
            stack[start:] = [dict(_pairs(stack[start:]))]
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name == "SETITEMS":
            start = marks.pop()
            stack[start - 1].update(_pairs(stack[start:]))
            del stack[start:]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[_number(argument)])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[_number(argument)] = stack[-1]
        elif name in _VALUES:
            stack.append(_VALUES[name])
        elif isinstance(argument, (int, float, str, bytes)) and opcode.stack_after and not opcode.stack_before:
            stack.append(argument.decode("latin-1") if isinstance(argument, bytes) else argument)
        elif name not in _IGNORED:
            raise ValueError(f"the opcode {name}")
    (options,) = stack
    if not isinstance(options, dict):
        raise TypeError("no dictionary")
    return options


def _number(argument: Any) -> int:
    return int(argument)


def _pairs(flat: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name.startswith("encoder_")}
