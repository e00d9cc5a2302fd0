"""Frames as they are seen, evenly spaced in time, from good and from hostile files."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepgif.engine.errors import MediaError
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.options import MediaLimits
from deepgif.engine.types import FrameSampling
from tests.fakes.media import PALETTE, TRANSPARENT, RawFrame, animation, raw_gif

LIMITS = MediaLimits()
SIZE = 6  # of the canvas and of the clip, so that nothing is resized
EVERY = FrameSampling(count=5, size=SIZE)
WHITE = (255, 255, 255)


def composed(frames):
    """What GIF89a, section 23, shows after each frame, on white: an independent computation, pixel by pixel."""
    canvas = [[None] * SIZE for _ in range(SIZE)]
    shown = []
    for frame in frames:
        before = [row[:] for row in canvas]
        for y, row in enumerate(frame.rows):
            for x, entry in enumerate(row):
                if not (frame.transparent and entry == TRANSPARENT):
                    canvas[frame.top + y][frame.left + x] = PALETTE[entry]
        shown.append([[WHITE if pixel is None else pixel for pixel in row] for row in canvas])
        if frame.disposal == 2:
            for y, row in enumerate(frame.rows):
                for x in range(len(row)):
                    canvas[frame.top + y][frame.left + x] = None if frame.transparent else PALETTE[0]
        elif frame.disposal == 3:
            canvas = before
    return np.array(shown, np.uint8)


@st.composite
def raw_frames(draw, *, whole):
    """A frame somewhere on the canvas, or all over it; the first frame, with nothing before it, is not restored."""
    left, top = (0, 0) if whole else (draw(st.integers(0, SIZE - 1)), draw(st.integers(0, SIZE - 1)))
    width, height = (SIZE, SIZE) if whole else (draw(st.integers(1, SIZE - left)), draw(st.integers(1, SIZE - top)))
    entries = st.integers(0, 3)
    rows = draw(st.lists(st.tuples(*[entries] * width), min_size=height, max_size=height))
    return RawFrame(tuple(rows), left, top, disposal=draw(st.integers(0, 2 if whole else 3)))


@settings(max_examples=300)
@given(raw_frames(whole=True), st.lists(raw_frames(whole=False), max_size=4), st.booleans())
def test_disposal_and_transparency(first, others, transparent):
    """Every disposal, in files with and without transparency, is shown as the specification says."""
    frames = [replace(frame, transparent=transparent) for frame in (first, *others)]
    sampling = FrameSampling(count=len(frames), size=SIZE)
    assert np.array_equal(decode_clip(raw_gif(SIZE, SIZE, frames), sampling, LIMITS), composed(frames))


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_even_in_time(kind):
    """Frames are taken at the middle of equal parts of the time, not of the count, and none twice."""
    colours = ["red", "lime", "blue", "white", "black", "yellow"]
    clip = decode_clip(animation(kind, colours, 100), FrameSampling(count=3, size=4), LIMITS)
    assert clip.shape == (3, 4, 4, 3)
    assert [tuple(frame[2, 2]) for frame in clip] == [(0, 255, 0), (255, 255, 255), (255, 255, 0)]
    assert decode_clip(animation(kind, colours[:2]), EVERY, LIMITS).shape == (2, SIZE, SIZE, 3)
    assert decode_clip(animation(kind, ["red"]), EVERY, LIMITS).shape == (1, SIZE, SIZE, 3)


def test_a_long_frame_counts_by_its_time():
    """A frame that lasts most of the time is most of what is seen, but once."""
    square = [RawFrame(((entry,) * SIZE,) * SIZE, delay_cs=delay) for entry, delay in ((0, 10), (1, 1000), (2, 10))]
    clip = decode_clip(raw_gif(SIZE, SIZE, square), FrameSampling(count=4, size=SIZE), LIMITS)
    assert [tuple(frame[0, 0]) for frame in clip] == [PALETTE[1]]


def test_transparent_webp_on_white():
    """What is transparent in a WebP is white as well."""
    stream = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(stream, "WEBP", lossless=True)
    assert (decode_clip(stream.getvalue(), EVERY, LIMITS) == 255).all()


def test_frames_before_the_damage():
    """A file damaged in the middle gives what comes before."""
    whole = animation("GIF", ["red", "lime", "blue", "white"], size=(64, 64))
    clip = decode_clip(whole[: len(whole) * 3 // 4], FrameSampling(count=4, size=8), LIMITS)
    assert 1 <= len(clip) < 4
    assert tuple(clip[0, 4, 4]) == (255, 0, 0)


def test_a_structure_without_pixels():
    """A file whose structure is right but whose pixels are not is refused."""
    data = bytearray(raw_gif(SIZE, SIZE, [RawFrame(((1,) * SIZE,) * SIZE)]))
    start = data.index(b"\x2c") + 10
    data[start] = 0x0C  # a code size that LZW does not have
    with pytest.raises(MediaError, match="damaged"):
        decode_clip(bytes(data), EVERY, LIMITS)


def test_the_time_limit():
    """Decoding that takes too long is given up."""
    with pytest.raises(MediaError, match="longer than 0 s"):
        decode_clip(animation("GIF", ["red", "lime"]), EVERY, MediaLimits(decode_s=0))


def test_limits_come_first():
    """What the probe refuses is never given to a decoder."""
    with pytest.raises(MediaError, match="65,535"):
        decode_clip(raw_gif(65535, 65535, [RawFrame(((1,),))]), EVERY, LIMITS)


@settings(max_examples=200)
@given(st.data())
def test_damaged_files(data):
    """Any damage gives a clip of the right shape or a refusal, and nothing else."""
    kind = data.draw(st.sampled_from(["GIF", "WEBP"]))
    whole = bytearray(animation(kind, ["red", "lime", "blue"], size=(16, 16)))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        clip = decode_clip(cut, EVERY, MediaLimits(max_side=256))
    except MediaError:
        return
    assert clip.dtype == np.uint8
    assert clip.shape[1:] == (SIZE, SIZE, 3)
    assert 1 <= len(clip) <= EVERY.count


@pytest.mark.data
def test_real_gifs(data_dir):
    """Real GIFs of every disposal: all decode, and look like what Pillow composes by itself."""
    sampling = FrameSampling(count=4, size=64)
    paths = sorted((data_dir / "parrots").rglob("*.gif"))
    assert paths
    for path in paths:
        clip = decode_clip(path.read_bytes(), sampling, LIMITS)
        with Image.open(path) as image:
            durations = []
            for index in range(image.n_frames):
                image.seek(index)
                durations.append(image.info.get("duration", 0) if image.info.get("duration", 0) > 10 else 100)
            for frame, index in zip(clip, sampling.choose(durations), strict=True):
                image.seek(index)
                seen = image.convert("RGBA")
                white = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
                expected = np.asarray(white.resize((64, 64), Image.Resampling.BILINEAR))
                assert np.abs(frame.astype(int) - expected).mean() < 1, path.name
