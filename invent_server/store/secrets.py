"""Secrets at rest. Channel secrets are encrypted (Fernet); the key stands outside the database.

`INVENT_SECRET_KEY` (several, separated by commas: the first encrypts, all decrypt) or `DATA_DIR/secret.key` (0600).
Any text of 16 characters or more serves as a key: 32 bytes are derived from it (HKDF-SHA256, RFC 5869).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from invent_server.store.errors import StoreError
from shared.ids import secret

_MARK = "enc:"
MIN_KEY = 16


class Secrets:
    """Encrypts, decrypts, signs. `keys`: the first is the current one."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, b"invent at rest"))) for key in keys])
        self._signing = [_derive(key, b"invent visitor tokens") for key in keys]

    def hide(self, settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """`settings` with the values of `names` encrypted."""
        return {
            key: _MARK + self._fernet.encrypt(str(value).encode()).decode() if key in names and value else value
            for key, value in settings.items()
        }

    def reveal(self, settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """`settings` in clear. Raises StoreError when the key does not fit."""
        return {
            key: self._open(key, value[len(_MARK) :])
            if key in names and isinstance(value, str) and value.startswith(_MARK)
            else value
            for key, value in settings.items()
        }

    def _open(self, name: str, value: str) -> str:
        try:
            return self._fernet.decrypt(value.encode()).decode()
        except InvalidToken:
            raise StoreError(
                f"the channel setting {name} was encrypted with another key; put the former key into"
                " INVENT_SECRET_KEY (comma list) or set the value anew"
            ) from None

    def sign(self, data: bytes) -> str:
        """A signature of `data` for tokens of visitors (HMAC-SHA256, base64url)."""
        return _encode(hmac.digest(self._signing[0], data, "sha256"))

    def signed(self, data: bytes, signature: str) -> bool:
        """True if one of our keys made `signature`."""
        given = signature.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(_encode(hmac.digest(key, data, "sha256")).encode(), given) for key in self._signing
        )


def load_secrets(data_dir: Path) -> Secrets:
    """The secrets of this server; makes `secret.key` at first use. Raises StoreError."""
    if given := os.environ.get("INVENT_SECRET_KEY"):
        keys = [key.strip() for key in given.split(",") if key.strip()]
        if not keys or any(len(key) < MIN_KEY for key in keys):
            raise StoreError(f"INVENT_SECRET_KEY: each key needs {MIN_KEY} characters or more")
        return Secrets(keys)
    path = data_dir / "secret.key"
    if not path.exists():
        write_private(path, secret())
    key = path.read_text("utf-8").strip()
    if len(key) < MIN_KEY:
        raise StoreError(f"{path} is damaged; restore it, or delete it and set the channels' secrets anew")
    return Secrets([key])


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read (0600), from its first byte on."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def token_hash(token: str) -> str:
    """What is stored of an agent's token. It has 256 random bits, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()


def _derive(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
