"""What the double keeps of each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Entry:
    """One request, as it came. Times are of `time.monotonic`."""

    path: str
    body: dict[str, Any]
    came: float
    began: float | None = None
    """First bytes of the answer."""
    ended: float | None = None
    disconnected: bool = False
    """The client went away before the end."""
    kept: list[dict[str, Any]] = field(default_factory=list)
    """The messages that reached the model."""
    status: int = 200


ENTRY: web.RequestKey[Entry] = web.RequestKey("entry", Entry)
