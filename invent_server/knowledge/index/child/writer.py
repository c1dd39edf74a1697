"""The one thread that writes. It works in small slices and steps aside for every search."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from invent_server.knowledge.index.child.folder import Folder, Opened
from invent_server.knowledge.index.child.turns import Turns
from invent_server.knowledge.index.frames import Frame
from invent_server.knowledge.types import Chunk

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A write request and where its answer goes."""

    frame: Frame
    answer: Callable[[Frame], None]


class Writer:
    """Stages writes in the order they came; `commit` makes them visible and durable all at once."""

    def __init__(
        self,
        folder: Folder,
        opened: Opened,
        turns: Turns,
        state: Callable[[], Frame],
        shown: Callable[[Collection[str]], None],
    ) -> None:
        """`shown` hears which pages a commit changed."""
        self._folder = folder
        self._opened = opened
        self._turns = turns
        self._state = state
        self._shown = shown
        self._changed: set[str] = set()
        self._lost = False
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="writer", daemon=True).start()

    def put(self, job: Job) -> None:
        """Take a request; never blocks."""
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job.answer({"ok": self._do(job.frame)})
            except BrokenPipeError:
                return
            except Exception as error:
                # A failed write must not leave half a page for the next commit to publish.
                log.exception("index write failed")
                with contextlib.suppress(Exception):
                    self._opened.engine.rollback()
                self._lost = job.frame.get("op") != "commit"
                job.answer({"error": f"{type(error).__name__}: {error}"})

    def _do(self, frame: Frame) -> Frame:
        engine = self._opened.engine
        match frame["op"]:
            case "replace":
                for page_id, rows in frame["pages"]:
                    self._replace(page_id, [Chunk(*row) for row in rows])
            case "remove":
                for page_id in frame["pages"]:
                    engine.drop(page_id)
                self._changed.update(frame["pages"])
            case "reset":
                engine.clear()
                self._changed.update(engine.pages())
            case "commit":
                return self._commit(frame["revision"])
            case other:
                raise ValueError(f"unknown request {other!r}")
        return {}

    def _replace(self, page_id: str, chunks: list[Chunk]) -> None:
        engine = self._opened.engine
        documents = []
        for chunk in chunks:
            self._turns.wait()
            documents.append(engine.prepare(chunk))
        self._changed.add(page_id)
        engine.drop(page_id)
        for document in documents:
            self._turns.wait()
            engine.add(document)

    def _commit(self, revision: int | None) -> Frame:
        if self._lost:
            self._lost = False
            raise RuntimeError("what was staged is lost, because a write before this commit failed")
        engine = self._opened.engine
        engine.commit()
        self._folder.save(revision)
        self._opened.revision = revision
        self._turns.wait()
        engine.show()
        changed, self._changed = self._changed, set()
        self._shown(changed)
        return self._state()
