"""Reads requests: searches are answered at once by the main thread, writes go to the writer's."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import astuple
from typing import TYPE_CHECKING, BinaryIO

from invent_server.knowledge.index.child.folder import Folder, Opened
from invent_server.knowledge.index.child.language import identify
from invent_server.knowledge.index.child.search import search
from invent_server.knowledge.index.child.turns import Turns
from invent_server.knowledge.index.child.writer import Job, Writer
from invent_server.knowledge.index.frames import Frame, FrameError, pack, read_frame
from invent_server.knowledge.types import SearchResult

if TYPE_CHECKING:
    from invent_server.knowledge.index.child.dense import Dense
    from invent_server.knowledge.index.child.needed import Needed

log = logging.getLogger(__name__)


class Server:
    """One conversation with the parent over two pipes."""

    def __init__(self, folder: Folder, opened: Opened, output: BinaryIO) -> None:
        self._opened = opened
        self._output = output
        self._sending = threading.Lock()
        self._turns = Turns()
        self._path = folder.path
        self._dense: Dense | None = None
        self._needed: Needed | None = None
        self._writer = Writer(folder, opened, self._turns, self._state, self._changed)

    def run(self, source: BinaryIO) -> int:
        """Serve until the source ends. Returns the exit code."""
        search(self._opened.engine, "warm up, por favor", 1)
        # Tables of words live for ever: without them a collection is over in no time, also in the middle of a search.
        gc.collect()
        gc.freeze()
        self._send(self._state())
        try:
            while (frame := read_frame(source.read)) is not None:
                self._take(frame)
        except FrameError as error:
            log.error("unreadable request: %s", error)
            return 1
        except BrokenPipeError:
            return 0
        return 0

    def _take(self, frame: Frame) -> None:
        answer = self._answer_to(frame["id"])
        match frame["op"]:
            case "search":
                with self._turns.searching():
                    try:
                        found = self._search(frame)
                    except Exception as error:
                        # One question must not end the process for all others.
                        log.exception("search failed")
                        answer({"error": f"{type(error).__name__}: {error}"})
                        return
                answer({"ok": _as_frame(found)})
            case "languages":
                with self._turns.searching():
                    answer({"ok": [identify(text) for text in frame["texts"]]})
            case "pages":
                answer({"ok": self._opened.engine.pages()})
            case "state":
                answer({"ok": self._state()})
            case "dense":
                self._use(frame)
                answer({"ok": {}})
            case "vectors":
                if self._needed is not None:
                    self._needed.take(frame)
                answer({"ok": {}})
            case _:
                self._writer.put(Job(frame, answer))

    def _search(self, frame: Frame) -> SearchResult:
        text = frame["text"]
        near = self._dense.near(text, frame.get("vector")) if self._dense is not None else None
        return search(self._opened.engine, text, frame["k"], frame["lang"], near, frame.get("without", ()))

    def _use(self, source: Frame) -> None:
        """Make vectors from now on. Imported here: numpy and what follows is memory that words alone do not need."""
        if self._dense is None:
            from invent_server.knowledge.index.child.dense import Dense
            from invent_server.knowledge.index.child.needed import Needed

            self._needed = Needed(self._send)
            self._dense = Dense(self._path, self._opened, self._turns, self._send, self._needed.ask)
        self._dense.use(source)

    def _changed(self, pages: Collection[str]) -> None:
        if self._dense is not None:
            self._dense.changed(pages)

    def _state(self) -> Frame:
        engine = self._opened.engine
        return {"revision": self._opened.revision, "chunks": engine.size, "languages": engine.languages()}

    def _answer_to(self, number: int) -> Callable[[Frame], None]:
        return lambda frame: self._send({"id": number, **frame})

    def _send(self, frame: Frame) -> None:
        with self._sending:
            self._output.write(pack(frame))
            self._output.flush()


def _as_frame(found: SearchResult) -> Frame:
    return {
        "hits": [[*astuple(hit.chunk), hit.score, hit.lexical, hit.ngram, hit.dense] for hit in found.hits],
        "language": found.language,
        "evidence": found.evidence,
        "ms": found.ms,
    }
