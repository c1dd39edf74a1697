"""Who goes first in this process: searches do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_PATIENCE = 0.05
"""Seconds that a slice waits for searches to end: under endless searches writing still goes on."""


class Turns:
    """Searches go first: the writer takes a turn only while none runs, or after a bounded wait."""

    def __init__(self) -> None:
        self._idle = threading.Event()
        self._idle.set()

    @contextlib.contextmanager
    def searching(self) -> Iterator[None]:
        """The main thread holds this while it searches."""
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    def wait(self) -> None:
        """The writer calls this between two slices."""
        if not self._idle.is_set():
            self._idle.wait(_PATIENCE)
