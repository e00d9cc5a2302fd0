"""Which index the settings choose."""

import sys

import pytest

from deepgif.cli.options import options_from_settings
from deepgif.config.settings import SettingsError, load_settings
from deepgif.engine.errors import IndexUnavailableError
from deepgif.engine.index.auto import AutoIndex
from deepgif.engine.index.compact import CompactIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.index.factory import open_indexes
from deepgif.engine.index.qdrant import QdrantIndex
from deepgif.engine.options import QdrantOptions
from tests.fakes.qdrant_server import qdrant_server


@pytest.mark.parametrize(
    ("kind", "device", "made"),
    [
        ("auto", "cpu", AutoIndex),
        ("auto", "meta", ExactIndex),
        ("exact", "cpu", ExactIndex),
        ("compact", "cpu", CompactIndex),
        ("compact", "meta", CompactIndex),
    ],
)
def test_in_memory(kind, device, made):
    """Where nothing is chosen a GPU compares in full."""
    with open_indexes(kind, 8, device, "s") as indexes:
        assert [type(index) for index in indexes] == [made] * 3
        assert len({id(index) for index in indexes}) == 3


def test_on_qdrant():
    """Pictures, texts and captions have collections of their own."""
    with qdrant_server() as server, open_indexes("qdrant", 8, "cpu", "s", QdrantOptions(server.url)) as indexes:
        assert [type(index) for index in indexes] == [QdrantIndex] * 3
        assert server.local.collection_exists("deepgif-pictures-s")
        assert server.local.collection_exists("deepgif-texts-s")
        assert server.local.collection_exists("deepgif-captions-s")


def test_without_qdrants_client(monkeypatch):
    """Who has not installed it is told what to install."""
    monkeypatch.delitem(sys.modules, "deepgif.engine.index.qdrant")
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with (
        pytest.raises(IndexUnavailableError, match=r"pip install 'deepgif\[qdrant\]'"),
        open_indexes("qdrant", 8, "cpu", "s", QdrantOptions("http://127.0.0.1:1")),
    ):
        pass


def test_from_the_settings(monkeypatch, tmp_path):
    """Qdrant needs an address, which is said; with one, all that is set goes along."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPGIF_QDRANT_URL", raising=False)
    assert options_from_settings(load_settings()).index == "auto"
    assert options_from_settings(load_settings()).qdrant is None
    with pytest.raises(SettingsError, match="DEEPGIF_QDRANT_URL"):
        options_from_settings(load_settings(index="qdrant"))
    settings = load_settings(
        index="qdrant", qdrant_url="http://q:1", qdrant_api_key="k", qdrant_shards=3, qdrant_quantization="binary"
    )
    assert options_from_settings(settings).qdrant == QdrantOptions("http://q:1", "k", 3, 1, "binary")


def test_the_key_is_not_shown():
    """Options that get into a log or a traceback do not take the key along."""
    assert "secret" not in repr(QdrantOptions("http://q:1", "secret"))
