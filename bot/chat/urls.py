"""Which URLs a chat platform can load."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_LOCAL_NAMES = ("localhost", ".localhost", ".local", ".internal")


def is_publicly_reachable(url: str) -> bool:
    """Whether an HTTP URL names a host on the public internet, judging by its text alone."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return not host.endswith(_LOCAL_NAMES)
