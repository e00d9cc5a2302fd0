"""Bundles of the kind "classic", with random weights in the published layout."""

import shutil

import numpy as np
import pytest
import torch

from deepgif.models.bundles import classic
from deepgif.models.bundles.classic import SAMPLING, save_classic
from deepgif.models.bundles.load import load_bundle
from deepgif.models.bundles.manifest import BundleError, read_info
from deepgif.models.bundles.weights import VGG16
from deepgif.models.networks.projection import ProjectionHeads
from deepgif.models.networks.skip_thoughts import END, UNKNOWN
from deepgif.models.networks.vgg16 import FEATURES, Vgg16
from tests.unit.models.networks.test_skip_thoughts import E, parameters

WORDS = [UNKNOWN, END, "a", "cat", "falls", "."]
UNI, BI = 8, 5


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """VGG16 and a tiny Skip-Thoughts with random weights, in their published layouts."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = Vgg16()
    last = {"classifier.6.weight": torch.zeros(1000, FEATURES), "classifier.6.bias": torch.zeros(1000)}
    torch.save({**network.state_dict(), **last}, folder / VGG16.path)
    skip = folder / "skip-thoughts"
    skip.mkdir()
    rng = np.random.default_rng(0)
    np.savez(skip / "uni_skip.npz", **parameters(rng, UNI))
    np.savez(skip / "bi_skip.npz", **parameters(rng, BI), **parameters(rng, BI, "encoder_r_"))
    for name in ("utable", "btable"):
        np.save(skip / f"{name}.npy", rng.normal(size=(len(WORDS), E)).astype(np.float32))
    (skip / "dictionary.txt").write_text("\n".join(WORDS) + "\n")
    for name in ("uni", "bi"):
        (skip / f"{name}_skip.npz.pkl").write_bytes(b"(dp0\nS'encoder'\np1\nS'gru'\np2\ns.")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "classic"
    torch.manual_seed(1)
    maps = ProjectionHeads(FEATURES, UNI + 2 * BI)
    save_classic(folder, "classic", "MIT", maps)
    return folder, maps


def test_texts_and_clips_share_one_space(bundle, weights):
    """1024-d unit vectors; a clip is the projected mean fc7 of its frames, as computed in numpy (1e-4)."""
    folder, maps = bundle
    encoder = load_bundle(folder, weights=weights)
    clips = [np.random.default_rng(n).integers(0, 256, (n, 224, 224, 3), dtype=np.uint8) for n in (1, 2)]
    found = encoder.encode_clips(clips)
    network = Vgg16().eval()
    network.load_torchvision(torch.load(weights / VGG16.path, weights_only=True))
    with torch.inference_mode():
        features = [network(torch.from_numpy(clip).permute(0, 3, 1, 2)).numpy().mean(axis=0) for clip in clips]
    weight, bias = maps.frame_map.weight.detach().numpy(), maps.frame_map.bias.detach().numpy()
    for vector, feature in zip(found, features, strict=True):
        expected = weight @ (feature / np.linalg.norm(feature)) + bias
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-4)
    texts = encoder.encode_texts(["a cat falls", "a zebra", ""])
    assert texts.shape == (3, 1024)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert encoder.encode_texts([]).shape == encoder.encode_clips([]).shape == (0, 1024)
    assert [encoder.vocabulary_coverage(text) for text in ("a cat!", "a zebra", "...")] == [1.0, 0.5, 0.0]


def test_the_description(bundle):
    """Read without loading the model: eight frames, cropped as in VGG16's evaluation."""
    info = read_info(bundle[0])
    assert (info.kind, info.name, info.sampling, str(info.sampling)) == ("classic", "classic", SAMPLING, "8x224-crop")


def test_missing_or_wrong_parts(bundle, weights, tmp_path, monkeypatch):
    """Missing weights, weights of another network, projections of other sizes, an unknown kind."""
    folder, _ = bundle
    with pytest.raises(BundleError, match="DEEPGIF_WEIGHTS_DIR"):
        load_bundle(folder)
    with monkeypatch.context() as without:
        without.setattr(classic, "find_spec", lambda name: None)
        with pytest.raises(BundleError, match=r"pip install 'deepgif\[classic\]'"):
            load_bundle(folder, weights=weights)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(BundleError, match=r"Download https://download\.pytorch\.org/.* to"):
        load_bundle(folder, weights=tmp_path)
    torch.save({"a": torch.zeros(1)}, tmp_path / VGG16.path)
    with pytest.raises(BundleError, match="does not contain the weights of VGG16"):
        load_bundle(folder, weights=tmp_path)
    (tmp_path / VGG16.path).write_bytes(b"<html>no weights</html>")
    with pytest.raises(BundleError, match="does not contain the weights of VGG16"):
        load_bundle(folder, weights=tmp_path)
    save_classic(tmp_path / "other", "other", "MIT", ProjectionHeads(FEATURES, 3))
    with pytest.raises(BundleError, match="does not contain the model"):
        load_bundle(tmp_path / "other", weights=weights)
    manifest = tmp_path / "other" / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"classic"', '"new"'))
    with pytest.raises(BundleError, match="of the kind new"):
        load_bundle(tmp_path / "other", weights=weights)
