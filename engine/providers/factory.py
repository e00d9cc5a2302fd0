"""Opens the configured providers and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import aiohttp

from deepgif.engine.media.download import Downloader
from deepgif.engine.options import DownloadRules, ProviderOptions, ProvidersOptions
from deepgif.engine.providers import giphy, klipy
from deepgif.engine.providers.circuit_breaker import LocalCircuitBreaker
from deepgif.engine.providers.gif_store import SqliteGifStore
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.providers.quota import LocalQuota
from deepgif.engine.providers.remote import RemoteProvider
from deepgif.engine.store.database import Database

if TYPE_CHECKING:
    from deepgif.engine.cluster.cluster import Cluster

APIS: dict[str, type[giphy.GiphyApi] | type[klipy.KlipyApi]] = {"giphy": giphy.GiphyApi, "klipy": klipy.KlipyApi}
URLS = {"giphy": giphy.API, "klipy": klipy.API}
TITLES = {"giphy": "GIPHY", "klipy": "Klipy"}


@dataclass(frozen=True, slots=True)
class Providers:
    """The open providers and the downloader they share."""

    providers: tuple[RemoteProvider, ...]
    downloader: Downloader


@asynccontextmanager
async def open_providers(
    options: ProvidersOptions, database: Database, cluster: Cluster | None = None
) -> AsyncIterator[Providers]:
    """The providers, ready for calls. With a ``cluster``, its engines share metadata, quotas and circuit breakers."""
    async with AsyncExitStack() as stack:
        downloader = await stack.enter_async_context(Downloader(options.downloads or _rules(options.providers)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)
        )
        opened = []
        for chosen in options.providers:
            title, api_class = TITLES[chosen.name], APIS[chosen.name]
            quota, breaker = await open_quota(chosen, database), LocalCircuitBreaker(title)
            store = SqliteGifStore(
                database, api_class.name, api_class.attribution, days=options.keep_days, keep_urls=chosen.keep_urls
            )
            calls = JsonApi(
                session,
                title,
                quota if cluster is None else cluster.quota(quota),
                breaker if cluster is None else cluster.circuit_breaker(breaker, quota.name),
            )
            api = api_class(calls, chosen.key, chosen.url or URLS[chosen.name])
            gifs = store if cluster is None else cluster.gif_store(store, chosen.keep_urls)
            opened.append(RemoteProvider(api, gifs, downloader, pingbacks=chosen.pingbacks))
        yield Providers(tuple(opened), downloader)


async def open_quota(chosen: ProviderOptions, database: Database) -> LocalQuota:
    """The quota of a provider's key on this machine."""
    quota = LocalQuota(database, TITLES[chosen.name], chosen.key, chosen.calls_per_hour)
    await quota.open()
    return quota


def _rules(chosen: tuple[ProviderOptions, ...]) -> DownloadRules:
    hosts = reduce(frozenset.union, (APIS[one.name].media_hosts for one in chosen), frozenset[str]())
    pingbacks = frozenset({giphy.PINGBACK_HOST} if any(one.pingbacks for one in chosen) else ())
    return DownloadRules(hosts | pingbacks)
