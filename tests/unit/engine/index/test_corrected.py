"""Scores less each GIF's hubness, in every index."""

import numpy as np
import pytest

from deepgif.engine.index.auto import AutoIndex
from deepgif.engine.index.compact import CompactIndex
from deepgif.engine.index.corrected import EXTRA, CorrectedIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.types import GifKey, Rating

D = 64


def unit(rng, count):
    rows = rng.normal(size=(count, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("inner", [ExactIndex, CompactIndex, AutoIndex, lambda size: CompactIndex(size, rescored=1500)])
def test_all_of_it_is_corrected(inner):
    """Order, scores, mean and standard deviation are those of the corrected similarities of all GIFs."""
    rng = np.random.default_rng(0)
    vectors, queries, hubs = unit(rng, 2000), unit(rng, 3), unit(rng, 1)[0]

    def correction(rows):
        return np.asarray(2 * np.abs(rows @ hubs), np.float32)

    index = CorrectedIndex(inner(D + EXTRA), correction)
    keys = [GifKey("p", f"{row:04}") for row in range(len(vectors))]
    index.add(keys, vectors, [Rating.G] * len(keys))
    expected = queries @ vectors.T - correction(vectors)
    for hits, scores in zip(index.search(queries, 5, Rating.R), expected, strict=True):
        assert hits.keys[0] == keys[int(scores.argmax())]
        np.testing.assert_allclose(hits.scores, np.sort(scores)[::-1][:5], atol=2e-3)
        np.testing.assert_allclose((hits.mean, hits.std), (scores.mean(), scores.std()), atol=1e-3)
        assert hits.count == len(index) == len(keys)
    np.testing.assert_allclose(index.vectors(keys[:2])[keys[1]], vectors[1], atol=1e-3)
    index.remove(keys[:1])
    assert len(index) == len(keys) - 1
    with pytest.raises(ValueError, match="1 keys"):
        index.add(keys[:1], vectors[:2], [Rating.G])
