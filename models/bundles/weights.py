"""Published weights, downloaded on first use into one folder.

An interrupted download is resumed; the file appears under its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
CHUNK = 1024 * 1024
TIMEOUT_S = 30.0
TRIES = 3


class WeightsError(Exception):
    """A published file is missing and cannot be downloaded; the message says what to download and where to put it."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A published file: its path in the folder, its URL, and the start of its SHA-256 (empty if none is published)."""

    path: str
    url: str
    sha256: str = ""


VGG16 = RemoteFile("vgg16-397923af.pth", "https://download.pytorch.org/models/vgg16-397923af.pth", "397923af")
SKIP_THOUGHTS = "skip-thoughts"
SKIP_THOUGHTS_URL = "http://www.cs.toronto.edu/~rkiros/models"


def fetch(file: RemoteFile, folder: Path) -> Path:
    """The path of the file in ``folder``; downloads it if it is missing. Blocks. Raises ``WeightsError``."""
    path = folder / file.path
    if path.is_file():
        return path
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for tries_left in reversed(range(TRIES)):
            try:
                _download(file.url, part)
                break
            except (http.client.HTTPException, OSError) as error:
                refused = isinstance(error, urllib.error.HTTPError)
                if refused or not tries_left or not part.exists():
                    raise
    except (http.client.HTTPException, OSError) as error:
        raise WeightsError(
            f"{path.name} is missing and cannot be downloaded ({error}). Download {file.url} to {path}."
        ) from error
    if not _sum_of(part).startswith(file.sha256):
        part.unlink()
        raise WeightsError(f"The download of {file.url} is damaged (its checksum is wrong). Try again.")
    part.replace(path)
    return path


def _download(url: str, part: Path) -> None:
    """Appends the missing bytes to ``part``."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - our own
    try:
        # A new opener: the shared one keeps the proxies of its first use.
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # it is complete
        raise
    with response, part.open("ab" if response.status == http.client.PARTIAL_CONTENT else "wb") as out:
        total = out.tell() + int(response.headers.get("Content-Length") or 0)
        logged = -1
        while chunk := response.read(CHUNK):
            out.write(chunk)
            percent = 100 * out.tell() // total if total else 0
            if percent // 10 > logged:
                logged = percent // 10
                _log.info("%s: %d of %d MB", part.stem, out.tell() // CHUNK, total // CHUNK)
        if total and out.tell() < total:
            raise http.client.IncompleteRead(b"", total - out.tell())


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
