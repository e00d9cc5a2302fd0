"""Bundles: saving, loading, and errors for damaged ones."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgif.models.bundles.load import BUNDLED, bundle_folder, load_bundle
from deepgif.models.bundles.manifest import MANIFEST, WEIGHTS, BundleError, read_info
from deepgif.models.bundles.small import TOKENIZER, load_small, save_small, small_encoder
from deepgif.models.networks.joint import Backbone, JointModel
from deepgif.models.networks.sentence import SentenceConfig
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.small.vocabulary import learn_vocabulary

CONFIG = SentenceConfig(vocabulary=300, embedding=8, hidden=6)
SAMPLING = FrameSampling(2, 32)
CLIPS = [np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8) for count in (1, 3, 2)]
MAX_BUNDLE_BYTES = 24_000_000


@pytest.fixture(scope="module", params=list(Backbone))
def saved(tmp_path_factory, request):
    """A small untrained bundle of each backbone, and the model it was saved from."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bundle")
    config = replace(CONFIG, weighted=request.param is Backbone.EFFICIENTNET_LITE0)
    model = JointModel(config, request.param).eval()
    tokenizer = learn_vocabulary(["a cat runs", "a dog runs"], CONFIG.vocabulary)
    save_small(folder, "tiny", "MIT", SAMPLING, model, tokenizer)
    return folder, model, tokenizer


@pytest.fixture
def damaged(saved, tmp_path):
    """A copy for the test to damage."""
    return shutil.copytree(saved[0], tmp_path / "copy")


def test_saving_and_loading(saved):
    """The loaded encoder gives the same unit vectors, within float16; clips may differ in length."""
    folder, model, tokenizer = saved
    loaded = load_bundle(folder)
    original = small_encoder(loaded.info, model, tokenizer)
    texts = ["a cat", "zebra 🦓", ""]
    for got, expected in (
        (loaded.encode_texts(texts), original.encode_texts(texts)),
        (loaded.encode_clips(CLIPS), original.encode_clips(CLIPS)),
    ):
        assert got.shape == (3, 1024)
        np.testing.assert_allclose(got, expected, atol=5e-3)
        np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    assert loaded.encode_texts([]).shape == loaded.encode_clips([]).shape == (0, 1024)
    assert loaded.space == f"tiny@{loaded.info.version}"
    assert (loaded.info.licence, loaded.sampling) == ("MIT", SAMPLING)


def test_the_manifest_names_the_backbone(saved, damaged):
    """Strips hold the whole, whatever the backbone; an unknown one is an error, and without one it is MobileNetV2."""
    _, model, _ = saved
    features = load_small(damaged, strips=True).frame_features(CLIPS)
    np.testing.assert_allclose(
        load_small(damaged, strips=True).embed_frame_features(features),
        load_small(damaged).encode_clips(CLIPS),
        atol=1e-5,
    )
    manifest = json.loads((damaged / MANIFEST).read_text())
    assert manifest["backbone"] == model.backbone
    (damaged / MANIFEST).write_text(json.dumps({**manifest, "backbone": "other"}))
    with pytest.raises(BundleError, match="does not contain the model"):
        load_small(damaged)
    del manifest["backbone"]
    (damaged / MANIFEST).write_text(json.dumps(manifest))
    if model.backbone is Backbone.MOBILENET_V2:
        load_small(damaged)
    else:
        with pytest.raises(BundleError, match="does not contain the model"):
            load_small(damaged)


def test_batches_do_not_change_vectors(saved):
    """A text or clip gets the same vector alone and in any batch."""
    encoder = load_small(saved[0])
    texts = ["a cat", "a dog runs runs runs runs", "x"]
    np.testing.assert_allclose(
        encoder.encode_texts(texts), np.concatenate([encoder.encode_texts([text]) for text in texts]), atol=1e-5
    )
    np.testing.assert_allclose(
        encoder.encode_clips(CLIPS), np.concatenate([encoder.encode_clips([clip]) for clip in CLIPS]), atol=1e-5
    )


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
def test_one_wrong_byte(damaged, file):
    """The checksum detects it; the error names the file and a way out."""
    content = bytearray((damaged / file).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / file).write_bytes(content)
    with pytest.raises(BundleError, match=f"{file} is damaged.*install DeepGIF again"):
        load_bundle(damaged)


