"""Many queries at once find what each finds alone."""

import numpy as np

from engine.index import MemoryIndex
from engine.lookup import Query, finder
from engine.types import GifKey, Rating
from tests.fakes.encoder import ColourEncoder


def test_a_batch_finds_what_each_query_finds_alone():
    """Queries with different limits and ratings in one batch keep their own answers, in their own order."""
    encoder, index = ColourEncoder(), MemoryIndex(4)
    keys = [GifKey("p", name) for name in ("red", "green", "blue")]
    index.add(keys, encoder.encode_texts(["red", "green", "blue"]), [Rating.G, Rating.G, Rating.R])
    find = finder(encoder, index)
    queries = [
        Query("blue", 1, Rating.R),
        Query("blue", 2, Rating.G),
        Query("something red", 3, Rating.R),
        Query("green", 1, Rating.PG),
    ]
    together = find(queries)
    assert [found.hits.keys[0].id for found in (together[0], *together[2:])] == ["blue", "red", "green"]
    assert GifKey("p", "blue") not in together[1].hits.keys
    assert [found.understood for found in together] == [1, 1, 0.5, 1]
    for query, found in zip(queries, together, strict=True):
        (alone,) = find([query])
        assert found.hits.keys[: query.count] == alone.hits.keys[: query.count]
        np.testing.assert_array_equal(found.vector, alone.vector)
