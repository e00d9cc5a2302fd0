"""A process that decodes GIFs, one at a time: ``python -m deepgif.engine.media.decoder_worker OPTIONS``.

It gets no keys, and its output is validated as numbers and one message, in case a hostile file takes it over.

It reads GIFs from standard input, each preceded by its length, and writes READY to standard output, then for each GIF
either FRAMES, the clip's shape and bytes, or REFUSED, the length of a message and the message in UTF-8. Numbers are
32-bit, unsigned and little-endian. The process exits at the end of its input.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
import warnings
from dataclasses import asdict
from typing import BinaryIO

from deepgif.engine.errors import MediaError
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.options import MediaLimits
from deepgif.engine.types import FrameSampling
from deepgif.models.preprocess.sampling import Fit

READY, FRAMES, REFUSED = b"\0", b"\1", b"\2"
LENGTH, SHAPE = struct.Struct("<I"), struct.Struct("<4I")


def command(sampling: FrameSampling, limits: MediaLimits, *, resize: bool) -> list[str]:
    """The command that starts a process."""
    options = json.dumps({"sampling": asdict(sampling), "limits": asdict(limits), "resize": resize})
    return [sys.executable, "-m", "deepgif.engine.media.decoder_worker", options]


def serve(stdin: BinaryIO, stdout: BinaryIO, sampling: FrameSampling, limits: MediaLimits, *, resize: bool) -> None:
    """Decodes until the end of ``stdin``."""
    stdout.write(READY)
    stdout.flush()
    while length := stdin.read(LENGTH.size):
        data = stdin.read(*LENGTH.unpack(length))
        try:
            clip = decode_clip(data, sampling, limits, resize=resize)
        except MediaError as error:
            message = str(error).encode()
            stdout.write(REFUSED + LENGTH.pack(len(message)) + message)
        else:
            stdout.write(FRAMES + SHAPE.pack(*clip.shape))
            stdout.write(clip.data)
        stdout.flush()


def main(text: str) -> None:
    """Serves over standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the engine ends this one
    warnings.simplefilter("ignore")  # Pillow's, about damaged files
    options = json.loads(text)
    sampling = FrameSampling(**{**options["sampling"], "fit": Fit(options["sampling"]["fit"])})
    limits = MediaLimits(**options["limits"])
    serve(sys.stdin.buffer, sys.stdout.buffer, sampling, limits, resize=options["resize"])


if __name__ == "__main__":
    main(sys.argv[1])
