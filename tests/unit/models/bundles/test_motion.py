"""The motion head, and bundles of the kind "motion"."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgif.models.bundles.load import BUNDLED, bundle_folder, load_bundle, load_motion, load_two_towers
from deepgif.models.bundles.manifest import MANIFEST, MOTION, WEIGHTS, BundleError, BundleInfo, read_info
from deepgif.models.bundles.motion import save_motion
from deepgif.models.bundles.small import load_small, save_small
from deepgif.models.networks.joint import JointModel
from deepgif.models.networks.mobilenet import FEATURES
from deepgif.models.networks.motion import FRAME_SCALE, SENTENCE_SCALE, MotionConfig, MotionHead, join
from deepgif.models.networks.sentence import SENTENCE_DIMENSION, SentenceConfig
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.small.vocabulary import learn_vocabulary

SIDE, PLACES = 64, 4  # two columns and two rows
SAMPLING = FrameSampling(3, SIDE)
WEIGHT = 0.3
CONFIG = MotionConfig(PLACES * FEATURES, SENTENCE_DIMENSION, PLACES, projection=5, hidden=7, dimension=6)
CLIPS = [np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8) for count in (3, 1, 4)]
TEXTS = ["a cat", "a ball rolls left", ""]


def fresh_head(config=CONFIG):
    """A head of random weights, large enough that motions are not tiny."""
    torch.manual_seed(0)
    head = MotionHead(config).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_((3 * parameter).half())
    return head


def save_base(folder, seed=0):
    """An untrained bundle of the kind "small", for small frames."""
    torch.manual_seed(seed)
    sizes = SentenceConfig(vocabulary=300, embedding=8, hidden=6)
    tokenizer = learn_vocabulary(["a cat runs", "a dog runs"], sizes.vocabulary)
    save_small(folder, "tiny", "MIT", SAMPLING, JointModel(sizes).eval(), tokenizer)
    return read_info(folder).space


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion") / "base"
    save_base(folder)
    return folder


@pytest.fixture(scope="module")
def below(base):
    return load_small(base)


@pytest.fixture(scope="module")
def strips(base):
    return load_small(base, strips=True)


@pytest.fixture
def saved(base, tmp_path):
    """A bundle and a copy of its base, which it names by a relative path."""
    shutil.copytree(base, tmp_path / "base")
    info = BundleInfo(MOTION, "tiny-motion", "", "MIT", SAMPLING)
    save_motion(tmp_path / "own", info, "../base", read_info(base).space, fresh_head(), WEIGHT)
    return tmp_path / "own"


def by_numpy(head, features):
    """The motion of one clip (T, A), step by step from the definition."""
    weights = {name: value.numpy() for name, value in head.state_dict().items()}
    frames = [FRAME_SCALE * frame / np.linalg.norm(frame) for frame in features]
    seen = [
        np.concatenate([weights["project.weight"] @ part for part in frame.reshape(PLACES, -1)]) for frame in frames
    ]

    def compare(first, second):
        both = np.concatenate([first, second])
        return np.maximum(0, weights["compare.weight"] @ both + weights["compare.bias"])

    steps = [weights["frame_output.weight"] @ (compare(x, y) - compare(y, x)) for x, y in pairwise(seen)]
    mean = np.mean(steps, axis=0) if steps else np.zeros(head.config.dimension)
    return mean / np.sqrt(1 + mean @ mean)


def frame_features(count, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((count, PLACES * FEATURES), np.float32))


def test_head_by_definition():
    """Motions of texts and of clips of different lengths equal those computed in numpy (1e-5)."""
    head = fresh_head()
    clips = [frame_features(count, count) for count in (2, 1, 5)]
    texts = np.random.default_rng(0).normal(size=(3, SENTENCE_DIMENSION)).astype(np.float32)
    with torch.no_grad():
        motions, said = head.clips(clips).numpy(), head.texts(torch.from_numpy(texts)).numpy()
    np.testing.assert_allclose(motions, [by_numpy(head, clip.numpy()) for clip in clips], atol=1e-5)
    assert np.linalg.norm(motions, axis=1)[[0, 2]].min() > 0.1
    weights = {name: value.numpy() for name, value in head.state_dict().items()}
    for text, motion in zip(texts, said, strict=True):
        scaled = SENTENCE_SCALE * text / np.linalg.norm(text)
        hidden = np.maximum(0, weights["read.weight"] @ scaled + weights["read.bias"])
        expected = weights["sentence_output.weight"] @ hidden + weights["sentence_output.bias"]
        np.testing.assert_allclose(motion, expected / np.sqrt(1 + expected @ expected), atol=1e-5)


HEAD = fresh_head()


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 7), seed=st.integers(0, 1000))
def test_head_is_antisymmetric(count, seed):
    """A reversed clip has the negated motion; a still clip and a single frame have none."""
    head, clip = HEAD, frame_features(count, seed)
    with torch.no_grad():
        forwards, backwards, still, single = head.clips([clip, clip.flip(0), clip[:1].expand(count, -1), clip[:1]])
    torch.testing.assert_close(forwards, -backwards, atol=1e-5, rtol=0)
    assert not still.any()
    assert not single.any()
    assert count == 1 or forwards.norm() > 0.01


def test_joined_vectors():
    """They are unit vectors whose inner product is the weighted sum of both inner products."""
    rng = np.random.default_rng(0)
    content = rng.normal(size=(2, 5, 16)).astype(np.float32)
    content /= np.linalg.norm(content, axis=2, keepdims=True)
    motion = rng.uniform(-0.4, 0.4, size=(2, 5, 3)).astype(np.float32)
    motion[0, 0] = [1, 0, 0]
    clips, texts = (join(content[side], motion[side], WEIGHT, clip=not side) for side in (0, 1))
    for vectors in (clips, texts):
        assert vectors.shape == (5, 16 + 3 + 2)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = (1 - WEIGHT) * content[1] @ content[0].T + WEIGHT * motion[1] @ motion[0].T
    np.testing.assert_allclose(texts @ clips.T, expected, atol=1e-6)


def test_texts_without_a_direction_rank_as_with_the_base():
    """If a text's motion is 0, clips rank by their content alone."""
    rng = np.random.default_rng(0)
    content = rng.normal(size=(41, 16)).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    motion = rng.uniform(-0.4, 0.4, size=(40, 3)).astype(np.float32)
    text = join(content[:1], np.zeros((1, 3), np.float32), WEIGHT, clip=False)
    scores = join(content[1:], motion, WEIGHT, clip=True) @ text[0]
    assert np.argsort(scores).tolist() == np.argsort(content[1:] @ content[0]).tolist()


