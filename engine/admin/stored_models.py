"""Lists the models that have vectors, and deletes the vectors of a model that is no longer used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepgif.engine.engine import bundle_info
from deepgif.engine.errors import InvalidRequestError, ModelError, NotFoundError
from deepgif.engine.ingest.pipeline import View
from deepgif.engine.options import RedisOptions
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import embedding_space
from deepgif.models.bundles.load import bundle_folder

BATCH = 2000  # vectors per transaction, so that a running engine can write in between
_COUNT = """SELECT COUNT(*) FROM (SELECT provider, id FROM embeddings WHERE space=?
            UNION SELECT provider, id FROM embeddings WHERE space=?)"""
_DELETE = """DELETE FROM embeddings WHERE space=? AND provider=? AND id IN
           (SELECT id FROM embeddings WHERE space=? AND provider=? LIMIT ?)"""


async def stored_models(database: Database) -> dict[str, int]:
    """How many GIFs have embedded pixels, by model, version and frame sampling (``small@1a2b3c4d/4x224``)."""
    counts = {}
    for space in sorted({clip_space_of(space) for space, _ in await _parts(database)}):
        ((count,),) = await database.read(_COUNT, (View.CLIP.of(space), View.STILL.of(space)))
        counts[space] = int(count)
    return counts


@dataclass(frozen=True, slots=True)
class DeletedVectors:
    """The models whose vectors were deleted, how many on this machine, and how many in Redis."""

    models: tuple[str, ...]
    local: int
    shared: int = 0


async def delete_model_vectors(
    data_dir: Path,
    model: str,
    in_use: Path,
    redis: RedisOptions | None = None,
    on_progress: Callable[[int], None] = lambda deleted: None,
) -> DeletedVectors:
    """Deletes all vectors of a model, in Redis first. ``model`` is the name of a bundled model, the folder of a bundle,
    or as ``stored_models`` lists it, with or without the frame sampling. Raises ``InvalidRequestError`` for the model
    in the bundle ``in_use``, ``NotFoundError`` if it has no vectors, and ``StoreError`` if Redis is down; then nothing
    is deleted on this machine."""
    names = {model, _space_of(model)}

    def wanted(space: str) -> bool:
        clip_space = clip_space_of(space)
        return not names.isdisjoint({clip_space, clip_space.rpartition("/")[0]})

    async with Database(data_dir / FILE) as database:
        if wanted(embedding_space(bundle_info(in_use))):
            raise InvalidRequestError(f"{model} is the model in use. Its embeddings are needed.")
        shared: dict[str, int] = {}
        if redis is not None:
            from deepgif.engine.cluster.spaces import delete_spaces

            shared = await delete_spaces(redis, names, wanted, on_progress)
        parts = [part for part in await _parts(database) if wanted(part[0])]
        models = {clip_space_of(space) for space in (*shared, *(space for space, _ in parts))}
        if not models:
            raise NotFoundError(f"There are no embeddings of {model}. Run deepgif info to list the stored models.")
        local = 0
        for part in parts:
            while deleted := await database.write(_DELETE, [(*part, *part, BATCH)]):
                local += deleted
                on_progress(sum(shared.values()) + local)
        return DeletedVectors(tuple(sorted(models)), local, sum(shared.values()))


async def _parts(database: Database) -> list[tuple[str, str]]:
    return await database.read("SELECT DISTINCT space, provider FROM embeddings")


def clip_space_of(space: str) -> str:
    """The clip space of the same model."""
    for view in (View.STILL, View.TEXT, View.CAPTION):
        space = space.removesuffix(view.of(""))
    return space


def _space_of(model: str) -> str:
    try:
        return embedding_space(bundle_info(bundle_folder(model)))
    except ModelError:
        return model
