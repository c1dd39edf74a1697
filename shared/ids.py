"""Identifiers. Rows get UUIDv7 (RFC 9562): they sort by time. What must not be guessed is random."""

from __future__ import annotations

import secrets

import uuid_utils


def new_id() -> str:
    """A UUIDv7 as text: 36 characters, later ids sort after earlier ones."""
    return str(uuid_utils.uuid7())


def secret(nbytes: int = 32) -> str:
    """A URL-safe random text of `nbytes` bytes (default 256 bits)."""
    return secrets.token_urlsafe(nbytes)
