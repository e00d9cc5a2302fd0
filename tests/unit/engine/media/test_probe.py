"""What is read from a file's structure, and what is refused before a pixel is decoded."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.errors import MediaError
from deepgif.engine.media.probe import probe
from deepgif.engine.options import MediaLimits
from tests.fakes.media import RawFrame, animation, raw_gif

LIMITS = MediaLimits(max_bytes=100_000, max_side=1000, max_canvas_pixels=500_000, max_frames=20, max_total_pixels=10**6)
SQUARE = RawFrame(((1, 2), (2, 1)))


def webp_chunk(tag, body):
    return tag + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def webp(*chunks):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(width, height):
    return webp_chunk(b"VP8X", b"\x02\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def anmf(width, height, duration_ms=50):
    numbers = (0, 0, width - 1, height - 1, duration_ms)
    return webp_chunk(b"ANMF", b"".join(number.to_bytes(3, "little") for number in numbers) + b"\0")


@pytest.mark.parametrize(("kind", "name"), [("GIF", "gif"), ("WEBP", "webp")])
def test_animations(kind, name):
    """Kind, canvas and the time of each frame, as Pillow wrote them."""
    info = probe(animation(kind, ["red", "green", "blue"], 70, (40, 30)), LIMITS)
    assert (info.kind, info.width, info.height, info.durations_ms) == (name, 40, 30, (70, 70, 70))


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_stills(kind):
    """A still is one frame."""
    info = probe(animation(kind, ["red"]), LIMITS)
    assert (info.width, info.height, info.frames) == (32, 24, 1)


@pytest.mark.parametrize(("delay_cs", "shown_ms"), [(0, 100), (1, 100), (2, 20), (50, 500)])
def test_short_delays_last_as_in_browsers(delay_cs, shown_ms):
    """Delays of 10 ms and less are shown for 100 ms."""
    assert probe(raw_gif(2, 2, [RawFrame(((1, 2), (2, 1)), delay_cs=delay_cs)]), LIMITS).durations_ms == (shown_ms,)


def test_a_file_cut_off_counts_with_its_whole_frames():
    """Browsers show what came; so do we."""
    whole = raw_gif(2, 2, [SQUARE] * 3)
    assert probe(whole[:-8], LIMITS).frames == 2
    assert probe(webp(vp8x(4, 4), anmf(4, 4), anmf(4, 4))[:-4], LIMITS).frames == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "neither a GIF nor a WebP"),
        (b"GIF89a\x01", "in its header"),
        (b"GIF89a" + b"\0" * 20, "no width"),
        (raw_gif(2, 2, []), "no complete frame"),
        (raw_gif(2, 2, [SQUARE])[:-6], "no complete frame"),
        (raw_gif(65535, 65535, [SQUARE]), "65,535 x 65,535 pixels"),
        (raw_gif(800, 800, [SQUARE]), "500,000"),
        (raw_gif(2, 2, [RawFrame(((1,),), left=60_000, top=60_000)]), "60,001 x 60,001"),
        (raw_gif(2, 2, [SQUARE] * 21), "more than 20 frames"),
        (raw_gif(500, 500, [SQUARE] * 5), "pixels in total"),
        (b"GIF89a" + b"\1\0\1\0" + b"x" * 100_000, "the limit is 100,000"),
        (webp(), "no complete frame"),
        (webp(vp8x(4, 4)), "no complete frame"),
        (webp(vp8x(16_000, 16_000), anmf(4, 4)), "16,000 x 16,000"),
        (webp(vp8x(4, 4), anmf(9_000, 4)), "9,000 x 4"),
        (webp(vp8x(4, 4), *[anmf(4, 4)] * 21), "more than 20 frames"),
        (webp(webp_chunk(b"VP8L", b"\x2f\xff\xff\xff\x0f" + b"\0" * 8)), "16,384 x 16,384"),
        (webp(webp_chunk(b"VP8 ", b"\0" * 4)), "in its header"),
    ],
)
def test_refusals(data, reason):
    """Each refusal says in one sentence what is wrong."""
    with pytest.raises(MediaError, match=reason) as caught:
        probe(data, LIMITS)
    assert str(caught.value).endswith(".")


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"GIF89a", b"GIF87a", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8X"])
)
def test_any_bytes(data, start):
    """Whatever the bytes are, the answer is a structure within the limits or a refusal."""
    try:
        info = probe(start + data, LIMITS)
    except MediaError:
        return
    assert 0 < info.width <= LIMITS.max_side
    assert 0 < info.height <= LIMITS.max_side
    assert 0 < info.frames <= LIMITS.max_frames
    assert min(info.durations_ms) > 0


@given(st.data())
def test_damaged_files(data):
    """A valid file with some bytes changed, or cut, never does worse than be refused."""
    whole = bytearray(
        data.draw(st.sampled_from([raw_gif(2, 2, [SQUARE] * 3), webp(vp8x(4, 4), anmf(4, 4), anmf(4, 4))]))
    )
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(MediaError):
        assert probe(cut, LIMITS).frames >= 1
