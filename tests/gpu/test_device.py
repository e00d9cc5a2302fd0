"""On a GPU: what networks see there is what they see on the CPU, from any thread, and memory that runs out costs nobody
an answer."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from deepgif.engine.media.decode import decode_clip
from deepgif.engine.options import MediaLimits
from deepgif.models.bundles.load import BUNDLED, bundle_folder, load_bundle
from deepgif.models.networks.mobilenet import MobileNetV2
from deepgif.models.runtime.cuda import IN_FLIGHT
from deepgif.models.runtime.frame_runner import MOST_FRAMES, FrameRunner, choose_devices

GIFS = sorted((BUNDLED.parent / "engine" / "catalogue" / "gifs").glob("*.gif"))[:40]
MEBIBYTE = 2**20
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module", params=["small", "small_motion"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def clips():
    """Frames of the shipped GIFs in every size, none of them the network's own."""
    sampling = load_bundle(bundle_folder("small")).sampling
    rng = np.random.default_rng(0)
    found = []
    for path in GIFS:
        clip = decode_clip(path.read_bytes(), sampling, MediaLimits(), resize=False)
        size = tuple(int(side) for side in rng.integers(60, 500, 2))
        found.append(np.stack([np.asarray(Image.fromarray(frame).resize(size)) for frame in clip]))
    return found


@pytest.fixture(scope="module")
def vectors(name, clips):
    """Of the same clips, on the CPU."""
    return load_bundle(bundle_folder(name)).encode_clips(clips)


@contextmanager
def memory_for(mebibytes):
    """Only so much more than is taken now."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(0) + mebibytes * MEBIBYTE) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def assert_close(found, vectors):
    """bfloat16 leaves cosines above 0.99."""
    assert ((found * vectors).sum(axis=1) > 0.99).all()


def test_vectors_are_those_of_the_cpu(name, clips, vectors):
    """However many clips come at once: the pinned buffers take turns, and grow."""
    encoder = load_bundle(bundle_folder(name), choose_devices("all"))
    for first in (3, 1, 39):
        found = [encoder.encode_clips(clips[:first]), encoder.encode_clips(clips[first:])]
        assert_close(np.concatenate(found), vectors)
    assert_close(encoder.encode_clips(clips * 9), np.concatenate([vectors] * 9))  # more batches than buffers
    assert encoder.frames_at_once == IN_FLIGHT * MOST_FRAMES * torch.cuda.device_count()


def test_words_are_those_of_the_cpu(name):
    """In full precision, within 1e-4."""
    texts = ["a cat falls off a table", "a dog", "", "käse 🐱 " * 40]
    own, other = (load_bundle(bundle_folder(name), (device,)) for device in ("cpu", "cuda:0"))
    np.testing.assert_allclose(other.encode_texts(texts), own.encode_texts(texts), atol=1e-4)


def test_several_lanes_share_the_work(clips):
    """Two on one GPU, as they would be on two; and one beside the CPU."""
    sampling = load_bundle(bundle_folder("small")).sampling
    torch.manual_seed(0)
    network = MobileNetV2()
    expected = torch.cat(FrameRunner(network, sampling)(clips))
    for devices in (("cuda:0", "cuda:0"), ("cuda:0", "cpu"), ("cpu", "cuda:0")):
        torch.manual_seed(0)
        runner = FrameRunner(MobileNetV2(), sampling, devices)
        found = torch.cat(runner(clips)).cpu()
        assert found.device == torch.device("cpu")
        assert (torch.cosine_similarity(found, expected) > 0.99).all()


def test_threads_do_not_mix_their_frames(clips, vectors, name):
    """Eight at once, each with clips of its own."""
    encoder = load_bundle(bundle_folder(name), ["cuda:0"])
    turns = [slice(start, start + 5) for start in range(0, 40, 5)] * 6
    with ThreadPoolExecutor(8) as pool:
        for turn, found in zip(turns, pool.map(lambda turn: encoder.encode_clips(clips[turn]), turns), strict=True):
            assert_close(found, vectors[turn])


def test_a_second_bundle_is_loaded_meanwhile(clips, vectors, name):
    """As when an engine moves over to another one: neither notices."""
    encoder = load_bundle(bundle_folder(name), ["cuda:0"])
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load_bundle, bundle_folder(name), ["cuda:0"])
        rounds = 0
        while not loading.done() or rounds < 3:
            assert_close(encoder.encode_clips(clips), vectors)
            rounds += 1
        assert_close(loading.result().encode_clips(clips), vectors)


def test_memory_that_is_short_from_the_start(clips, vectors, name):
    """Smaller batches are captured; the vectors stay the same."""
    with memory_for(500):
        encoder = load_bundle(bundle_folder(name), ["cuda:0"])
        assert 1 <= encoder.frames_at_once < IN_FLIGHT * MOST_FRAMES
        assert_close(encoder.encode_clips(clips), vectors)


def test_memory_that_runs_out(clips, vectors, name, caplog):
    """Batches are halved until they fit, and that is said; the vectors stay the same."""
    own, encoder = (load_bundle(bundle_folder(name), [device]) for device in ("cpu", "cuda:0"))
    large = [clip.repeat(2, axis=1).repeat(2, axis=2) for clip in clips]
    with memory_for(150):
        found = encoder.encode_clips(large)
    assert_close(found, own.encode_clips(large))
    assert encoder.frames_at_once < IN_FLIGHT * MOST_FRAMES
    assert "Out of memory on cuda:0: reduced the batch to" in caplog.text
    assert_close(encoder.encode_clips(clips), vectors)
