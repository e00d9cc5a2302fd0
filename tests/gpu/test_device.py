"""On a GPU: what networks see there is what they see on the CPU, and memory that runs out costs nobody an answer."""

import numpy as np
import pytest
import torch

from engine.frames import decode_clip
from engine.probe import MediaLimits
from models.bundles import BUNDLED, bundle_folder, load_bundle
from models.device import choose_devices

GIFS = sorted((BUNDLED.parent / "engine" / "catalogue" / "gifs").glob("*.gif"))[:40]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def vectors():
    """Of the same GIFs, resized on the CPU and encoded there."""
    encoder = load_bundle(bundle_folder("small"))
    clips = [decode_clip(path.read_bytes(), encoder.sampling, MediaLimits()) for path in GIFS]
    return encoder.encode_clips(clips)


def test_vectors_are_those_of_the_cpu(vectors):
    """Frames of their own size go up as bytes; bfloat16 and resizing there leave cosines above 0.99."""
    encoder = load_bundle(bundle_folder("small"), choose_devices("all"))
    clips = [decode_clip(path.read_bytes(), encoder.sampling, MediaLimits(), resize=False) for path in GIFS]
    for _ in range(3):  # the pinned buffers take turns, and grow
        found = np.concatenate([encoder.encode_clips(clips[:3]), encoder.encode_clips(clips[3:])])
        assert ((found * vectors).sum(axis=1) > 0.99).all()
    assert encoder.frames_at_once >= 1
    np.testing.assert_allclose(np.linalg.norm(encoder.encode_texts(["a cat", "a dog"]), axis=1), 1, atol=1e-4)


def test_memory_that_runs_out(vectors):
    """With hardly more memory than the weights need, batches are halved until they fit; the vectors stay the same."""
    encoder = load_bundle(bundle_folder("small"), ["cuda:0"])
    clips = [decode_clip(path.read_bytes(), encoder.sampling, MediaLimits()) for path in GIFS]
    before = encoder.frames_at_once
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(0) + 200 * 2**20) / total)
    try:
        found = encoder.encode_clips(clips)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert ((found * vectors).sum(axis=1) > 0.99).all()
    assert encoder.frames_at_once < before
