"""What ``deepgif info`` shows: versions, model, device, and what is stored."""

from __future__ import annotations

import platform
from typing import Any

import torch

from deepgif.engine.admin.stored_models import clip_space_of, stored_models
from deepgif.engine.engine import SHIPPED_CATALOGUE, bundle_info, devices_of
from deepgif.engine.errors import StoreError
from deepgif.engine.options import EngineOptions, RedisOptions
from deepgif.engine.providers.factory import open_quota
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import embedding_space


async def describe_engine(options: EngineOptions) -> dict[str, Any]:
    """Describes an engine without loading its model. Raises ``DeepGifError``."""
    bundle = bundle_info(options.bundle)
    devices = devices_of(options.device)
    folder = options.folder or SHIPPED_CATALOGUE
    name = "folder" if options.folder else "catalogue"
    async with Database(options.data_dir / FILE) as database:
        catalogue = FolderCatalogue(name, folder, database, options.limits)
        await catalogue.open()
        query = "SELECT COUNT(*) FROM embeddings WHERE space=? AND provider=?"
        ((embedded,),) = await database.read(query, (embedding_space(bundle), name))
        models = await stored_models(database)
        gifs = await catalogue.count()
        calls = {}
        for chosen in options.providers.providers:
            quota = await open_quota(chosen, database)
            limit = f" of {quota.per_hour}" if quota.per_hour else ""
            calls[f"{chosen.name}_calls_last_hour"] = f"{quota.used()}{limit}"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": ", ".join(_describe_device(one) for one in devices),
        "model": bundle.space,
        "model_licence": bundle.licence,
        "frames": str(bundle.sampling),
        "folder": str(folder),
        "gifs_in_folder": gifs,
        "gifs_embedded": embedded,
        "models_kept": models,
        **await _redis_info(options.redis),
        **calls,
        "data": str(options.data_dir),
    }


async def _redis_info(redis: RedisOptions | None) -> dict[str, str]:
    """Whether Redis is up, if one is configured, and the models that have vectors there."""
    if redis is None:
        return {}
    from deepgif.engine.cluster.spaces import spaces_in_redis

    try:
        spaces = await spaces_in_redis(redis)
    except StoreError as error:
        return {"redis": str(error)}
    if spaces is None:
        return {"redis": "down"}
    models = ", ".join(sorted({clip_space_of(space) for space in spaces}))
    return {"redis": "up", "models_in_redis": models or "none"}


def _describe_device(device: str) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
