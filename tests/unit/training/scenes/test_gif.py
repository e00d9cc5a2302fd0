"""Clips as GIFs. None of this needs the font."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from deepgif.training.scenes.gif import encode_gif


def _clip() -> NDArray[np.uint8]:
    """A red square that moves over a blue-green gradient."""
    clip = np.zeros((6, 48, 48, 3), np.uint8)
    clip[..., 1] = np.arange(48) * 4
    clip[..., 2] = 150
    for i, frame in enumerate(clip):
        frame[10:26, 4 + 4 * i : 20 + 4 * i] = (220, 30, 40)
    return clip


def _decoded(data: bytes) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(data))
    frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    return np.stack(frames)


def test_frames_come_back() -> None:
    """What is decoded is what was encoded, but for a little colour, in every frame."""
    decoded = _decoded(encode_gif(_clip(), 90, 100_000))
    assert decoded.shape == _clip().shape
    assert np.abs(decoded.astype(int) - _clip()).max() <= 24


def test_gif_loops_with_one_palette() -> None:
    """It loops for ever at the stated pace, and no frame brings a palette of its own."""
    data = encode_gif(_clip(), 90, 100_000)
    image = Image.open(io.BytesIO(data))
    assert image.info["loop"] == 0
    assert image.info["duration"] == 90
    table = data[13 : 13 + 3 * 64]  # follows the header of 13 bytes
    assert len(set(table)) > 20
    assert data.count(table[:24]) == 1


def test_fewer_bytes_where_asked() -> None:
    """A tight limit gives a coarser, smaller GIF, and the coarsest where none fits."""
    noisy = _clip() // 2 + np.random.default_rng(0).integers(0, 60, _clip().shape, np.uint8)
    fine, coarse = encode_gif(noisy, 90, 10**6), encode_gif(noisy, 90, 1)
    assert len(coarse) < len(fine)
    limit = len(fine) - 1
    assert len(coarse) <= len(encode_gif(noisy, 90, limit)) <= limit


def test_same_bytes_twice() -> None:
    """Encoding is reproducible."""
    assert encode_gif(_clip(), 90, 1) == encode_gif(_clip(), 90, 1)
