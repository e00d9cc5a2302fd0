"""What leaves the process or lies on a disk: sealed so that nobody reads it, signed so that nobody makes it up."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIGNATURE_BYTES = 12  # 96 bits: guessed in 2**95 tries, and short enough for a button
SECRET_BYTES = 32


class Cipher:
    """Seals (Fernet: AES-128-CBC with HMAC-SHA256) and signs (HMAC-SHA256, cut to 96 bits) with keys derived from one
    secret (HKDF, RFC 5869)."""

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(_derived(secret, b"deepgif seal")))
        self._key = _derived(secret, b"deepgif sign")

    def close(self, value: Any) -> str:
        """``value``, which must be JSON, as a text that only this secret opens."""
        return self._fernet.encrypt(json.dumps(value).encode()).decode()

    def open(self, text: str) -> Any:
        """What ``close`` got. Raises ``ValueError`` for anything that it did not make."""
        try:
            return json.loads(self._fernet.decrypt(text.encode()))
        except InvalidToken:
            raise ValueError("this was not sealed with the secret in use") from None

    def sign(self, name: str) -> str:
        """``name`` with its signature, for a button; ``name`` has no full stop in it."""
        mark = hmac.digest(self._key, name.encode(), sha256)[:SIGNATURE_BYTES]
        return f"{name}.{base64.urlsafe_b64encode(mark).decode()}"

    def check(self, signed: str) -> str:
        """The name in what ``sign`` made. Raises ``ValueError`` for anything else."""
        name = signed.partition(".")[0]
        if not hmac.compare_digest(self.sign(name).encode(), signed.encode("utf-8", "replace")):
            raise ValueError("the signature is wrong")
        return name


def new_name() -> str:
    """A random name (128 bits) that nobody guesses."""
    return secrets.token_urlsafe(16)


def load_or_create_secret(path: Path) -> str:
    """The secret in the file at ``path``, which is made at the first call and which only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES))
    try:
        os.link(draft, path)  # whole or not at all, and whoever is first makes it
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _derived(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
