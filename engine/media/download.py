"""Downloads files from a provider's media hosts, and from nowhere else.

URLs come from outside. Only listed hosts are allowed, over https; redirects are checked like the first URL; and
non-public IP addresses are refused when the connection is made, after the name was resolved.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from deepgif.engine.errors import MediaError
from deepgif.engine.options import DownloadRules

CHUNK_BYTES = 64 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {"https": 443, "http": 80}


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only (globally reachable ones, RFC 6890)."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of ``host``. Raises ``OSError`` if there are none."""
        public = [found for found in await self._inner.resolve(host, port, family) if is_global_address(found["host"])]
        if not public:
            raise OSError(None, "the host has no public address")
        return public

    async def close(self) -> None:
        """Closes the inner resolver."""
        await self._inner.close()


class Downloader:
    """Downloads files under ``rules``. An async context manager."""

    def __init__(self, rules: DownloadRules) -> None:
        self._rules = rules
        self._slots = asyncio.Semaphore(rules.at_once)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        inner = aiohttp.ThreadedResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._rules.at_once, resolver=inner if self._rules.private else PublicResolver(inner)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, max_bytes: int | None = None) -> bytes:
        """The bytes at ``url``, at most ``max_bytes`` (default: the rules' limit). Cancelling closes the connection.
        Raises ``MediaError``, whose message does not contain the URL."""
        most = self._rules.max_bytes if max_bytes is None else min(max_bytes, self._rules.max_bytes)
        try:
            async with self._slots, asyncio.timeout(self._rules.timeout_s):
                return await self._follow(url, most)
        except TimeoutError as error:
            raise MediaError(f"The download took longer than {self._rules.timeout_s:g} seconds.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MediaError("The download failed.") from error

    async def _follow(self, url: str, most: int) -> bytes:
        if self._session is None:
            raise RuntimeError("the downloader is not open")
        for _ in range(self._rules.max_redirects + 1):
            self._check(url)
            async with self._session.get(url, allow_redirects=False, timeout=aiohttp.ClientTimeout()) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status != 200:
                    raise MediaError(f"The download failed with status {response.status}.")
                return await self._read(response, most)
        raise MediaError("The download had too many redirects.")

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        if (response.content_length or 0) > most:
            raise MediaError(f"The file has {response.content_length:,} bytes; the limit is {most:,}.")
        data = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            data += chunk
            if len(data) > most:
                raise MediaError(f"The file has more than {most:,} bytes.")
        if not data:
            raise MediaError("The file is empty.")
        return bytes(data)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.scheme not in self._rules.schemes or host not in self._rules.hosts:
            raise MediaError("Downloads from this host are not allowed.")
        if parts.username is not None or parts.password is not None:
            raise MediaError("The file's URL contains a user name.")
        if not self._rules.private and (parts.port or _PORTS[parts.scheme]) != _PORTS[parts.scheme]:
            raise MediaError("The file's URL contains a port.")
        if not self._rules.private and _is_address(host) and not is_global_address(host):
            raise MediaError("Downloads from this host are not allowed.")


def is_global_address(address: str) -> bool:
    """Whether an IP address, or the IPv4 address embedded in it, is globally reachable."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    found = mapped or found
    return found.is_global and not found.is_multicast


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
