"""The server's end of the index process: starts it, asks it, starts it again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import structlog

from invent_server.knowledge.index.frames import HEADER, Frame, FrameError, length, pack, unpack
from invent_server.knowledge.types import Chunk, DenseState, Found, IndexState, IndexUnavailable, SearchResult
from shared.settings import Index as Settings
from shared.tasks import Tasks
from shared.text import clean_line

log = structlog.get_logger(__name__)

MAX_BACKOFF = 30.0
MAX_TEXT = 4_000
"""Characters of a question that are sent: what stands further down finds nothing better."""
_START = 30.0
_WRITE = 120.0
_STABLE = 10.0
_HANGS = 3
"""Searches in a row that timed out before a process that says nothing is replaced."""
_READS = 32
_WRITES = 2
_SLICE = 64
"""Chunks of one write request: small enough that searches get in between."""


class Index:
    """One per server. All methods but `start` and `close` raise IndexUnavailable while the process is away."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        on_ready: Callable[[IndexState], Awaitable[None]] | None = None,
    ) -> None:
        """`folder` is the index's own. `on_ready` is called at each start of the process, to fill what it lacks."""
        self._folder = folder
        self._settings = settings
        self._on_ready = on_ready
        self._state = IndexState(False)
        self._tasks = Tasks(lambda error: log.error("index task failed", error=repr(error)))
        self._process: asyncio.subprocess.Process | None = None
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._reads = asyncio.Semaphore(_READS)
        self._writes = asyncio.Semaphore(_WRITES)
        self._hangs = 0
        self._ready = asyncio.Event()
        self._closing = False
        self.on_need: Callable[[list[str]], Awaitable[list[list[float]]]] | None = None
        """Makes vectors for the process; may raise anything."""

    async def start(self, wait: float = 0.0) -> None:
        """Start the process and keep it running; wait up to `wait` seconds until it is ready (never raises)."""
        self._tasks.start(self._supervise(), "index")
        if wait:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._ready.wait()

    async def close(self) -> None:
        """End the process: the end of its input is its sign; one that does not see it is killed."""
        self._closing = True
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.timeout):
                    await process.wait()
        await self._tasks.close()

    def state(self) -> IndexState:
        """How the process does, as last heard."""
        return self._state

    async def search(
        self,
        query: str,
        k: int = 8,
        lang: str | None = None,
        vector: Sequence[float] | None = None,
        without: Sequence[str] = (),
    ) -> SearchResult:
        """The `k` best pages for any text. `lang`: the language of the conversation so far.

        `vector`: the text's, where vectors are made outside the process. `without`: pages that are taken for absent.
        """
        asked = {"op": "search", "text": query[:MAX_TEXT], "k": k, "lang": lang, "vector": vector, "without": without}
        frame = await self._ask(asked)
        hits = tuple(Found(Chunk(*row[:9]), *row[9:]) for row in frame["hits"])
        return SearchResult(hits, frame["language"], frame["evidence"], frame["ms"])

    async def languages(self, texts: Sequence[str]) -> list[str]:
        """The language of each text as a code of two letters."""
        found: list[str] = []
        for start in range(0, len(texts), _SLICE):
            part = [text[:MAX_TEXT] for text in texts[start : start + _SLICE]]
            found += await self._ask({"op": "languages", "texts": part})
        return found

    async def pages(self) -> list[str]:
        """The ids of all pages that can be found."""
        found: list[str] = await self._ask({"op": "pages"})
        return found

    async def replace(self, page_id: str, chunks: Sequence[Chunk]) -> None:
        """Stage a page's chunks in the place of all that it had."""
        await self.replace_many([(page_id, chunks)])

    async def replace_many(self, pages: Iterable[tuple[str, Sequence[Chunk]]]) -> None:
        """Stage many pages; each appears as a whole with the next `commit`."""
        part: list[tuple[str, list[tuple[object, ...]]]] = []
        size = 0
        for page_id, chunks in pages:
            part.append((page_id, [astuple(chunk) for chunk in chunks]))
            size += len(chunks)
            if size >= _SLICE:
                await self._write({"op": "replace", "pages": part})
                part, size = [], 0
        if part:
            await self._write({"op": "replace", "pages": part})

    async def remove(self, page_ids: Sequence[str]) -> None:
        """Stage the removal of pages."""
        await self._write({"op": "remove", "pages": list(page_ids)})

    async def reset(self) -> None:
        """Stage the removal of everything; searches see the old until the next `commit`."""
        await self._write({"op": "reset"})

    async def commit(self, revision: int | None) -> IndexState:
        """Show and keep all that is staged. `revision` of the knowledge is what the index now says it holds."""
        frame = await self._write({"op": "commit", "revision": revision})
        self._state = replace(_ready_state(frame), dense=self._state.dense)
        return self._state

    async def dense(self, source: Mapping[str, str]) -> None:
        """Make vectors from now on: `scope`, `chroma` (a server's address or empty), and `onnx` (a folder) or `model`
        and `digest` (of a model outside the process, whose vectors `on_need` brings)."""
        await self._ask({"op": "dense", **source})

    async def _need(self, number: int, texts: list[str]) -> None:
        """Bring the process vectors that it asked for."""
        answer: Frame = {"op": "vectors", "need": number}
        try:
            if self.on_need is None:
                raise IndexUnavailable("there is no embedding model")
            answer["rows"] = await self.on_need(texts)
        except Exception as error:  # whatever it is, the process must not wait for ever
            answer["problem"] = clean_line(str(error) or repr(error))
        with contextlib.suppress(IndexUnavailable):
            await self._ask(answer)

    async def _write(self, frame: Frame) -> Any:
        async with self._writes:
            return await self._send(frame, _WRITE)

    async def _ask(self, frame: Frame) -> Any:
        """A read: it waits for a place and for its answer together no longer than `index.timeout`."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                async with self._reads:
                    answer = await self._send(frame, None)
        except TimeoutError:
            self._hangs += 1
            if self._hangs >= _HANGS and self._process is not None and self._process.returncode is None:
                log.warning("index process hangs and is replaced", timeouts=self._hangs)
                self._process.kill()
            raise IndexUnavailable("the index gave no answer in time") from None
        self._hangs = 0
        return answer

    async def _send(self, frame: Frame, patience: float | None) -> Any:
        process = self._process
        if not self._state.ready or process is None or process.stdin is None:
            raise IndexUnavailable(self._state.problem or "the index is starting")
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            process.stdin.write(pack({"id": number, **frame}))
            async with asyncio.timeout(patience):
                await process.stdin.drain()
                return await future
        except (ConnectionError, FrameError) as error:
            raise IndexUnavailable(f"the index cannot be asked: {error}") from None
        except TimeoutError:
            if patience is None:
                raise
            raise IndexUnavailable("the index took too long over a change") from None
        finally:
            self._pending.pop(number, None)

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        pause = self._settings.restart
        while True:
            began = loop.time()
            try:
                problem = await self._live()
            except OSError as error:
                problem = f"the index process cannot be started: {error.strerror}"
            finally:
                self._away("the index stops")
            if self._closing:
                return
            if loop.time() - began >= _STABLE:
                pause = self._settings.restart
            log.warning("index process away", problem=problem, again_in=pause)
            self._away(problem)
            await asyncio.sleep(pause)
            pause = min(max(pause, 0.05) * 2, MAX_BACKOFF)

    async def _live(self) -> str:
        """One life of the process, from its start to its end. Returns why it ended."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "invent_server.knowledge.index.child", str(self._folder), str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "RUST_BACKTRACE": "0"},
        )  # fmt: skip
        self._process = process
        assert process.stdout is not None
        assert process.stderr is not None
        logging = self._tasks.start(_log_lines(process.stderr), "index log")
        try:
            async with asyncio.timeout(_START):
                hello = await _frame(process.stdout)
            if hello is None:
                return f"the index process ended at its start (exit code {await process.wait()})"
            if "fatal" in hello:
                return str(hello["fatal"])
            self._state = _ready_state(hello)
            self._hangs = 0
            self._ready.set()
            log.info("index ready", chunks=self._state.chunks, revision=self._state.revision)
            if self._on_ready is not None:
                self._tasks.start(_called(self._on_ready, self._state), "index fill")
            while (frame := await _frame(process.stdout)) is not None:
                self._answered(frame)
            return f"the index process ended (exit code {await process.wait()})"
        except TimeoutError:
            return "the index process did not start in time"
        except FrameError as error:
            return f"the index process sent nonsense: {error}"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.shield(process.wait())
            logging.cancel()

    def _answered(self, frame: Frame) -> None:
        if "dense" in frame:
            self._state = replace(self._state, dense=DenseState(**frame["dense"]))
            return
        if "need" in frame:
            self._tasks.start(self._need(frame["need"], frame["texts"]), "vectors")
            return
        future = self._pending.get(frame.get("id", 0))
        if future is None or future.done():
            return  # its caller gave up
        if "error" in frame:
            future.set_exception(IndexUnavailable(f"the index could not do it: {clean_line(str(frame['error']))}"))
        else:
            future.set_result(frame["ok"])

    def _away(self, problem: str) -> None:
        self._ready.clear()
        self._state = IndexState(False, problem=problem)
        for future in self._pending.values():
            if not future.done():
                future.set_exception(IndexUnavailable(problem))


def _ready_state(frame: Frame) -> IndexState:
    return IndexState(True, frame["revision"], frame["chunks"], tuple(frame["languages"]))


async def _called(callback: Callable[[IndexState], Awaitable[None]], state: IndexState) -> None:
    await callback(state)


async def _frame(stream: asyncio.StreamReader) -> Frame | None:
    try:
        return unpack(await stream.readexactly(length(await stream.readexactly(HEADER))))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _log_lines(stream: asyncio.StreamReader) -> None:
    """What the process says on stderr, in our log."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # a line without end
        if not line:
            return
        log.warning("index process", line=clean_line(line.decode("utf-8", "replace")))
