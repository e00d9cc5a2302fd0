"""Of which models vectors are kept, and how those of one that is no longer wanted are dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.engine import bundle_info
from deepgif.engine.errors import InvalidRequestError, ModelError, NotFoundError
from deepgif.engine.ingest.candidates import View
from deepgif.engine.store.database import FILE, Database, embedding_space
from deepgif.models.bundles.load import bundle_folder

DROP_AT_ONCE = 2000  # vectors a transaction, so that a running engine can write in between
_COUNT = """SELECT COUNT(*) FROM (SELECT provider, id FROM embeddings WHERE space=?
            UNION SELECT provider, id FROM embeddings WHERE space=?)"""
_DROP = """DELETE FROM embeddings WHERE space=? AND provider=? AND id IN
           (SELECT id FROM embeddings WHERE space=? AND provider=? LIMIT ?)"""


async def kept_models(database: Database) -> dict[str, int]:
    """The GIFs whose pixels were embedded, by model, version and frame sampling (``small@1a2b3c4d/4x224``)."""
    kept = {}
    for space in sorted({pictures_of(space) for space, _ in await _parts(database)}):
        ((count,),) = await database.read(_COUNT, (View.CLIP.of(space), View.STILL.of(space)))
        kept[space] = int(count)
    return kept


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was dropped: of which models, how many vectors on this machine, and how many in Redis."""

    models: tuple[str, ...]
    here: int
    shared: int = 0


async def delete_model_vectors(
    data_dir: Path,
    model: str,
    in_use: Path,
    redis: RedisOptions | None = None,
    on_progress: Callable[[int], None] = lambda dropped: None,
) -> Forgotten:
    """Drops all vectors of a model, in Redis first where several engines share them. ``model`` is a shipped one's name,
    the folder of a bundle, or as ``kept_models`` has it, with or without the frame sampling. Raises
    ``InvalidRequestError`` for the model in the bundle ``in_use``, ``NotFoundError`` where there are none, and
    ``StoreError`` where Redis does not answer; nothing is dropped on this machine then."""
    names = {model, _named(model)}

    def wanted(space: str) -> bool:
        pictures = pictures_of(space)
        return not names.isdisjoint({pictures, pictures.rpartition("/")[0]})

    async with Database(data_dir / FILE) as database:
        if wanted(embedding_space(bundle_info(in_use))):
            raise InvalidRequestError(f"{model} is the model in use; its vectors are needed.")
        shared: dict[str, int] = {}
        if redis is not None:
            from deepgif.engine.cluster.spaces import drop_spaces

            shared = await drop_spaces(redis, names, wanted, on_progress)
        parts = [part for part in await _parts(database) if wanted(part[0])]
        models = {pictures_of(space) for space in (*shared, *(space for space, _ in parts))}
        if not models:
            raise NotFoundError(f"No vectors of a model {model} are kept; deepgif info lists those that are.")
        here = 0
        for part in parts:
            while some := await database.write(_DROP, [(*part, *part, DROP_AT_ONCE)]):
                here += some
                on_progress(sum(shared.values()) + here)
        return Forgotten(tuple(sorted(models)), here, sum(shared.values()))


async def _parts(database: Database) -> list[tuple[str, str]]:
    return await database.read("SELECT DISTINCT space, provider FROM embeddings")


def pictures_of(space: str) -> str:
    """The space of clips beside this one."""
    for view in (View.STILL, View.TEXT):
        space = space.removesuffix(view.of(""))
    return space


def _named(model: str) -> str:
    try:
        return embedding_space(bundle_info(bundle_folder(model)))
    except ModelError:
        return model
