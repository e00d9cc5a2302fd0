"""Of which models vectors are kept, and how those of one that is no longer wanted are dropped."""

from __future__ import annotations

from pathlib import Path

from engine.assembly import bundle_info
from engine.embedding import View
from engine.errors import InvalidRequestError, ModelError, NotFoundError
from engine.store import FILE, Database, embedding_space
from models.bundles import bundle_folder

DROP_AT_ONCE = 2000  # vectors a transaction, so that a running engine can write in between
_COUNT = """SELECT COUNT(*) FROM (SELECT provider, id FROM embeddings WHERE space=?
            UNION SELECT provider, id FROM embeddings WHERE space=?)"""
_DROP = """DELETE FROM embeddings WHERE space=? AND provider=? AND id IN
           (SELECT id FROM embeddings WHERE space=? AND provider=? LIMIT ?)"""


async def kept_models(database: Database) -> dict[str, int]:
    """The GIFs whose pixels were embedded, by model, version and frame sampling (``small@1a2b3c4d/4x224``)."""
    kept = {}
    for space in sorted({_pictures(space) for space, _ in await _parts(database)}):
        ((count,),) = await database.read(_COUNT, (View.CLIP.of(space), View.STILL.of(space)))
        kept[space] = int(count)
    return kept


async def forget_model(data_dir: Path, model: str, in_use: Path) -> tuple[list[str], int]:
    """Drops all vectors of a model: a shipped one's name, the folder of a bundle, or as ``kept_models`` has it, with or
    without the frame sampling. What was dropped, and how many vectors. Raises ``InvalidRequestError`` for the model in
    the bundle ``in_use``, and ``NotFoundError`` where there are none."""
    async with Database(data_dir / FILE) as database:
        parts = await _parts(database)
        names = {model, _named(model)}
        kept = {_pictures(space) for space, _ in parts}
        wanted = {space for space in kept if not names.isdisjoint({space, space.rpartition("/")[0]})}
        if not wanted:
            raise NotFoundError(f"No vectors of a model {model} are kept; deepgif info lists those that are.")
        if embedding_space(bundle_info(in_use)) in wanted:
            raise InvalidRequestError(f"{model} is the model in use; its vectors are needed.")
        dropped = 0
        for part in (part for part in parts if _pictures(part[0]) in wanted):
            while some := await database.write(_DROP, [(*part, *part, DROP_AT_ONCE)]):
                dropped += some
        return sorted(wanted), dropped


async def _parts(database: Database) -> list[tuple[str, str]]:
    return await database.read("SELECT DISTINCT space, provider FROM embeddings")


def _pictures(space: str) -> str:
    """The space of clips beside this one."""
    for view in (View.STILL, View.TEXT):
        space = space.removesuffix(view.of(""))
    return space


def _named(model: str) -> str:
    try:
        return embedding_space(bundle_info(bundle_folder(model)))
    except ModelError:
        return model
