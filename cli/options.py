"""Turns settings into the engine's options. Raises ``SettingsError`` if they contradict each other."""

from __future__ import annotations

from deepgif.config.settings import Settings, SettingsError
from deepgif.engine.options import EngineOptions, ProviderOptions, ProvidersOptions, QdrantOptions, RedisOptions
from deepgif.models.bundles.load import bundle_folder


def options_from_settings(settings: Settings) -> EngineOptions:
    """All options of the engine."""
    return EngineOptions(
        bundle=bundle_folder(settings.model),
        data_dir=settings.data_dir,
        folder=settings.folder,
        device=settings.device,
        threads=settings.threads,
        providers=_remote_options(settings),
        min_confidence=settings.local_answer_min_confidence,
        weights=settings.weights_dir or settings.data_dir / "weights",
        index=settings.index,
        qdrant=_qdrant_options(settings),
        redis=redis_options(settings),
        ocr=settings.ocr,
    )


def _qdrant_options(settings: Settings) -> QdrantOptions | None:
    if settings.index != "qdrant":
        return None
    if not settings.qdrant_url:
        raise SettingsError("DEEPGIF_INDEX=qdrant needs DEEPGIF_QDRANT_URL, the URL of a Qdrant server.")
    key, quantization = settings.qdrant_api_key.get_secret_value(), settings.qdrant_quantization
    return QdrantOptions(settings.qdrant_url, key, settings.qdrant_shards, settings.qdrant_replicas, quantization)


def redis_options(settings: Settings) -> RedisOptions | None:
    """The Redis that engines share, or None."""
    url = settings.redis_url.get_secret_value()
    return RedisOptions(url, settings.redis_cluster, settings.redis_prefix) if url else None


def _remote_options(settings: Settings) -> ProvidersOptions:
    """The providers that have a key, in the order in which they are merged."""
    giphy, klipy = settings.giphy_api_key.get_secret_value(), settings.klipy_api_key.get_secret_value()
    calls, keep = settings.giphy_calls_per_hour, settings.giphy_cache_urls
    every = {
        "giphy": ProviderOptions("giphy", giphy, calls, keep, settings.giphy_pingbacks),
        "klipy": ProviderOptions("klipy", klipy, settings.klipy_calls_per_hour, settings.klipy_cache_urls),
    }
    chosen = tuple(options for name, options in every.items() if options.key and settings.providers in ("all", name))
    return ProvidersOptions(chosen, settings.provider_cache_ttl_days)