@pytest.mark.parametrize(
    ("file", "says"), [(MANIFEST, "There is no model"), (WEIGHTS, "incomplete"), (TOKENIZER, "incomplete")]
)
def test_a_missing_file(damaged, file, says):
    """Each missing file is named."""
    (damaged / file).unlink()
    with pytest.raises(BundleError, match=says):
        load_bundle(damaged)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda manifest: "{", "is damaged"),
        (lambda manifest: "[]", "no checksums"),
        (lambda manifest: json.dumps({**manifest, "sha256": 7}), "no checksums"),
        (lambda manifest: json.dumps({**manifest, "sha256": {}}), "missing or wrong"),
        (lambda manifest: json.dumps({**manifest, "sampling": {"frames": 1}}), "missing or wrong"),
        (lambda manifest: json.dumps({name: manifest[name] for name in ("name", "sha256")}), "missing or wrong"),
        (
            lambda manifest: json.dumps({**manifest, "sentence": {**manifest["sentence"], "hidden": 7}}),
            "does not contain",
        ),
    ],
)
def test_a_wrong_description(damaged, change, says):
    """A broken or incomplete description, or one of another model, is refused."""
    manifest = json.loads((damaged / MANIFEST).read_text())
    (damaged / MANIFEST).write_text(change(manifest))
    with pytest.raises(BundleError, match=says):
        load_bundle(damaged)


def test_names_and_paths(tmp_path, monkeypatch):
    """Shipped bundles have names; others are given by their folder."""
    assert bundle_folder("small") == BUNDLED / "small"
    assert bundle_folder(str(tmp_path)) == tmp_path
    assert bundle_folder("other") != BUNDLED / "other"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert bundle_folder("~/mine") == tmp_path / "mine"


@pytest.fixture(scope="module")
def small():
    return load_small(bundle_folder("small"))


def test_the_shipped_bundle_is_small(small):
    """At most 24 MB, with its card, and its own version in the space of its vectors."""
    assert sum(path.stat().st_size for path in (BUNDLED / "small").iterdir()) <= MAX_BUNDLE_BYTES
    card = (BUNDLED / "small" / "README.md").read_text(encoding="utf-8")
    assert read_info(BUNDLED / "small").version in card
    assert small.space.startswith("small@")


def test_the_shipped_bundle_compares_meanings(small):
    """Sentences of the same meaning are more similar than others, even with a word outside the vocabulary."""
    texts = ["a dog is running", "a puppy runs fast", "somebody reads a newspaper", "doggyish running"]
    vectors = small.text_features(texts)
    same, other, unseen = vectors[0] @ vectors[1], vectors[0] @ vectors[2], vectors[0] @ vectors[3]
    assert same > other + 0.2
    assert unseen > other + 0.1


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("a cat jumps", 1, 1), ("🐱🔥", 1, 1), ("eine Katze springt", 0, 0.4), ("кошка", 0, 0), ("…", 0, 0), ("", 0, 0)],
)
def test_vocabulary_coverage(small, text, least, most):
    """English words and emoji are covered; other languages and punctuation are not."""
    assert least <= small.vocabulary_coverage(text) <= most


@settings(max_examples=50)
@given(st.text(max_size=2000))
def test_any_text_has_a_vector(small, text):
    """Every text has a unit vector, and a coverage between 0 and 1."""
    (vector,) = small.encode_texts([text])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
    assert 0 <= small.vocabulary_coverage(text) <= 1