def test_saving_and_loading(saved, below, strips):
    """The encoder's vectors join the base's and the head's; an empty batch gives an empty result."""
    encoder, head = load_bundle(saved), fresh_head()
    assert encoder.dimension == 1024 + CONFIG.dimension + 2
    with torch.no_grad():
        motions = head.clips([torch.from_numpy(one) for one in strips.frame_features(CLIPS)]).numpy()
        said = head.texts(torch.from_numpy(below.text_features(TEXTS))).numpy()
    clips, texts = encoder.encode_clips(CLIPS), encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(clips, join(below.encode_clips(CLIPS), motions, WEIGHT, clip=True), atol=1e-5)
    np.testing.assert_allclose(texts, join(below.encode_texts(TEXTS), said, WEIGHT, clip=False), atol=1e-5)
    for vectors in (clips, texts):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode_texts([]).shape == encoder.encode_clips([]).shape == (0, encoder.dimension)
    assert encoder.space == f"tiny-motion@{read_info(saved).version}"
    assert (encoder.info.licence, encoder.sampling) == ("MIT", SAMPLING)
    assert encoder.vocabulary_coverage("a cat") == below.vocabulary_coverage("a cat")
    assert encoder.frames_at_once == below.frames_at_once


def test_strips(below, strips):
    """The mean over columns, and over rows, is the base's feature; so the content is the base's."""
    features = strips.frame_features(CLIPS)
    assert [one.shape for one in features] == [(len(clip), PLACES * FEATURES) for clip in CLIPS]
    for one, whole in zip(features, below.frame_features(CLIPS), strict=True):
        columns, rows = np.split(one.reshape(len(one), PLACES, FEATURES), 2, axis=1)
        np.testing.assert_allclose(columns.mean(axis=1), whole, atol=1e-5)
        np.testing.assert_allclose(rows.mean(axis=1), whole, atol=1e-5)
    np.testing.assert_allclose(strips.embed_frame_features(features), below.encode_clips(CLIPS), atol=1e-5)


