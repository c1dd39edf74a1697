"""The knowledge of one server: sources and pages in SQL (the truth), the index beside it (rebuilt from SQL at will).

Every change takes a new `revision` in SQL; the index says which revision it holds. When they differ (it was away, it
was lost, another server changed the knowledge) it is given what it lacks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from invent_server.knowledge import records
from invent_server.knowledge.articles import Article, article_of, file_of
from invent_server.knowledge.chunk import chunks as split
from invent_server.knowledge.dense import Vectors
from invent_server.knowledge.index.client import MAX_TEXT, Index
from invent_server.knowledge.types import Chunk, DenseState, IndexState, IndexUnavailable, SearchResult
from invent_server.models.embedding import EmbeddingModel
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.database import Store
from invent_server.store.errors import StoreUnavailable
from shared import models as m
from shared.clock import MINUTE
from shared.settings import Settings
from shared.tasks import Tasks

__all__ = ["Article", "Library", "article_of", "file_of"]

log = structlog.get_logger(__name__)
TOGETHER = 25
"""Pages that are chunked, stored and shown at once."""
WATCH = 5.0
"""Seconds between two looks whether the index lacks something: how late another server's change is found."""
ABANDONED = 10 * MINUTE
"""Microseconds: where several servers share a database, a job that is older has no server any more."""
PATIENCE = 5.0
"""Seconds that a new page waits for the index to name its language."""


