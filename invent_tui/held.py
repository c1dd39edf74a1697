"""Acts that wait a few seconds before they happen, so that they can be taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Held:
    """One act. `happen` does it, `undo` puts back what the screen showed before. Times are the loop's, in seconds."""

    chat_id: str
    label: str
    happen: Callable[[], None]
    undo: Callable[[], None]
    due: float = 0.0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Holding:
    """At most one act waits: a new one lets the one before it happen at once, so their order holds."""

    def __init__(self, seconds: float, changed: Callable[[], None]) -> None:
        self.seconds = seconds
        self._changed = changed
        self.act: Held | None = None

    def add(self, act: Held) -> None:
        """Let `act` happen after `seconds`, unless it is taken back."""
        self.release()
        loop = asyncio.get_running_loop()
        self.act = act
        act.due = loop.time() + self.seconds
        act.timer = loop.call_later(self.seconds, self.release)
        self._changed()

    def release(self) -> None:
        """Let the waiting act happen now."""
        act, self.act = self.act, None
        if act is not None:
            if act.timer is not None:
                act.timer.cancel()
            act.happen()
            self._changed()

    def undo(self) -> Held | None:
        """Take the waiting act back. Gives it, or None when there is none."""
        act, self.act = self.act, None
        if act is not None:
            if act.timer is not None:
                act.timer.cancel()
            act.undo()
            self._changed()
        return act

    def left(self) -> int:
        """Whole seconds until the waiting act happens, at least 1; 0 when none waits."""
        if self.act is None:
            return 0
        return max(1, round(self.act.due - asyncio.get_running_loop().time()))
