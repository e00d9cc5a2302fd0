"""What is particular to Qdrant, over HTTP against its own local mode; ``test_index`` has what every index must do."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from deepgif.engine.api.problems import problem_of
from deepgif.engine.errors import IndexUnavailableError
from deepgif.engine.index import qdrant
from deepgif.engine.index.qdrant import QdrantIndex, open_client
from deepgif.engine.options import QdrantOptions
from deepgif.engine.types import GifKey, Rating
from tests.fakes.qdrant_server import qdrant_server

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")  # as it should warn


@pytest.fixture
def server():
    with qdrant_server() as state:
        yield state


@pytest.fixture
def client(server):
    with closing(open_client(QdrantOptions(server.url, api_key="secret"))) as client:
        yield client


def index_of(client, **options):
    return QdrantIndex(client, "texts", "small@1a2b:4f", 8, replace(QdrantOptions(""), **options))


def unit(rng, count):
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def keys_of(names):
    return [GifKey("p", str(name)) for name in names]


def asked(server, method, ending):
    return [body for how, path, body in server.seen if how == method and path.endswith(ending)]


@pytest.mark.parametrize(
    ("options", "shards", "quantization"),
    [
        ({"quantization": "none"}, None, None),
        ({"shards": 6, "replicas": 2}, 6, {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}}),
        ({"quantization": "binary"}, None, {"binary": {"always_ram": True}}),
    ],
)
def test_how_a_collection_is_made(server, client, options, shards, quantization):
    """Shards, copies and quantization are those of the settings; the name says kind and space; the key goes along."""
    index_of(client, **options)
    ((path, body),) = [(path, body) for how, path, body in server.seen if how == "PUT" and "/index" not in path]
    assert path == "/collections/deepgif-texts-small-1a2b-4f"
    assert (body["vectors"]["size"], body["vectors"]["distance"]) == (8, "Dot")
    assert body.get("shard_number") == shards
    assert body["replication_factor"] == options.get("replicas", 1)
    made = body.get("quantization_config")
    if made:
        made = {kind: {name: value for name, value in set_.items() if value is not None} for kind, set_ in made.items()}
    assert made == quantization
    assert {body["field_name"] for body in asked(server, "PUT", "/index")} == {"level", "provider"}
    assert server.key == "secret"


@pytest.mark.parametrize(("quantization", "compared"), [("none", None), ("scalar", True), ("binary", True)])
def test_quantized_vectors_are_compared_again(server, client, quantization, compared):
    """Where a vector is kept as fewer bits, the best are compared by the whole of it."""
    index, vectors = index_of(client, quantization=quantization), unit(np.random.default_rng(0), 3)
    index.add(keys_of(range(3)), vectors, [Rating.G] * 3)
    index.search(vectors[:1], 2, Rating.G)
    ((query,),) = [body["searches"] for body in asked(server, "POST", "/batch")]
    assert ((query.get("params") or {}).get("quantization") or {}).get("rescore") is compared


def test_what_is_kept_with_a_vector(server, client):
    """Provider, id, level of the rating, and what the vector means."""
    index_of(client).add([GifKey("giphy", "a:b")], unit(np.random.default_rng(0), 1), [Rating.PG_13])
    ((point,),) = [body["points"] for body in asked(server, "PUT", "/points")]
    assert point["payload"] == {"provider": "giphy", "id": "a:b", "level": 2, "space": "small@1a2b:4f"}


def test_replicas_share(server, client):
    """What one replica adds another finds at once, though it found nothing before; what both add is there once, and
    the second one takes the collection as it is, even if it was made in between."""
    one, vectors = index_of(client), unit(np.random.default_rng(0), 5)
    server.hides = True
    other = index_of(client)
    assert other.search(vectors[:1], 3, Rating.R)[0].count == 0
    one.add(keys_of(range(4)), vectors[:4], [Rating.G] * 4)
    (hits,) = other.search(vectors[:1], 3, Rating.R)
    assert hits.keys[0] == keys_of([0])[0]
    assert hits.count == 4
    other.add(keys_of(range(5)), vectors, [Rating.G] * 5)
    assert len(other) == 5
    assert len(index_of(client)) == 5


def test_mean_and_spread_of_many_are_estimated(server, client, monkeypatch):
    """Beyond the sample's size mean and spread come from a sample, within what chance allows (four standard errors), of
    what is allowed only, and it is kept for a while; up to that size they are exact."""
    monkeypatch.setattr(qdrant, "SAMPLED", 400)
    rng = np.random.default_rng(0)
    index, vectors = index_of(client), unit(rng, 3000) + np.float32(0.2)
    ratings = [Rating.G if place % 3 else Rating.R for place in range(3000)]
    vectors[::3] += 1.0  # what is not allowed would be seen in the mean
    index.add(keys_of(range(3000)), vectors, ratings)
    queries = unit(rng, 20)
    for _ in range(2):
        for query, hits in zip(queries, index.search(queries, 3, Rating.PG), strict=True):
            scores = vectors[[place for place in range(3000) if place % 3]] @ query
            assert hits.count == 2000
            assert abs(hits.mean - scores.mean()) < 4 / 400**0.5 * scores.std()
            assert abs(hits.std - scores.std()) < 4 / 800**0.5 * scores.std()
    assert len(asked(server, "POST", "/query")) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_server_that_refuses(server, client, status):
    """Each call ends with one sentence, which the service answers with 503."""
    index, vectors = index_of(client), unit(np.random.default_rng(0), 1)
    server.fails = status
    for call in (
        lambda: index.add(keys_of([1]), vectors, [Rating.G]),
        lambda: index.remove(keys_of([1])),
        lambda: index.vectors(keys_of([1])),
        lambda: index.search(vectors, 1, Rating.G),
        lambda: index_of(client),
    ):
        with pytest.raises(IndexUnavailableError, match="index is not available") as caught:
            call()
        assert problem_of(caught.value).status == 503
    assert len(index) == 0


def test_a_server_that_is_not_there():
    """The same sentence as for one that refuses."""
    with (
        closing(open_client(QdrantOptions("http://127.0.0.1:1"))) as client,
        pytest.raises(IndexUnavailableError, match="index is not available"),
    ):
        index_of(client)


def test_nothing_is_asked_of_nothing(server, client):
    """No keys and no queries cost no call."""
    index = index_of(client)
    before = len(server.seen)
    index.remove([])
    assert index.vectors([]) == {}
    assert len(server.seen) == before
    assert index.search(np.zeros((0, 8), np.float32), 3, Rating.G) == []
