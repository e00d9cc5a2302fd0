"""Fitted numbers in a bundle."""

import numpy as np
import pytest

from deepgif.engine.errors import ModelError
from deepgif.engine.search.ranking_model import BANK, RANKING, UNFITTED, QueryBank, load_ranking, save_ranking
from deepgif.models.bundles.load import bundle_folder
from deepgif.models.bundles.manifest import read_info


def bank():
    return QueryBank(np.eye(3, 4, dtype=np.float32), mean_hubness=0.25)


def test_there_and_back(tmp_path):
    """What was saved for a model is loaded for that version of it, and for no other."""
    save_ranking(tmp_path, "m@1", UNFITTED, bank())
    model, loaded = load_ranking(tmp_path, "m@1")
    assert model == UNFITTED
    np.testing.assert_array_equal(loaded.vectors, bank().vectors)
    assert loaded.mean_hubness == 0.25
    assert len(load_ranking(tmp_path, "m@2")[1].vectors) == 0
    assert load_ranking(tmp_path / "nothing", "m@1")[0] == UNFITTED


@pytest.mark.parametrize("name", [RANKING, BANK])
def test_damage(tmp_path, name):
    """One sentence that says which file and what to do."""
    save_ranking(tmp_path, "m@1", UNFITTED, bank())
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ModelError, match="Install the model again"):
        load_ranking(tmp_path, "m@1")


def test_hubness():
    """The mean similarity to the nearest queries, less that of the average GIF; 0 without a bank."""
    gifs = np.array([[1, 0, 0, 0], [0, 0, 0, 1]], np.float32)
    np.testing.assert_allclose(bank().hubness(gifs), [1 / 3 - 0.25, -0.25], atol=1e-6)
    np.testing.assert_array_equal(QueryBank(np.zeros((0, 1), np.float32), 0.0).hubness(gifs), [0, 0])
    assert bank().hubness(gifs[:0]).shape == (0,)


def test_the_shipped_model_is_fitted():
    """The shipped numbers belong to the shipped version."""
    folder = bundle_folder("small")
    info = read_info(folder)
    model, shipped = load_ranking(folder, f"{info.name}@{info.version}")
    assert model != UNFITTED
    assert model.weights.visual > 0 < model.weights.text
    assert len(shipped.vectors) == 512
