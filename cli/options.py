"""What an engine is made of, as the settings say it. Raises ``SettingsError`` where they do not fit together."""

from __future__ import annotations

from deepgif.config.settings import Settings, SettingsError
from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.engine import EngineOptions
from deepgif.engine.index.factory import QdrantOptions
from deepgif.engine.providers.factory import ProviderOptions, ProvidersOptions
from deepgif.models.bundles.load import bundle_folder


def options_from_settings(settings: Settings) -> EngineOptions:
    """What an engine is made of."""
    return EngineOptions(
        bundle=bundle_folder(settings.model),
        data_dir=settings.data_dir,
        folder=settings.folder,
        device=settings.device,
        threads=settings.threads,
        remote=_remote_options(settings),
        good_enough=settings.good_enough,
        weights=settings.weights_dir or settings.data_dir / "weights",
        index=settings.index,
        qdrant=_qdrant_options(settings),
        redis=redis_options(settings),
    )


def _qdrant_options(settings: Settings) -> QdrantOptions | None:
    if settings.index != "qdrant":
        return None
    if not settings.qdrant_url:
        raise SettingsError("DEEPGIF_INDEX=qdrant needs DEEPGIF_QDRANT_URL, the address of a Qdrant server.")
    key, quantization = settings.qdrant_api_key.get_secret_value(), settings.qdrant_quantization
    return QdrantOptions(settings.qdrant_url, key, settings.qdrant_shards, settings.qdrant_replicas, quantization)


def redis_options(settings: Settings) -> RedisOptions | None:
    """What several engines share, where that is set."""
    url = settings.redis_url.get_secret_value()
    return RedisOptions(url, settings.redis_cluster, settings.redis_prefix) if url else None


def _remote_options(settings: Settings) -> ProvidersOptions:
    """The providers that there is a key for, in the order in which they are merged."""
    giphy, klipy = settings.giphy_api_key.get_secret_value(), settings.klipy_api_key.get_secret_value()
    calls, keep = settings.giphy_calls_per_hour, settings.giphy_keep_urls
    every = {
        "giphy": ProviderOptions("giphy", giphy, calls, keep, settings.giphy_pingbacks),
        "klipy": ProviderOptions("klipy", klipy, settings.klipy_calls_per_hour, settings.klipy_keep_urls),
    }
    chosen = tuple(options for name, options in every.items() if options.key and settings.providers in ("all", name))
    return ProvidersOptions(chosen, settings.keep_days)
