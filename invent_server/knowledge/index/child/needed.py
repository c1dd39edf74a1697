"""Vectors that the server fetches for this process: asked over the pipe, one request at a time."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Any

from invent_server.knowledge.index.child.vectors import ModelUnusable
from invent_server.knowledge.index.frames import Frame

_PATIENCE = 600.0
"""Seconds: customers go first at the model, and a model that is being loaded takes minutes."""


class Needed:
    """The main thread takes the answers, the thread of the vectors asks and waits."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._send = send
        self._answers: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._number = 0

    def ask(self, texts: Sequence[str]) -> Any:
        """What the server got for some texts, unchecked. Raises ModelUnusable."""
        self._number += 1
        self._send({"need": self._number, "texts": list(texts)})
        while True:
            try:
                frame = self._answers.get(timeout=_PATIENCE)
            except queue.Empty:
                raise ModelUnusable("the embedding model gave no vectors in time") from None
            if frame["need"] != self._number:
                continue  # the answer to a question that was given up
            if problem := frame.get("problem"):
                raise ModelUnusable(str(problem))
            return frame["rows"]

    def take(self, frame: Frame) -> None:
        """An answer of the server."""
        self._answers.put(frame)
