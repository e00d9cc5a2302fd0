"""Vectors in Qdrant (qdrant.tech): for more GIFs than one machine's memory holds, shared by all replicas.

One collection holds one kind of vectors (pictures or texts) of one space. A point's id comes from the GIF's key, so
that what several replicas add is there once; its payload is provider, id, rating level and space. Sharding,
replication and quantization are Qdrant's own, and are set when the collection is made.
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

POINTS_AT_ONCE = 512  # 2 MB of 1024 numbers each; a server takes 32 MB by default
SAMPLED = 4096  # GIFs that mean and spread are estimated from, where there are more
SAMPLED_FOR_S = 60.0
OVERSAMPLING = 4.0  # times k are compared by whole vectors, where they are quantized
TIMEOUT_S = 10
_NAMES = uuid.UUID("6f0c1f1e-6f0f-5d0c-9d51-0c2f6c2f7a11")  # any fixed one does
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Sample:
    """How many GIFs one rating allows, and vectors (S, D) of some of them, or of all."""

    count: int
    vectors: Vectors
    taken_at: float


class QdrantIndex:
    """``Index`` over one collection, made where it is missing. Methods raise ``IndexUnavailableError``.

    Mean and spread are exact up to ``SAMPLED`` allowed GIFs. Beyond, they are estimated from as many, drawn at random
    once in ``SAMPLED_FOR_S``: both are within 5 % of the spread but once in several hundred draws. What other replicas
    add is found at once, and counted after that time.
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
        """How many there were after the last change or sample; asks nobody."""
        return self._length

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs with vectors (N, D); a key that is there already gets the new vector and rating. Raises
        ``ValueError``, and adds nothing, where the shapes do not fit."""
        if vectors.shape != (len(keys), self._dimension) or len(ratings) != len(keys):
            raise ValueError(f"{len(keys)} keys and {len(ratings)} ratings do not fit vectors of shape {vectors.shape}")
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
            self._ask(lambda part=part: self._client.upsert(self._collection, part, wait=True))  # type: ignore[misc]
        self._changed()

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        ids: list[Any] = [_id_of(key) for key in keys]
        if ids:
            selector = models.PointIdsList(points=ids)
            self._ask(lambda: self._client.delete(self._collection, selector, wait=True))
            self._changed()

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that it holds."""
        by_id = {_id_of(key): key for key in keys}
        if not by_id:
            return {}
        ids: list[Any] = list(by_id)
        records = self._ask(lambda: self._client.retrieve(self._collection, ids, with_payload=False, with_vectors=True))
        return {by_id[str(record.id)]: np.asarray(record.vector, dtype=np.float32) for record in records}

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs for each of ``queries`` (Q, D), as Qdrant finds them. Equal scores are
        ordered by key, except that at the last place any of them may come."""
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
        answers = self._ask(lambda: self._client.query_batch_points(self._collection, requests))
        found = []
        for answer, own in zip(answers, scores, strict=True):
            pairs = sorted((-float(point.score), _key_of(point.payload)) for point in answer.points)[:k]
            keys, likeness = tuple(key for _, key in pairs), tuple(-score for score, _ in pairs)
            found.append(IndexHits(keys, likeness, float(own.mean()), float(own.std()), max(sample.count, len(keys))))
        return found

    def _sample(self, max_rating: Rating) -> _Sample:
        now = time.monotonic()
        with self._lock:
            known = self._samples.get(max_rating)
            if known is not None and now - known.taken_at < SAMPLED_FOR_S:
                return known
            changes = self._changes
        limit = _up_to(max_rating)
        count = self._ask(lambda: self._client.count(self._collection, limit, exact=True)).count
        drawn = models.SampleQuery(sample=models.Sample.RANDOM)
        vectors = np.zeros((0, self._dimension), np.float32)
        if count:
            answer = self._ask(
                lambda: self._client.query_points(
                    self._collection, drawn, query_filter=limit, limit=SAMPLED, with_payload=False, with_vectors=True
                )
            )
            vectors = np.array([point.vector for point in answer.points], dtype=np.float32)
        sample = _Sample(count if len(vectors) else 0, vectors, now)
        with self._lock:
            if sample.count and changes == self._changes:  # where nothing was, others may add something at any time
                self._samples[max_rating] = sample
        return sample

    def _changed(self) -> None:
        """Lets samples that held everything be taken anew; larger ones hardly change."""
        with self._lock:
            self._changes += 1
            kept = {rating: sample for rating, sample in self._samples.items() if sample.count > SAMPLED}
            self._samples = kept
        self._count_all()

    def _count_all(self) -> None:
        self._length = self._ask(lambda: self._client.count(self._collection, exact=True)).count

    def _make(self, options: QdrantOptions) -> None:
        if self._ask(lambda: self._client.collection_exists(self._collection)):
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
                if error.status_code != 409:  # another replica was faster
                    raise
            self._client.create_payload_index(self._collection, "level", models.PayloadSchemaType.INTEGER)
            self._client.create_payload_index(self._collection, "provider", models.PayloadSchemaType.KEYWORD)

        self._ask(make)

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ApiException, QdrantException) as error:  # they wrap what the HTTP library raises
            raise IndexUnavailableError("The index of known GIFs does not answer; please try again.") from error


def open_client(options: QdrantOptions) -> QdrantClient:
    """A client for the server; it connects with the first call."""
    return QdrantClient(url=options.url, api_key=options.api_key or None, timeout=TIMEOUT_S, check_compatibility=False)


def _id_of(key: GifKey) -> str:
    return str(uuid.uuid5(_NAMES, f"{key.provider}:{key.id}"))


def _key_of(payload: dict[str, Any] | None) -> GifKey:
    held = payload or {}
    return GifKey(held["provider"], held["id"])


def _up_to(max_rating: Rating) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="level", range=models.Range(lte=max_rating.level))])
