"""Rate limits by GCRA (the leaky bucket as a meter, ITU-T I.371): one number per key, no timers, bounded memory.

Our own 30 lines because this stands on the ingest path: the libraries measured take a lock and a timer for each hit.
"""

from __future__ import annotations

import time

from shared.settings import Rate

KEYS = 50_000


class Limiter:
    """Allows `rate.limit` hits in `rate.period` seconds for each key, in bursts up to the limit."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._step = rate.period / rate.limit if rate.limit else 0.0
        self._due: dict[str, float] = {}

    def wait(self, key: str) -> float:
        """The seconds until a hit would be allowed; counts nothing."""
        if not self._rate.limit:
            return 0.0
        now = time.monotonic()
        wait = max(self._due.get(key, now), now) + self._step - now - self._rate.period
        return wait if wait > 1e-9 else 0.0

    def hit(self, key: str) -> float:
        """Count a hit. 0.0 when it is allowed, else the seconds to wait."""
        if not self._rate.limit:
            return 0.0
        now = time.monotonic()
        due = max(self._due.get(key, now), now)
        wait = due + self._step - now - self._rate.period
        if wait > 1e-9:
            return wait
        self._due.pop(key, None)
        self._due[key] = due + self._step
        if len(self._due) > KEYS:
            del self._due[next(iter(self._due))]
        return 0.0
