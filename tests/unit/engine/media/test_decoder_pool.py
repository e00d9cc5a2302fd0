"""GIFs decoded in other processes: the same clips and refusals, and processes that die, hang or lie."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgif.engine.engine import SHIPPED_CATALOGUE
from deepgif.engine.errors import MediaError, NotReadyError
from deepgif.engine.media import decoder_pool
from deepgif.engine.media.decode import decode_clip
from deepgif.engine.media.decoder_pool import AsyncDecoder, DecoderPool
from deepgif.engine.options import MediaLimits
from deepgif.engine.types import FrameSampling
from deepgif.models.preprocess.sampling import Fit
from tests.fakes.waiting import WITHIN_S

LIMITS = MediaLimits()
SAMPLING = FrameSampling(3, 100, Fit.CROP)
GIFS = [path.read_bytes() for path in sorted((SHIPPED_CATALOGUE / "gifs").glob("*.gif"))[:6]]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """For processes that start and answer on a slow machine."""
    monkeypatch.setattr(decoder_pool, "START_S", WITHIN_S)
    monkeypatch.setattr(decoder_pool, "GRACE_S", WITHIN_S)


@pytest.fixture
def opened():
    """Makes decoders that are closed in the end."""
    made = []

    def make(*, most=2, limits=LIMITS, resize=True):
        made.append(DecoderPool(SAMPLING, limits, resize=resize, most=most))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def fake(opened, monkeypatch):
    """Decoders whose processes answer as they are told."""

    def make(*arguments, most=1, limits=LIMITS):
        command = [sys.executable, "-m", "tests.fakes.decoder_worker", *arguments]
        monkeypatch.setattr(decoder_pool, "command", lambda sampling, limits, resize: command)
        return opened(most=most, limits=limits)

    return make


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("resize", [True, False])
def test_the_same_clips(opened, resize):
    """Byte for byte, from several threads at once."""
    own = opened(resize=resize)
    with ThreadPoolExecutor(4) as pool:
        for clip, data in zip(pool.map(own.decode, GIFS), GIFS, strict=True):
            np.testing.assert_array_equal(clip, decode_clip(data, SAMPLING, LIMITS, resize=resize))
            assert clip.dtype == np.uint8


@pytest.mark.parametrize("data", [b"", b"text", GIFS[0][:30], b"\0" * 2000], ids=["empty", "text", "cut", "zeros"])
def test_the_same_refusals(opened, data):
    """In the same words; and the next file is decoded."""
    own = opened(most=1)
    with pytest.raises(MediaError) as here:
        decode_clip(data, SAMPLING, LIMITS)
    with pytest.raises(MediaError) as there:
        own.decode(data)
    assert str(there.value) == str(here.value)
    assert own.decode(GIFS[0]).shape == (3, 100, 100, 3)


def test_the_limits_are_the_same(opened):
    """Those it is made with; what is too long is not even sent."""
    with pytest.raises(MediaError, match="pixels"):
        opened(limits=replace(LIMITS, max_side=10)).decode(GIFS[0])
    with pytest.raises(MediaError, match="the limit is 100"):
        opened(limits=replace(LIMITS, max_bytes=100)).decode(GIFS[0])


@pytest.mark.parametrize("data", [b"die", b"odd", b"huge", b"four colours", b"nothing", b"half", b"wordy"])
def test_a_process_that_dies_or_lies(fake, data):
    """Its file is refused, it is ended, and another one goes on."""
    own = fake()
    before = int(refusal(own, b"process"))
    assert refusal(own, data) == "The file is damaged."
    after = int(refusal(own, b"process"))
    assert after != before
    assert not alive(before)
    np.testing.assert_array_equal(own.decode(b"one"), [[[[1, 2, 3]]]])


def test_a_process_that_is_killed_for_what_others_did(fake, monkeypatch, tmp_path):
    """Its file is tried once more in another one."""
    monkeypatch.setenv("PYTHON_DIED", str(tmp_path / "died"))
    assert refusal(fake(), b"die once") == "once"


def refusal(own, data):
    with pytest.raises(MediaError) as refused:
        own.decode(data)
    return str(refused.value)


@pytest.mark.parametrize("data", [b"hang", b"x" * 10**6], ids=["never answers", "never reads"])
def test_a_process_that_hangs(fake, monkeypatch, data):
    """It is ended when the time for decoding is up, whether it does not answer or does not read."""
    own = fake(limits=replace(LIMITS, decode_s=0.2))
    before = int(refusal(own, b"process"))
    own.decode(b"deaf" if data[:1] == b"x" else b"one")
    with monkeypatch.context() as patched:
        patched.setattr(decoder_pool, "GRACE_S", 0.3)
        assert refusal(own, data) == "Decoding took longer than 0.2 s."
    assert not alive(before)
    own.decode(b"one")


def test_a_process_that_died_while_it_was_idle(fake):
    """Nobody notices."""
    own = fake()
    process = int(refusal(own, b"process"))
    os.kill(process, 9)
    while alive(process) and Path(f"/proc/{process}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    own.decode(b"one")


def test_no_more_processes_than_asked_for(fake):
    """Each is used again."""
    own = fake(most=3)
    with ThreadPoolExecutor(12) as pool:
        seen = set(pool.map(lambda _: refusal(own, b"process"), range(60)))
    assert 1 <= len(seen) <= 3
    own.close()
    assert not any(alive(int(process)) for process in seen)


def test_keys_are_not_passed_on(fake, monkeypatch):
    """Of the environment only what a Python needs; sentences are shown as they can be."""
    monkeypatch.setenv("GIPHY_API_KEY", "secret")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    own = fake()
    names = json.loads(refusal(own, b"environment"))
    assert "PATH" in names
    assert "PYTHONDONTWRITEBYTECODE" in names
    assert "GIPHY_API_KEY" not in names
    assert refusal(own, b"not utf-8") == "no �"


def test_where_no_process_can_be_started(fake, capfd):
    """It is said, and tried again the next time."""
    with pytest.raises(NotReadyError, match="cannot start a process to decode GIFs"):
        fake("never").decode(b"one")
    assert "it cannot" in capfd.readouterr().err


async def test_decoding_off_the_event_loop(fake):
    """In processes, which end when it is closed, or on threads."""
    fake()
    decoder = AsyncDecoder(SAMPLING, LIMITS, processes=True)
    np.testing.assert_array_equal(await decoder.decode(b"one"), [[[[1, 2, 3]]]])
    with pytest.raises(MediaError) as refused:
        await decoder.decode(b"process")
    assert alive(int(str(refused.value)))
    decoder.close()
    assert not alive(int(str(refused.value)))
    decoder = AsyncDecoder(SAMPLING, LIMITS, processes=False)
    np.testing.assert_array_equal(await decoder.decode(GIFS[0]), decode_clip(GIFS[0], SAMPLING, LIMITS))
    decoder.close()
