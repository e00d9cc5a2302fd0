"""What an engine would run with: versions, model, device, and what can be found."""

from __future__ import annotations

import platform
from typing import Any

import torch

from deepgif.engine.admin.stored_models import kept_models, pictures_of
from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.engine import SHIPPED_CATALOGUE, EngineOptions, bundle_info, devices_of
from deepgif.engine.errors import StoreError
from deepgif.engine.providers.factory import open_budget
from deepgif.engine.providers.folder import LocalCatalogue
from deepgif.engine.store.database import FILE, Database, embedding_space


async def describe_engine(options: EngineOptions) -> dict[str, Any]:
    """Facts by name, without loading the model. Raises ``DeepGifError``."""
    bundle = bundle_info(options.bundle)
    devices = devices_of(options.device)
    folder = options.folder or SHIPPED_CATALOGUE
    name = "folder" if options.folder else "catalogue"
    async with Database(options.data_dir / FILE) as database:
        catalogue = LocalCatalogue(name, folder, database, options.limits)
        await catalogue.open()
        query = "SELECT COUNT(*) FROM embeddings WHERE space=? AND provider=?"
        ((embedded,),) = await database.read(query, (embedding_space(bundle), name))
        kept = await kept_models(database)
        seen = await catalogue.count()
        remote = {}
        for chosen in options.remote.providers:
            budget = await open_budget(chosen, database)
            limit = f" of {budget.per_hour}" if budget.per_hour else ""
            remote[f"{chosen.name}_calls_last_hour"] = f"{budget.used()}{limit}"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": ", ".join(_described(one) for one in devices),
        "model": bundle.space,
        "model_licence": bundle.licence,
        "frames": str(bundle.sampling),
        "folder": str(folder),
        "gifs_in_folder": seen,
        "gifs_embedded": embedded,
        "models_kept": kept,
        **await _shared(options.redis),
        **remote,
        "data": str(options.data_dir),
    }


async def _shared(redis: RedisOptions | None) -> dict[str, str]:
    """Whether Redis answers, where one is set, and of which models vectors are noted there."""
    if redis is None:
        return {}
    from deepgif.engine.cluster.spaces import spaces_in_redis

    try:
        spaces = await spaces_in_redis(redis)
    except StoreError as error:
        return {"redis": str(error)}
    if spaces is None:
        return {"redis": "does not answer"}
    models = ", ".join(sorted({pictures_of(space) for space in spaces}))
    return {"redis": "answers", "models_in_redis": models or "none"}


def _described(device: str) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
