"""What is read from Redis: back as it was, or as if it were not there."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.cluster.codec import MAX_BYTES, read_gif, write_gif
from deepgif.engine.cluster.embeddings import HEADER, from_key_part, key_part, pack, unpack
from deepgif.engine.types import Candidate, Gif, GifKey, Rating

KEY = GifKey("giphy", "a")
GIF = Gif(KEY, "Title", "Alt", Rating.PG, "https://media.giphy.com/x.gif", 10, 20, "Powered by GIPHY")
CANDIDATE = Candidate(GIF, ("one", "two"))


@pytest.mark.parametrize("keep_url", [False, True])
def test_rows_come_back(keep_url):
    """With their time, and with the address only where it may be kept."""
    row = read_gif(write_gif(CANDIDATE, 123.5, keep_url=keep_url), KEY, "Powered by GIPHY")
    url = GIF.url if keep_url else ""
    assert row == (
        Candidate(Gif(KEY, "Title", "Alt", Rating.PG, url, 10, 20, "Powered by GIPHY"), ("one", "two")),
        123.5,
    )


def test_rows_are_bounded():
    """However long the texts are."""
    long = Candidate(Gif(KEY, "é" * 5000, "x" * 5000, Rating.G, "", 1, 1), tuple("ü" * 5000 for _ in range(500)))
    written = write_gif(long, 1.0, keep_url=True)
    assert len(written) <= MAX_BYTES
    assert read_gif(written, KEY, "") is not None


@given(st.binary(max_size=300) | st.none())
def test_any_bytes_are_no_row(value):
    """Whatever is there, reading it ends without an error."""
    assert read_gif(value, KEY, "") is None


@given(
    st.sampled_from(["v", "title", "alt_text", "tags", "rating", "size", "url", "expires"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers() | st.text(), max_size=3),
)
def test_any_field_may_be_wrong(field, value):
    """A row with one strange field is read with sound values, or not at all."""
    row = json.loads(write_gif(CANDIDATE, 123.5, keep_url=True)) | {field: value}
    read = read_gif(json.dumps(row).encode(), KEY, "")
    if read is not None:
        gif = read[0].gif
        assert isinstance(gif.title, str)
        assert isinstance(gif.alt_text, str)
        assert all(isinstance(tag, str) for tag in read[0].tags)
        assert 0 <= gif.width < 2**31
        assert gif.url == "" or gif.url.startswith("http")


def test_vectors_come_back():
    """Within half precision, of unit length."""
    vector = np.random.default_rng(0).normal(size=384).astype(np.float32)
    vector /= np.linalg.norm(vector)
    found = unpack(pack(vector), 384)
    np.testing.assert_allclose(found, vector, atol=1e-3)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


GOOD = pack(np.array([0.6, 0.8, 0, 0], np.float32))


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        7,
        GOOD[:-1],
        GOOD + b"\0",
        b"X" + GOOD[1:],
        HEADER.pack(b"DGIF", 2, 1, 4) + GOOD[8:],
        HEADER.pack(b"DGIF", 1, 2, 4) + GOOD[8:],
        HEADER.pack(b"DGIF", 1, 1, 3) + GOOD[8:],
        GOOD[:8] + bytes(8),
        GOOD[:8] + np.array([np.nan, 0, 0, 0], "<f2").tobytes(),
        GOOD[:8] + np.array([np.inf, 0, 0, 0], "<f2").tobytes(),
        b"\x80\x04K\x07.",  # a pickle
    ],
)
def test_what_is_no_vector_is_not_there(value):
    """Damaged, cut, of another version, type or size, or not a number."""
    assert unpack(value, 4) is None
    assert unpack(GOOD, 4) is not None


@given(st.text())
def test_any_id_can_be_a_key(text):
    """There and back, without anything that patterns, hash tags or the parts of a key are made of."""
    part = key_part(text)
    assert from_key_part(part) == text
    assert not set(part) & set(":*?[]{}\\^ \n")
