"""Vectors in Qdrant (qdrant.tech), for more GIFs than fit into one machine's memory; shared by all replicas.

A collection holds the vectors of pictures or of texts in one space. A point's id is derived from the GIF's key, so that
replicas add each GIF once; its payload is provider, id, rating level and space. Sharding, replication and quantization
are done by Qdrant, and are set when the collection is created.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from deepgif.engine.errors import IndexUnavailableError
from deepgif.engine.options import QdrantOptions
from deepgif.engine.protocols import IndexHits, Vectors
from deepgif.engine.types import GifKey, Rating

POINTS_AT_ONCE = 512  # 2 MB at D = 1024; servers accept 32 MB by default
SAMPLED = 4096  # GIFs that mean and standard deviation are estimated from, if there are more
SAMPLED_FOR_S = 60.0
OVERSAMPLING = 4.0  # times k quantized hits are rescored with full vectors
TIMEOUT_S = 10
_NAMES = uuid.UUID("6f0c1f1e-6f0f-5d0c-9d51-0c2f6c2f7a11")  # arbitrary, but fixed
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Sample:
    """The number of GIFs that a rating allows, and vectors (S, D) of a sample of them."""

    count: int
    vectors: Vectors
    taken_at: float


class QdrantIndex:
    """``Index`` over one collection, created if it is missing. Methods raise ``IndexUnavailableError``.

    Mean and standard deviation are exact up to ``SAMPLED`` allowed GIFs. With more, they are estimated from a random
    sample of that size, renewed every ``SAMPLED_FOR_S``; the errors are below 5 % of the standard deviation in all but
    a few of 1,000 samples. GIFs that other replicas add are found at once, and counted after that time.
    """

    def __init__(self, client: QdrantClient, kind: str, space: str, dimension: int, options: QdrantOptions) -> None:
        self._client = client
        self._space = space
        self._dimension = dimension
        self._quantized = options.quantization != "none"
        self._collection = "deepgif-" + re.sub(r"[^A-Za-z0-9.]+", "-", f"{kind}-{space}")
        self._samples: dict[Rating, _Sample] = {}
        self._changes = 0
        self._lock = threading.Lock()
        self._length = 0
        self._make(options)
        self._count_all()

    def __len__(self) -> int:
        """The number of GIFs after this replica's last change; makes no request."""
        return self._length

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs with vectors (N, D), or replaces the vector and rating of those that are there. Raises
        ``ValueError``, and changes nothing, if the shapes do not match."""
        if vectors.shape != (len(keys), self._dimension) or len(ratings) != len(keys):
            raise ValueError(
                f"{len(keys)} keys and {len(ratings)} ratings do not match vectors of shape {vectors.shape}"
            )
        latest = {key: position for position, key in enumerate(keys)}  # the last of equal keys wins
        points = [
            models.PointStruct(
                id=_id_of(key),
                vector=vectors[position].tolist(),
                payload={
                    "provider": key.provider,
                    "id": key.id,
                    "level": ratings[position].level,
                    "space": self._space,
                },
            )
            for key, position in latest.items()
        ]
        for start in range(0, len(points), POINTS_AT_ONCE):
            part = points[start : start + POINTS_AT_ONCE]
            self._call(lambda part=part: self._client.upsert(self._collection, part, wait=True))  # type: ignore[misc]
        self._changed()

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        ids: list[Any] = [_id_of(key) for key in keys]
        if ids:
            selector = models.PointIdsList(points=ids)
            self._call(lambda: self._client.delete(self._collection, selector, wait=True))
            self._changed()

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that are in the index."""
        by_id = {_id_of(key): key for key in keys}
        if not by_id:
            return {}
        ids: list[Any] = list(by_id)
        records = self._call(
            lambda: self._client.retrieve(self._collection, ids, with_payload=False, with_vectors=True)
        )
        return {by_id[str(record.id)]: np.asarray(record.vector, dtype=np.float32) for record in records}

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs of each row of ``queries`` (Q, D), as Qdrant finds them. Ties are
        ordered by key, but a tie at the end is cut anywhere."""
        sample = self._sample(max_rating)
        if not sample.count or not len(queries):
            return [IndexHits((), (), 0.0, 0.0, 0)] * len(queries)
        scores = queries @ sample.vectors.T
        quantized = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        requests = [
            models.QueryRequest(
                query=query.tolist(),
                limit=max(k, 1),  # Qdrant refuses 0
                filter=_up_to(max_rating),
                params=models.SearchParams(quantization=quantized) if self._quantized else None,
                with_payload=["provider", "id"],
            )
            for query in queries
        ]
        answers = self._call(lambda: self._client.query_batch_points(self._collection, requests))
        found = []
        for answer, own in zip(answers, scores, strict=True):
            pairs = sorted((-float(point.score), _key_of(point.payload)) for point in answer.points)[:k]
            keys, similarities = tuple(key for _, key in pairs), tuple(-score for score, _ in pairs)
            found.append(
                IndexHits(keys, similarities, float(own.mean()), float(own.std()), max(sample.count, len(keys)))
            )
        return found

    def _sample(self, max_rating: Rating) -> _Sample:
        now = time.monotonic()
        with self._lock:
            cached = self._samples.get(max_rating)
            if cached is not None and now - cached.taken_at < SAMPLED_FOR_S:
                return cached
            changes = self._changes
        limit = _up_to(max_rating)
        count = self._call(lambda: self._client.count(self._collection, limit, exact=True)).count
        drawn = models.SampleQuery(sample=models.Sample.RANDOM)
        vectors = np.zeros((0, self._dimension), np.float32)
        if count:
            answer = self._call(
                lambda: self._client.query_points(
                    self._collection, drawn, query_filter=limit, limit=SAMPLED, with_payload=False, with_vectors=True
                )
            )
            vectors = np.array([point.vector for point in answer.points], dtype=np.float32)
        sample = _Sample(count if len(vectors) else 0, vectors, now)
        with self._lock:
            if sample.count and changes == self._changes:  # an empty one may be outdated at any moment
                self._samples[max_rating] = sample
        return sample

    def _changed(self) -> None:
        """Drops samples of whole collections; larger collections hardly change."""
        with self._lock:
            self._changes += 1
            kept = {rating: sample for rating, sample in self._samples.items() if sample.count > SAMPLED}
            self._samples = kept
        self._count_all()

    def _count_all(self) -> None:
        self._length = self._call(lambda: self._client.count(self._collection, exact=True)).count

    def _make(self, options: QdrantOptions) -> None:
        if self._call(lambda: self._client.collection_exists(self._collection)):
            return
        quantization: Any = None
        if options.quantization == "scalar":
            scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
            quantization = models.ScalarQuantization(scalar=scalar)
        elif options.quantization == "binary":
            quantization = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))

        def make() -> None:
            try:
                self._client.create_collection(
                    self._collection,
                    models.VectorParams(size=self._dimension, distance=models.Distance.DOT, on_disk=self._quantized),
                    shard_number=options.shards or None,
                    replication_factor=options.replicas,
                    quantization_config=quantization,
                )
            except UnexpectedResponse as error:
                if error.status_code != 409:  # another replica has just created it
                    raise
            self._client.create_payload_index(self._collection, "level", models.PayloadSchemaType.INTEGER)
            self._client.create_payload_index(self._collection, "provider", models.PayloadSchemaType.KEYWORD)

        self._call(make)

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ApiException, QdrantException) as error:  # they wrap the HTTP library's errors
            raise IndexUnavailableError("The GIF index is not available. Try again in a moment.") from error


def open_client(options: QdrantOptions) -> QdrantClient:
    """A client, which connects with the first call."""
    return QdrantClient(url=options.url, api_key=options.api_key or None, timeout=TIMEOUT_S, check_compatibility=False)


def _id_of(key: GifKey) -> str:
    return str(uuid.uuid5(_NAMES, f"{key.provider}:{key.id}"))


def _key_of(payload: dict[str, Any] | None) -> GifKey:
    held = payload or {}
    return GifKey(held["provider"], held["id"])


def _up_to(max_rating: Rating) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="level", range=models.Range(lte=max_rating.level))])