class Library:
    """Adds, searches, rebuilds. One change at a time; searches never wait for changes."""

    def __init__(self, store: Store, settings: Settings, model: EmbeddingModel | None = None) -> None:
        """`model`: makes the vectors, if it has a name."""
        self._store = store
        self._index = Index(settings.data_dir / "index", settings.index, self._started)
        self._vectors = Vectors(self._index, settings, model)
        self._changing = asyncio.Lock()
        self._waiting: deque[tuple[Sequence[str], asyncio.Future[int]]] = deque()
        self._tasks = Tasks(lambda error: log.error("knowledge job failed", error=repr(error)))
        self._watching = Tasks(lambda error: log.error("knowledge watch failed", error=repr(error)))
        self.ready = False
        self.on_ready: Callable[[bool], None] = lambda ready: None

    async def start(self) -> None:
        """Start the index process and what a former run left undone; `ready` turns true when searches find all."""
        await self._index.start()
        self._watching.start(self._watch(), "knowledge watch")
        grace = 0 if self._store.dialect == "sqlite" else ABANDONED
        left = await self._store.write(lambda session: records.resume(session, grace))
        if left is not None:
            log.info("pages left unfinished are processed again", pages=len(left[1]))
            self._tasks.start(self._process(*left), "knowledge job")

    async def close(self) -> None:
        """Stop at once: what is unfinished is found again at the next start."""
        await self._watching.close()
        await self._tasks.close()
        await self._index.close()

    def state(self) -> IndexState:
        """How the index process does."""
        return self._index.state()

    async def search(self, query: str, /, *, k: int = 8, lang: str | None = None) -> SearchResult:
        """The best pages for any text. Raises IndexUnavailable."""
        if not self.ready:
            raise IndexUnavailable(self._index.state().problem or "the index is being filled")
        return await self._index.search(query, k, lang, await self._vectors.question(query[:MAX_TEXT]))

    def vectors(self) -> DenseState:
        """How the vectors do; searches go on by words while they are away."""
        return self._vectors.state()

    async def add(self, articles: Sequence[Article]) -> m.Accepted:
        """Store articles, each a source with one page; index them in the background. The first source and the job."""
        made = await self._store.write(lambda session: records.add(session, articles))
        self._tasks.start(self._process(made.job, made.pages), "knowledge job")
        return m.Accepted(id=made.sources[0], job=made.job)

    async def reindex(self, page: str | None, source: str | None) -> m.Job:
        """Chunk and index again from SQL: one page, one source, or (both None) everything. The job, running."""
        job, pages = await self._store.write(lambda session: records.again(session, page, source))
        self._tasks.start(self._process(job, pages), "reindex")
        return await self._store.read(lambda session: wire.job(session.get_one(t.Job, job)))

    async def remove(self, source_id: str) -> None:
        """Forget a source with its pages."""
        async with self._changing:
            pages, revision = await self._store.write(lambda session: records.remove(session, source_id))
            await self._show(lambda: self._index.remove(pages), revision)

    async def settled(self) -> None:
        """Wait until every job begun so far has ended."""
        await self._tasks.join()

    async def _process(self, job_id: str, page_ids: Sequence[str]) -> None:
        """Chunk pages, store the chunks, show them in the index; progress in the job."""
        errors = 0
        for start in range(0, len(page_ids), TOGETHER):
            part = page_ids[start : start + TOGETHER]
            errors += await self._together(part)
            done = start + len(part)
            await self._store.write(lambda session, d=done, e=errors: records.progress(session, job_id, d, e))  # type: ignore[misc]
        await self._store.write(lambda session: records.ended(session, job_id, len(page_ids), errors))

    async def _together(self, page_ids: Sequence[str]) -> int:
        """Process pages, with those of other jobs that wait: a commit costs the same for one as for many.

        How many of these pages failed.
        """
        mine: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((page_ids, mine))
        async with self._changing:
            if not mine.done():  # else whoever had the turn before took these pages along
                await self._take_along()
        return await mine

    async def _take_along(self) -> None:
        """Process what waits, at most TOGETHER pages: the first is the caller's, as turns come in order."""
        taken = [self._waiting.popleft()]
        room = TOGETHER - len(taken[0][0])
        while self._waiting and len(self._waiting[0][0]) <= room:
            taken.append(self._waiting.popleft())
            room -= len(taken[-1][0])
        try:
            failed = await self._process_part([page_id for pages, _ in taken for page_id in pages])
        except BaseException as error:
            for _, waiter in taken:
                if not waiter.done():
                    waiter.cancel() if isinstance(error, asyncio.CancelledError) else waiter.set_exception(error)
            raise
        for pages, waiter in taken:
            if not waiter.done():
                waiter.set_result(len(failed.intersection(pages)))

    async def _process_part(self, page_ids: Sequence[str]) -> set[str]:
        """A few pages. Those that failed."""
        failed: set[str] = set()
        done: list[records.Parts] = []
        for page_id in page_ids:
            try:
                if (parts := await self._chunk(page_id)) is not None:
                    done.append((page_id, parts))
            except Exception as error:
                failed.add(page_id)
                log.error("page not processed", page_id=page_id, error=repr(error))
                await self._store.write(lambda session, p=page_id, e=error: records.failed(session, p, e))  # type: ignore[misc]
        revision = await self._store.write(lambda session: records.processed(session, done))
        await self._show(lambda: self._index.replace_many(done), revision)
        return failed

    async def _chunk(self, page_id: str) -> list[Chunk] | None:
        page = await self._store.read(lambda session: records.page_to_chunk(session, page_id))
        if page is None:
            return None
        lang = page.lang or (await self._language(f"{page.title}\n{page.text}"))
        return await asyncio.to_thread(split, page.id, page.source_id, page.title, page.text, page.url, lang)

    async def _language(self, text: str) -> str:
        """The language of a text; empty (the index names it later) when the index stays away."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while loop.time() < until:
            try:
                return (await self._index.languages([text]))[0]
            except IndexUnavailable:
                if self._index.state().problem is not None:
                    break
                await asyncio.sleep(0.1)
        return ""

    async def _show(self, stage: Callable[[], Awaitable[None]], revision: int) -> None:
        """Stage a change in the index and commit it. If that fails the index lacks it, and the watch sees that.

        The index may claim `revision` only when it had everything before it, else another server's change between
        would never be asked for.
        """
        had = self._index.state().revision
        try:
            await stage()
            await self._index.commit(revision if had == revision - 1 else had)
        except IndexUnavailable as error:
            log.warning("index away, filled later", reason=str(error))

    async def _started(self, state: IndexState) -> None:
        """The index process has started: give it what it lacks."""
        self._set_ready(False)
        await self._catch_up()
        await self._vectors.started()

    async def _watch(self) -> None:
        """Look again and again whether the index lacks something."""
        while True:
            await asyncio.sleep(WATCH)
            try:
                if not self._index.state().ready:
                    self._set_ready(False)
                elif not self._changing.locked():
                    await self._catch_up()
                    await self._vectors.look()
            except StoreUnavailable as error:
                log.warning("knowledge unreadable", error=str(error))

    async def _catch_up(self) -> None:
        """Give the index the pages that changed since its revision, and take out those that are gone."""
        try:
            async with self._changing:
                held = self._index.state().revision
                revision = await self._store.read(records.revision)
                if held != revision:
                    since = held if held is not None and held < revision else -1
                    # An index that lags still answers; one that holds nothing, or another history, does not.
                    self._set_ready(since >= 0)
                    await self._fill(since)
                    state = await self._index.commit(revision)
                    log.info("index filled from SQL", revision=revision, since=since, chunks=state.chunks)
            self._set_ready(True)
        except IndexUnavailable as error:
            log.warning("index not filled", reason=str(error))

    async def _fill(self, since: int) -> None:
        if since < 0:
            await self._index.reset()
        else:
            known = set(await self._index.pages())
            gone = known - await self._store.read(records.indexed)
            if gone:
                await self._index.remove(sorted(gone))
        after = ""
        while pages := await self._store.read(lambda session, a=after: records.stored(session, since, a)):  # type: ignore[misc]
            await self._index.replace_many(pages)
            after = pages[-1][0]

    def _set_ready(self, ready: bool) -> None:
        self.ready = ready
        self.on_ready(ready)
