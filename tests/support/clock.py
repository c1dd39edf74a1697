"""A clock that stands still until a test moves it."""

from __future__ import annotations

from shared.clock import SECOND


class ManualClock:
    """Begins at a fixed moment in 2026."""

    def __init__(self) -> None:
        self.micros = 1_790_000_000 * SECOND

    def now(self) -> int:
        return self.micros

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.micros += round(seconds * SECOND)
