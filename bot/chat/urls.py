"""Which addresses others can fetch."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_NAMES_OF_HERE = ("localhost", ".localhost", ".local", ".internal")


def is_publicly_reachable(url: str) -> bool:
    """Whether an HTTP address leads, as far as its text says, to a host that a platform outside can reach."""
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
        return not host.endswith(_NAMES_OF_HERE)
