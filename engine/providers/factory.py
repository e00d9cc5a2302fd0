"""Builds the providers that were chosen, with what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import aiohttp

from deepgif.engine.media.download import Downloader
from deepgif.engine.options import DownloadRules, ProviderOptions, ProvidersOptions
from deepgif.engine.protocols import GifStore
from deepgif.engine.providers import giphy, klipy
from deepgif.engine.providers.circuit_breaker import CircuitBreaker, LocalCircuitBreaker
from deepgif.engine.providers.gif_store import SqliteGifStore
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.providers.quota import LocalQuota, Quota
from deepgif.engine.providers.remote import RemoteProvider
from deepgif.engine.store.database import Database

APIS: dict[str, type[giphy.GiphyApi] | type[klipy.KlipyApi]] = {"giphy": giphy.GiphyApi, "klipy": klipy.KlipyApi}
URLS = {"giphy": giphy.API, "klipy": klipy.API}
TITLES = {"giphy": "GIPHY", "klipy": "Klipy"}


@dataclass(frozen=True, slots=True)
class Providers:
    """The open providers and the downloader they share."""

    providers: tuple[RemoteProvider, ...]
    downloader: Downloader


class SharedByProviders(Protocol):
    """What several engines know of providers together."""

    def gifs(self, near: SqliteGifStore, keep_urls: bool) -> GifStore:
        """What is remembered of one provider's GIFs, with what others remember behind it; addresses only where they
        may be kept."""

    def quota(self, near: LocalQuota) -> Quota:
        """What is left of one key's calls for all engines together."""

    def breaker(self, near: LocalCircuitBreaker, name: str) -> CircuitBreaker:
        """Whether any engine asks the provider at present, by the ``name`` of its key's budget."""


@asynccontextmanager
async def open_providers(
    options: ProvidersOptions, database: Database, shared: SharedByProviders | None = None
) -> AsyncIterator[Providers]:
    """The providers, ready to be asked; ``shared`` is what other engines know of them."""
    async with AsyncExitStack() as stack:
        downloader = await stack.enter_async_context(Downloader(options.downloads or _rules(options.providers)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)
        )
        opened = []
        for chosen in options.providers:
            title = TITLES[chosen.name]
            own, alone = await open_quota(chosen, database), LocalCircuitBreaker(title)
            budget = shared.quota(own) if shared is not None else own
            breaker = shared.breaker(alone, own.name) if shared is not None else alone
            calls = JsonApi(session, title, budget, breaker)
            api = APIS[chosen.name](calls, chosen.key, chosen.url or URLS[chosen.name])
            near = SqliteGifStore(
                database, api.name, api.attribution, days=options.keep_days, keep_urls=chosen.keep_urls
            )
            remembered = shared.gifs(near, chosen.keep_urls) if shared is not None else near
            opened.append(RemoteProvider(api, remembered, downloader, pingbacks=chosen.pingbacks))
        yield Providers(tuple(opened), downloader)


async def open_quota(chosen: ProviderOptions, database: Database) -> LocalQuota:
    """What is left of a provider's calls."""
    budget = LocalQuota(database, TITLES[chosen.name], chosen.key, chosen.calls_per_hour)
    await budget.open()
    return budget


def _rules(chosen: tuple[ProviderOptions, ...]) -> DownloadRules:
    hosts = reduce(frozenset.union, (APIS[one.name].media_hosts for one in chosen), frozenset[str]())
    pingbacks = frozenset({giphy.PINGBACK_HOST} if any(one.pingbacks for one in chosen) else ())
    return DownloadRules(hosts | pingbacks)
