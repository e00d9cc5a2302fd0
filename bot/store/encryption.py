"""Encrypts what a bot stores, and signs what it hands out."""

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

SIGNATURE_BYTES = 12  # 96 bits: too many to guess, and short enough for a button
SECRET_BYTES = 32


class Cipher:
    """Encrypts (Fernet: AES-128-CBC with HMAC-SHA256) and signs (HMAC-SHA256, truncated to 96 bits) with keys derived
    from one secret (HKDF, RFC 5869)."""

    def __init__(self, secret: str) -> None:
        # Changing a purpose changes the key: nothing stored before could be read.
        self._fernet = Fernet(base64.urlsafe_b64encode(_derive(secret, b"deepgif seal")))
        self._signing_key = _derive(secret, b"deepgif sign")

    def encrypt(self, value: Any) -> str:
        """``value``, which must be JSON, as text that only the same secret decrypts."""
        return self._fernet.encrypt(json.dumps(value).encode()).decode()

    def decrypt(self, text: str) -> Any:
        """The value that ``encrypt`` was given. Raises ``ValueError`` if the text is not its result."""
        try:
            return json.loads(self._fernet.decrypt(text.encode()))
        except InvalidToken:
            raise ValueError("not encrypted with this secret") from None

    def sign(self, name: str) -> str:
        """``name``, which contains no full stop, followed by its signature."""
        signature = hmac.digest(self._signing_key, name.encode(), sha256)[:SIGNATURE_BYTES]
        return f"{name}.{base64.urlsafe_b64encode(signature).decode()}"

    def verify(self, signed: str) -> str:
        """The name that ``sign`` was given. Raises ``ValueError`` if the signature is wrong."""
        name = signed.partition(".")[0]
        if not hmac.compare_digest(self.sign(name).encode(), signed.encode("utf-8", "replace")):
            raise ValueError("the signature is wrong")
        return name


def new_id() -> str:
    """A random ID (128 bits)."""
    return secrets.token_urlsafe(16)


def load_or_create_secret(path: Path) -> str:
    """The secret in the file at ``path``. The first call creates it, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES))
    try:
        os.link(draft, path)  # atomic: of several processes the first one wins, and all read a complete file
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
