"""A process that decodes GIFs for an engine, one after the other: ``python -m deepgif.engine.media.decoder_worker
OPTIONS``.

It is given no keys, and what it sends back is read as numbers and one sentence, whatever a hostile file made of it.

On standard input come GIFs, each after its length; on standard output goes first READY, and then for each GIF either
FRAMES, the clip's shape and its bytes, or REFUSED, the length of a sentence and that sentence in UTF-8. Numbers are
unsigned, of four bytes, little-endian. The process ends with its input.
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
    """How such a process is started."""
    options = json.dumps({"sampling": asdict(sampling), "limits": asdict(limits), "resize": resize})
    return [sys.executable, "-m", "deepgif.engine.media.decoder_worker", options]


def serve(given: BinaryIO, answers: BinaryIO, sampling: FrameSampling, limits: MediaLimits, *, resize: bool) -> None:
    """Decodes until ``given`` ends."""
    answers.write(READY)
    answers.flush()
    while length := given.read(LENGTH.size):
        data = given.read(*LENGTH.unpack(length))
        try:
            clip = decode_clip(data, sampling, limits, resize=resize)
        except MediaError as error:
            sentence = str(error).encode()
            answers.write(REFUSED + LENGTH.pack(len(sentence)) + sentence)
        else:
            answers.write(FRAMES + SHAPE.pack(*clip.shape))
            answers.write(clip.data)
        answers.flush()


def main(text: str) -> None:
    """Serves over standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal goes to all: the engine ends this one
    warnings.simplefilter("ignore")  # Pillow's, of damaged files
    options = json.loads(text)
    sampling = FrameSampling(**{**options["sampling"], "fit": Fit(options["sampling"]["fit"])})
    limits = MediaLimits(**options["limits"])
    serve(sys.stdin.buffer, sys.stdout.buffer, sampling, limits, resize=options["resize"])


if __name__ == "__main__":
    main(sys.argv[1])
