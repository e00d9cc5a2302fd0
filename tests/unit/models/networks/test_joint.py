"""The joint space against numpy."""

import numpy as np
import pytest
import torch

from deepgif.models.networks.joint import JOINT_DIMENSION, JointModel
from deepgif.models.networks.sentence import SentenceConfig

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return JointModel(SentenceConfig(vocabulary=20, embedding=4, hidden=3)).eval()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_clips_are_the_mapped_mean_of_unit_features(model):
    """map_features normalises each frame, averages a clip's frames, maps and normalises; within 1e-5 of numpy."""
    features = np.random.default_rng(0).normal(size=(5, 1280)).astype(np.float32)
    with torch.no_grad():
        vectors = model.map_features(torch.from_numpy(features), torch.tensor([2, 3])).numpy()
    weight, bias = model.frame_map.weight.detach().numpy(), model.frame_map.bias.detach().numpy()
    means = np.stack([unit(features[:2]).mean(0), unit(features[2:]).mean(0)])
    np.testing.assert_allclose(vectors, unit(unit(means) @ weight.T + bias), atol=TOLERANCE)


def test_both_sides_land_on_one_unit_sphere(model):
    """Frames and words become unit vectors of 1024 dimensions."""
    frames = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        clips = model.map_features(model.frames(frames), torch.tensor([1, 2]))
        texts = model.embed_texts(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]))
    assert clips.shape == (2, JOINT_DIMENSION)
    assert texts.shape == (2, JOINT_DIMENSION)
    torch.testing.assert_close(torch.cat([clips, texts]).norm(dim=1), torch.ones(4))
