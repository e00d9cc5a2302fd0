"""Frames through ONNX Runtime: the vectors that torch gives."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from deepgif.models.bundles.load import BUNDLED, bundle_folder, load_bundle
from deepgif.models.preprocess.frames import frame_of
from deepgif.models.runtime import onnx as onnx_runtime
from deepgif.models.runtime.frame_runner import DeviceError, choose_devices, torch_device

CATALOGUE = BUNDLED.parent / "engine" / "catalogue" / "gifs"


def frames_in(count, sampling):
    """First frames of shipped GIFs (1, S, S, 3)."""
    found = []
    for path in sorted(CATALOGUE.glob("*.gif"))[:: 360 // count][:count]:
        with Image.open(path) as picture:
            found.append(np.asarray(frame_of(picture.convert("RGB"), sampling))[np.newaxis])
    return found


@pytest.mark.parametrize("name", ["small", "small_motion"])
def test_the_shipped_models_give_the_same_vectors(name):
    """Of real GIFs, one at a time and many at once, within 1e-5; frames of another size are resized first, as for
    torch."""
    own, other = (load_bundle(bundle_folder(name), (device,)) for device in ("cpu", onnx_runtime.NAME))
    clips = frames_in(9, own.sampling)
    clips.append(np.concatenate(clips[:4]))
    np.testing.assert_allclose(other.encode_clips(clips), own.encode_clips(clips), atol=1e-5)
    np.testing.assert_allclose(other.encode_clips(clips[:1]), own.encode_clips(clips[:1]), atol=1e-5)
    large = [clip.repeat(2, axis=1).repeat(2, axis=2) for clip in clips[:2]]
    np.testing.assert_allclose(other.encode_clips(large), own.encode_clips(large), atol=1e-5)
    np.testing.assert_array_equal(other.encode_texts(["a cat"]), own.encode_texts(["a cat"]))


def test_where_it_is_not_installed(monkeypatch):
    """One sentence says what to install, or what to set."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(DeviceError, match=r"pip install 'deepgif\[onnx\]', or set DEEPGIF_DEVICE to cpu"):
        choose_devices(onnx_runtime.NAME)


def test_torch_computes_the_rest_on_the_cpu():
    """Words, maps and the index stay with torch."""
    assert torch_device(onnx_runtime.NAME) == torch.device("cpu") == torch_device("cpu")
    assert torch_device("cuda:1") == torch.device("cuda:1")
