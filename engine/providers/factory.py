"""Builds the providers that were chosen, with what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol

import aiohttp

from deepgif.engine.media.download import Downloader, DownloadRules
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
class ProviderOptions:
    """One provider: its ``name`` (giphy or klipy), the key, and what the key allows an hour (0: no limit).
    ``keep_urls`` only with the provider's approval; ``url`` is that of its API where it is another one."""

    name: str
    key: str = field(repr=False)
    calls_per_hour: int = 100
    keep_urls: bool = False
    pingbacks: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class ProvidersOptions:
    """All providers, how many days their GIFs are remembered, and where media may come from: by default the hosts that
    the providers document."""

    providers: tuple[ProviderOptions, ...] = ()
    keep_days: float = 30.0
    downloads: DownloadRules | None = None


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

    def budget(self, near: LocalQuota) -> Quota:
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
            own, alone = await open_budget(chosen, database), LocalCircuitBreaker(title)
            budget = shared.budget(own) if shared is not None else own
            breaker = shared.breaker(alone, own.name) if shared is not None else alone
            calls = JsonApi(session, title, budget, breaker)
            api = APIS[chosen.name](calls, chosen.key, chosen.url or URLS[chosen.name])
            near = SqliteGifStore(
                database, api.name, api.attribution, days=options.keep_days, keep_urls=chosen.keep_urls
            )
            remembered = shared.gifs(near, chosen.keep_urls) if shared is not None else near
            opened.append(RemoteProvider(api, remembered, downloader, pingbacks=chosen.pingbacks))
        yield Providers(tuple(opened), downloader)


async def open_budget(chosen: ProviderOptions, database: Database) -> LocalQuota:
    """What is left of a provider's calls."""
    budget = LocalQuota(database, TITLES[chosen.name], chosen.key, chosen.calls_per_hour)
    await budget.open()
    return budget


def _rules(chosen: tuple[ProviderOptions, ...]) -> DownloadRules:
    hosts = reduce(frozenset.union, (APIS[one.name].media_hosts for one in chosen), frozenset[str]())
    pingbacks = frozenset({giphy.PINGBACK_HOST} if any(one.pingbacks for one in chosen) else ())
    return DownloadRules(hosts | pingbacks)
