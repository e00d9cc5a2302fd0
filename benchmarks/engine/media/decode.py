"""``python -m benchmarks.engine.media.decode [FOLDER]``: from bytes to a clip, compared with bare Pillow reading the
same frames."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import CATALOGUE, alternate, machine
from deepgif.engine.errors import MediaError
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.media.probe import probe
from deepgif.engine.options import MediaLimits
from deepgif.engine.types import FrameSampling

SAMPLING = FrameSampling(count=4, size=224)
LIMITS = MediaLimits()
ROUNDS = 5


def bare_pillow(data: bytes) -> list[np.ndarray]:
    """The same frames with Pillow alone: without limits, exact disposal or frame durations."""
    frames = []
    with Image.open(io.BytesIO(data)) as image:
        for index in SAMPLING.choose([1] * getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(
                np.asarray(image.convert("RGB").resize((SAMPLING.size, SAMPLING.size), Image.Resampling.BILINEAR))
            )
    return frames


def main() -> None:
    print(machine())
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CATALOGUE
    files = [path.read_bytes() for path in sorted(folder.rglob("*.gif"))]
    readable = []
    for data in files:
        try:
            probe(data, LIMITS)
            readable.append(data)
        except MediaError as error:
            print(f"skipped: {error}")
    ours, bare = alternate(
        ROUNDS,
        lambda: [decode_clip(data, SAMPLING, LIMITS) for data in readable],
        lambda: [bare_pillow(data) for data in readable],
    )
    ours_ms, bare_ms = (1000 * min(seconds) / len(readable) for seconds in (ours, bare))
    print(f"{len(readable)} GIFs: {ours_ms:.2f} ms each, bare Pillow {bare_ms:.2f} ms, ratio {ours_ms / bare_ms:.2f}")


if __name__ == "__main__":
    main()
