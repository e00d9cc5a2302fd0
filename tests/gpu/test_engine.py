"""On a GPU: a whole engine, and its index."""

import numpy as np
import pytest
import torch

from deepgif.engine.engine import SHIPPED_CATALOGUE, open_engine
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.types import GifKey, Rating, SearchRequest
from deepgif.models.bundles.load import bundle_folder

WORDS = ["happy birthday", "a dog runs", "mind blown", "rain"]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


async def answers(folder, device):
    options = EngineOptions(bundle_folder("small"), folder, device=device)
    async with open_engine(options, Metrics()) as engine:
        report = await engine.ingestion.index()
        assert report.embedded == len(list((SHIPPED_CATALOGUE / "gifs").iterdir()))
        found = [await engine.search.search(SearchRequest(words, 5)) for words in WORDS]
        return [[(result.gif.key, result.confidence) for result in answer.results] for answer in found]


async def test_an_engine_answers_as_on_the_cpu(tmp_path):
    """Every shipped GIF embedded there; the same GIF first, judged nearly alike."""
    own, other = [await answers(tmp_path / device, device) for device in ("cpu", "cuda")]
    for mine, theirs in zip(own, other, strict=True):
        assert mine[0][0] == theirs[0][0]
        assert mine[0][1] == pytest.approx(theirs[0][1], abs=0.05)


def test_the_index_finds_the_same():
    """As on the CPU: nearest first, by rating, with mean and spread; after changes too."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = [GifKey("folder", str(number)) for number in range(5000)]
    ratings = [list(Rating)[number % len(Rating)] for number in range(5000)]
    own, other = ExactIndex(256), ExactIndex(256, "cuda:0")
    for index in (own, other):
        index.add(keys, vectors, ratings)
        index.remove(keys[10:2000:3])
        index.add(keys[:100], vectors[100:200], ratings[:100])
    assert len(own) == len(other)
    for rating in Rating:
        for mine, theirs in zip(
            own.search(vectors[:70], 20, rating), other.search(vectors[:70], 20, rating), strict=True
        ):
            assert mine.keys == theirs.keys
            np.testing.assert_allclose(mine.scores, theirs.scores, atol=1e-5)
            assert (mine.mean, mine.std, mine.count) == pytest.approx((theirs.mean, theirs.std, theirs.count), abs=1e-5)
    found = other.vectors(keys[:3])
    np.testing.assert_allclose(np.stack(list(found.values())), vectors[100:103])
