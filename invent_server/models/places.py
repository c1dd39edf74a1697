"""How many calls a model server answers side by side, found by watching it.

Ollama tells nobody how many it takes at once (OLLAMA_NUM_PARALLEL); what is beyond waits in its own queue, where a
customer's call would stand behind any other. So one more than known is tried when a customer would wait anyway: if its
first word comes while the others still speak, the server has that place. If it does not within PATIENCE, it is taken
back into our queue. The same watch sees a server that takes fewer than it did.
"""

from __future__ import annotations

MOST = 32
"""Calls at once, whatever a server offers."""
PATIENCE = 1.5
"""Seconds until the first word of a call that has a place: prompts are read in less where several fit."""
AGAIN = 120.0
"""Seconds until a place is tried again that was not there."""


class Places:
    """The places of one model. `fixed`: as many as the setting says; 0: found by watching."""

    def __init__(self, fixed: int) -> None:
        self._fixed = fixed
        self._known = fixed or 1
        self._not_before = 0.0

    @property
    def known(self) -> int:
        return self._known

    @property
    def watched(self) -> bool:
        """Found by watching."""
        return not self._fixed

    def may_try(self, running: int, now: float) -> bool:
        """Whether one more than known may be begun."""
        return self.watched and running == self._known < MOST and now >= self._not_before

    def saw(self, served: int) -> None:
        """So many are served at the same time."""
        if self.watched:
            self._known = min(MOST, max(self._known, served))

    def missed(self, served: int, now: float) -> None:
        """A call got no word in time while so many were served: there is no place beside them."""
        self._known = max(1, served)
        self._not_before = now + AGAIN
