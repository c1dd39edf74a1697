"""The vectors of the index: made after the words, in the background, and asked beside them.

They follow what the engine holds. Until all are there for the first time, and whenever model or store fail, searches
go on by words alone; what is wrong is told to the server.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from invent_server.knowledge.index.child.engine import NICE
from invent_server.knowledge.index.child.folder import Opened
from invent_server.knowledge.index.child.turns import Turns
from invent_server.knowledge.index.child.vectors import (
    Embedder,
    ModelUnusable,
    Near,
    StoreUnusable,
    Vectors,
    checked,
    content,
    passage_id,
    title_id,
)
from invent_server.knowledge.index.frames import Frame

if TYPE_CHECKING:
    from invent_server.knowledge.index.child.chroma import Collection as Kept

log = logging.getLogger(__name__)
_NEAREST = 100
"""Passages that Chroma is asked for: those that follow are far from the question."""
_TOGETHER = 8
"""Texts that are embedded and stored at once: small, so that searches get in between."""
_AGAIN = 20.0
"""Seconds until a model or store that failed is tried again."""


@dataclass(slots=True)
class State:
    """How the vectors do, for people; `done` of `total` passages have theirs."""

    model: str = ""
    ready: bool = False
    done: int = 0
    total: int = 0
    problem: str = ""


class Asked:
    """A model elsewhere: the server fetches its vectors and knows its name and digest."""

    kind = "multilingual"
    knows: frozenset[str] | None = None

    def __init__(self, name: str, digest: str, ask: Callable[[Sequence[str]], Any]) -> None:
        self.name, self.digest = name, digest
        self._ask = ask
        self._size: int | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row per text. Raises ModelUnusable."""
        return self.take(self._ask(texts), len(texts))

    def take(self, rows: Any, count: int) -> Vectors:
        """Vectors that the server sent. Raises ModelUnusable."""
        found = checked(rows, count, self._size, self.name)
        self._size = found.shape[1]
        return found


