"""One clock for the whole program: integer microseconds UTC, injected wherever time is read."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - always UTC; without a zone its text needs no cutting
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Clock(Protocol):
    """What a clock can do; tests inject one that stands still."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


def to_rfc3339(micros: int) -> str:
    """Microseconds UTC as RFC 3339 text, always with six decimals, so that texts sort as times do."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds") + "Z"


def from_rfc3339(text: str) -> int:
    """RFC 3339 text as microseconds UTC. Raises ValueError when it is no time or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone, such as 2026-11-22T14:00:00Z")
    return round(moment.timestamp() * SECOND)


def seconds(text: str) -> float:
    """A duration such as `1.5s`, `10m`, `2h30m`, `7d` as seconds. Raises ValueError."""
    total, end = 0.0, 0
    for match in _DURATION.finditer(text.strip()):
        if match.start() != end:
            break
        total += float(match[1]) * _UNITS[match[2]]
        end = match.end()
    if end == 0 or end != len(text.strip()):
        raise ValueError(f"{text!r} is no duration; write for example 500ms, 10s, 5m, 24h or 7d")
    return total