def test_strips_locate_changes():
    """A small object changes its own column and row most: columns from the left, rows from the top."""
    encoder = load_small(bundle_folder("small"), strips=True)
    frames = np.full((4, 224, 224, 3), 255, np.uint8)
    for frame, (x, y) in zip(frames[1:], ((16, 74), (74, 16), (160, 160)), strict=True):
        frame[y : y + 30, x : x + 30] = (220, 30, 40)
    blank, *seen = encoder.frame_features([frames])[0].reshape(4, 2, 7, FEATURES)
    changes = [np.linalg.norm(one - blank, axis=2) for one in seen]  # (2, 7): columns, rows
    assert [tuple(change.argmax(axis=1) // 2) for change in changes] == [(0, 1), (1, 0), (2, 2)]


def test_a_base_without_places(base, tmp_path):
    """A head can use whole frames, which every base provides."""
    config = MotionConfig(FEATURES, SENTENCE_DIMENSION, 1, projection=5, hidden=7, dimension=6)
    info = BundleInfo(MOTION, "whole", "", "MIT", SAMPLING)
    save_motion(tmp_path, info, str(base), read_info(base).space, fresh_head(config), WEIGHT)
    assert load_bundle(tmp_path).encode_clips(CLIPS).shape == (len(CLIPS), 1024 + 6 + 2)


def test_the_version_covers_head_and_base(saved, tmp_path):
    """Another head, base or weight is another space."""
    versions = {read_info(saved).version}
    info = read_info(saved)
    save_motion(tmp_path / "other", info, "../base", "tiny@00000000", fresh_head(), WEIGHT)
    versions.add(read_info(tmp_path / "other").version)
    other = fresh_head()
    torch.nn.init.zeros_(other.read.bias)
    save_motion(tmp_path / "third", info, "../base", load_small(tmp_path / "base").space, other, WEIGHT)
    versions.add(read_info(tmp_path / "third").version)
    save_motion(tmp_path / "fourth", info, "../base", load_small(tmp_path / "base").space, fresh_head(), WEIGHT / 2)
    versions.add(read_info(tmp_path / "fourth").version)
    assert len(versions) == 4


def test_another_base_is_refused(saved):
    """A head is useless on features that it was not trained on."""
    save_base(saved.parent / "base", seed=1)
    with pytest.raises(BundleError, match=r"was trained on tiny@.*Train it again"):
        load_bundle(saved)


def test_one_wrong_byte(saved):
    """The checksum detects it."""
    content = bytearray((saved / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (saved / WEIGHTS).write_bytes(content)
    with pytest.raises(BundleError, match=f"{WEIGHTS} is damaged"):
        load_bundle(saved)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"motion": {}}, "does not contain"),
        ({"motion": {"hidden": 3}}, "does not contain"),
        ({"weight": "much"}, "does not contain"),
        ({"base": "../nothing"}, "There is no model in"),
        ({"base_space": None}, "was trained on None"),
        ({"sampling": {"count": 3, "size": 96}}, "another frame size"),
        ({"licence": ...}, "missing or wrong"),
        ({"base_space": ...}, "missing or wrong"),
        ({"weight": ...}, "missing or wrong"),
    ],
)
def test_a_wrong_description(saved, change, says):
    """An incomplete description, or one of another model, is refused."""
    manifest = json.loads((saved / MANIFEST).read_text()) | change
    (saved / MANIFEST).write_text(json.dumps({name: value for name, value in manifest.items() if value is not ...}))
    with pytest.raises(BundleError, match=says):
        load_bundle(saved)


def test_invalid_bases(saved, tmp_path):
    """A bundle of the kind "motion" cannot be a base, and only the kind "small" has features per place."""
    with pytest.raises(BundleError, match="builds on another bundle"):
        load_two_towers(saved)
    info = read_info(saved)
    save_motion(tmp_path / "on-clip", info, "clip_vit_b_32", "clip", fresh_head(), WEIGHT)
    with pytest.raises(BundleError, match="of the kind open-clip, not small"):
        load_motion(tmp_path / "on-clip")


def test_the_shipped_bundle_is_small():
    """It adds little to its base, and its card names its version."""
    folder = bundle_folder("small_motion")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2_500_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert read_info(folder).version in card
    assert read_info(BUNDLED / "small").space in (folder / MANIFEST).read_text()
