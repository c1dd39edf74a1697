"""Keeps customers from waiting for a model that is known to be down."""

from __future__ import annotations

import time
from collections.abc import Callable

from invent_server.models.errors import ModelAway, ModelError, ModelMissing

CERTAIN = (ModelAway, ModelMissing)
"""After one of these the next call need not be tried; after others, the second in a row opens."""
ENOUGH = 2
LONGEST = 60.0


class Breaker:
    """Closed: calls pass. Open: none does, until `pause` is over, then a single one; it decides what follows."""

    def __init__(self, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._opened = 0
        self._until = 0.0
        self._trial = False
        self.problem = ""
        """Why it is open, for people."""

    @property
    def closed(self) -> bool:
        return self._opened == 0

    @property
    def seconds(self) -> float:
        """Until a call may pass again."""
        return 0.0 if self.closed else max(0.0, self._until - self._clock())

    def refuse(self) -> None:
        """Raises ModelAway when no call may be made now."""
        if not self.closed and (self._trial or self.seconds > 0):
            raise ModelAway(f"the model is left alone for now: {self.problem}")

    def enter(self) -> None:
        """Before a call, which ends with `succeeded`, `failed` or `left`. Raises ModelAway."""
        self.refuse()
        self._trial = not self.closed

    def succeeded(self) -> None:
        self._failures = self._opened = 0
        self._trial = False
        self.problem = ""

    def failed(self, error: ModelError) -> None:
        """A call failed. Only errors that say that the next one would fail as well count."""
        self._trial = False
        if not error.down:
            return
        self._failures += 1
        if self._opened or self._failures >= ENOUGH or isinstance(error, CERTAIN):
            self._until = self._clock() + min(self._pause * 2**self._opened, LONGEST)
            self._opened = min(self._opened + 1, 16)
            self.problem = str(error)

    def left(self) -> None:
        """A call was given up by its caller: it says nothing about the model."""
        self._trial = False

    def rested(self) -> None:
        """The model was looked at and is there: let one call try it now."""
        self._until = 0.0