class Dense:
    """Owns the model and Chroma; one thread of its own fills, the main thread asks."""

    def __init__(
        self,
        folder: Path,
        opened: Opened,
        turns: Turns,
        tell: Callable[[Frame], None],
        ask: Callable[[Sequence[str]], Any],
    ) -> None:
        """`tell` hears each change of state; `ask` gets vectors from the server, or raises ModelUnusable."""
        self._folder = folder / "chroma"
        self._opened = opened
        self._turns = turns
        self._tell = tell
        self._ask = ask
        self._changes: queue.SimpleQueue[Collection[str] | Frame] = queue.SimpleQueue()
        self._held: dict[str, set[str]] = {}
        """Page -> ids of its vectors."""
        self._titles: set[str] = set()
        self._ready: tuple[Embedder, Kept] | None = None
        self._running = False
        self.state = State()

    def use(self, source: Frame) -> None:
        """Make vectors from now on: `{scope, chroma, onnx}` or `{scope, chroma, model, digest}`."""
        self._changes.put(source)
        if not self._running:
            self._running = True
            threading.Thread(target=self._run, name="vectors", daemon=True).start()

    def changed(self, pages: Collection[str]) -> None:
        """Pages are new, other or gone, as of the engine's last commit."""
        if self._running and pages:
            self._changes.put(pages)

    def near(self, text: str, vector: Sequence[float] | None) -> Near | None:
        """What lies near a question; None: go on without. `vector`: the question's, where the server makes them."""
        if self._ready is None:
            return None
        embedder, kept = self._ready
        try:
            if isinstance(embedder, Asked):
                if vector is None:
                    return None
                asked = embedder.take([vector], 1)[0]
            else:
                asked = embedder.embed([text])[0]
            hits = kept.near(asked, _NEAREST)
        except (ModelUnusable, StoreUnusable) as error:
            self._failed(str(error))
            return None
        passages: dict[str, float] = {}
        pages: dict[str, float] = {}
        nearest: dict[str, str] = {}
        for id_, cosine in hits:
            passage, _, page = id_.split(":", 2) if not id_.startswith("title:") else ("", "", "")
            if page:
                passages[passage] = cosine
                pages.setdefault(page, cosine)
                nearest.setdefault(page, passage)

        def titles(wanted: Collection[str]) -> Mapping[str, float]:
            names = {title_id(title): title for title in wanted if title}
            try:
                found = kept.vectors(list(names))
            except StoreUnusable as error:
                self._failed(str(error))
                return {}
            return {names[id_]: float(row @ asked) for id_, row in found.items()}

        horizon = hits[-1][1] if hits else 0.0
        return Near(embedder.kind, embedder.knows, passages, pages, nearest, horizon, titles)

    def _failed(self, problem: str) -> None:
        """A question could not be asked: the thread looks what is left."""
        if self._ready is not None:
            self._ready = None
            self._now(ready=False, problem=problem)
            self._changes.put(())

    # ------------------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        source: Frame = {}
        while True:
            pause: float | None = None
            try:
                source = self._serve(source)
                continue
            except (ModelUnusable, StoreUnusable) as error:
                self._ready = None
                if self.state.problem != str(error):
                    log.warning("no vectors: %s", error)
                self._now(ready=False, problem=str(error))
                pause = _AGAIN
            except BrokenPipeError:
                return
            except Exception as error:
                log.exception("the vectors broke")
                self._ready = None
                self._now(ready=False, problem=f"{type(error).__name__}: {error}")
                pause = _AGAIN
            with contextlib.suppress(queue.Empty):
                change = self._changes.get(timeout=pause)
                source = change if isinstance(change, dict) else source

    def _serve(self, source: Frame) -> Frame:
        """Keep vectors by one model. Returns the next source. Raises ModelUnusable, StoreUnusable."""
        while not source.get("scope"):  # none at all: there is no model any more
            change = self._changes.get()
            source = change if isinstance(change, dict) else {}
        embedder, kept = self._open(source)
        self._now(model=embedder.name, problem="")
        changes: Collection[str] = self._reconcile(kept)
        while True:
            self._follow(embedder, kept, changes)
            if self._ready is None:
                kept.near(embedder.embed(["warm up, por favor"])[0], _NEAREST)
                self._ready = embedder, kept
                self._now(ready=True, problem="")
                kept.forget_others()
            change = self._changes.get()
            if isinstance(change, dict):
                self._ready = None
                self._now(model="", ready=False, done=0, total=0)
                return change
            changes = change
            if self._ready is None:  # a question failed: see whether it does so again
                raise StoreUnusable(self.state.problem or "the vectors failed")

    def _open(self, source: Frame) -> tuple[Embedder, Kept]:
        # Imported here: each costs a second that no start should wait for, and memory where nobody uses it.
        embedder: Embedder
        if source.get("onnx"):
            try:
                from invent_server.knowledge.index.child.onnx import MiniLM
            except ImportError as error:
                raise ModelUnusable(f"the runtime of the embedding model cannot be loaded ({error})") from None
            embedder = MiniLM(Path(source["onnx"]))
        else:
            embedder = Asked(source["model"], source["digest"], self._ask)
            embedder.embed(["size"])
        try:
            from invent_server.knowledge.index.child.chroma import Collection as Kept_
            from invent_server.knowledge.index.child.chroma import name_of
        except ImportError as error:
            raise StoreUnusable(f"Chroma cannot be loaded ({error})") from None
        name = name_of(source["scope"], embedder.name, embedder.digest)
        return embedder, Kept_(self._folder, source.get("chroma") or "", name)

    def _reconcile(self, kept: Kept) -> list[str]:
        """Drop what no passage of the engine wants any more; the pages that lack vectors."""
        engine = self._opened.engine
        there = kept.ids()
        self._held = {}
        self._titles = set()
        for id_ in there:
            if id_.startswith("title:"):
                self._titles.add(id_)
            else:
                self._held.setdefault(id_.split(":", 2)[2], set()).add(id_)
        wanted_titles: set[str] = set()
        lacking: list[str] = []
        pages = engine.pages()
        for page in pages:
            self._turns.wait()
            chunks = engine.chunks(page)
            wanted_titles |= {title_id(chunk.title) for chunk in chunks}
            missing = {passage_id(chunk) for chunk in chunks} != self._held.get(page, set())
            if missing or not {title_id(chunk.title) for chunk in chunks if chunk.title} <= self._titles:
                lacking.append(page)
        gone = sorted(set(self._held) - set(pages))
        kept.drop(sorted(self._titles - wanted_titles))
        self._titles &= wanted_titles
        self._count(sum(len(ids) for page, ids in self._held.items() if page not in set(lacking) | set(gone)))
        return [*lacking, *gone]

    def _follow(self, embedder: Embedder, kept: Kept, pages: Collection[str]) -> None:
        """Give each page the vectors that it wants, and take away the others."""
        engine = self._opened.engine
        batch: list[tuple[str, str, str]] = []
        for page in pages:
            self._turns.wait()
            chunks = engine.chunks(page)
            wanted = {passage_id(chunk): content(chunk) for chunk in chunks}
            held = self._held.setdefault(page, set())
            old = held - set(wanted)
            kept.drop(sorted(old))
            held -= old
            if not wanted:
                self._held.pop(page, None)
            batch += [(page, id_, text) for id_, text in wanted.items() if id_ not in held]
            titles = {title_id(chunk.title): chunk.title for chunk in chunks if chunk.title}
            batch += [("", id_, title) for id_, title in titles.items() if id_ not in self._titles]
            self._titles |= set(titles)
            while len(batch) >= _TOGETHER:
                self._put(embedder, kept, batch[:_TOGETHER])
                batch = batch[_TOGETHER:]
        if batch:
            self._put(embedder, kept, batch)
        self._count(sum(map(len, self._held.values())))

    def _put(self, embedder: Embedder, kept: Kept, batch: Sequence[tuple[str, str, str]]) -> None:
        self._turns.wait()
        rows = embedder.embed([text for _, _, text in batch])
        self._turns.wait()
        once = {id_: row for (_, id_, _), row in zip(batch, rows, strict=True)}
        kept.put(list(once), np.stack(list(once.values())))
        for page, id_, _ in batch:
            if page:
                self._held.setdefault(page, set()).add(id_)
        self.state.done += sum(bool(page) for page, _, _ in batch)
        self._tell_state()

    def _count(self, done: int) -> None:
        self._now(done=done, total=self._opened.engine.size)

    def _now(self, **changes: Any) -> None:
        before = asdict(self.state)
        for name, value in changes.items():
            setattr(self.state, name, value)
        if asdict(self.state) != before:
            self._tell_state()

    def _tell_state(self) -> None:
        self._tell({"dense": asdict(self.state)})
