"""Answers as ``deepgif.engine.media.decoder_worker`` does, or as none should: what it is given says how.
``decoder_worker.py never`` does not get ready."""

import json
import os
import sys
import time
from pathlib import Path

from deepgif.engine.media.decoder_worker import FRAMES, LENGTH, READY, REFUSED, SHAPE


def refuse(sentence):
    return REFUSED + LENGTH.pack(len(sentence)) + sentence


ANSWERS = {
    b"die": lambda: os._exit(3),
    b"die once": lambda: die_once(),
    b"hang": lambda: time.sleep(3600),
    b"odd": lambda: b"\7" * 100,
    b"huge": lambda: FRAMES + SHAPE.pack(2**31, 2**31, 2**31, 3),
    b"four colours": lambda: FRAMES + SHAPE.pack(1, 1, 1, 4) + bytes(4),
    b"nothing": lambda: FRAMES + SHAPE.pack(0, 1, 1, 3),
    b"half": lambda: os._exit(sys.stdout.buffer.write(FRAMES + SHAPE.pack(1, 1, 1, 3) + b"\1") and flush()),
    b"wordy": lambda: refuse(b"x" * 2000),
    b"not utf-8": lambda: refuse(b"no \xff"),
    b"environment": lambda: refuse(json.dumps(sorted(os.environ)).encode()),
    b"process": lambda: refuse(str(os.getpid()).encode()),
}


def die_once():
    """The first process that is asked; the name of a file is told by the environment."""
    path = Path(os.environ["PYTHON_DIED"])
    if path.exists():
        return refuse(b"once")
    path.touch()
    os._exit(3)


def flush():
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["never"]:
        sys.exit("it cannot")
    sys.stdout.buffer.write(READY)
    flush()
    while length := sys.stdin.buffer.read(LENGTH.size):
        data = sys.stdin.buffer.read(*LENGTH.unpack(length))
        answer = ANSWERS.get(data, lambda: FRAMES + SHAPE.pack(1, 1, 1, 3) + b"\1\2\3")()
        sys.stdout.buffer.write(answer)
        flush()
        if data == b"deaf":
            time.sleep(3600)
