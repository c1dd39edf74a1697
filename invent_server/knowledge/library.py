"""The knowledge of one server: sources and pages in SQL (the truth), the index beside it (rebuilt from SQL at will).

Every change takes a new `revision` in SQL; the index says which revision it holds. When they differ at its start (it
was away, lost, or another machine's), it is filled again from SQL.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import delete
from sqlmodel import Session, col, select

from invent_server.knowledge.chunk import chunks as split
from invent_server.knowledge.index.client import Index
from invent_server.knowledge.types import Chunk, IndexState, IndexUnavailable, SearchResult
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.database import Store
from invent_server.store.session import announce, now, rows
from shared import commands as c
from shared import models as m
from shared.ids import new_id
from shared.settings import Settings
from shared.tasks import Tasks
from shared.text import storable

log = structlog.get_logger(__name__)
BATCH = 200
"""Pages that are read from SQL at once while the index is filled."""


@dataclass(frozen=True, slots=True)
class Article:
    """A page to be taken in. `lang` None: identified from the text."""

    title: str
    text: str
    url: str | None = None
    lang: str | None = None
    kind: str = "text"


class Library:
    """Adds, searches, rebuilds. One change at a time; searches never wait for changes."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._index = Index(settings.data_dir / "index", settings.index, self._fill)
        self._changing = asyncio.Lock()
        self._tasks = Tasks(lambda error: log.error("knowledge job failed", error=repr(error)))
        self.ready = False
        self.on_ready: Callable[[bool], None] = lambda ready: None

    async def start(self) -> None:
        """Start the index process; `ready` turns true when it holds what SQL holds."""
        await self._index.start()

    async def close(self) -> None:
        await self._tasks.close()
        await self._index.close()

    async def search(self, query: str, /, *, k: int = 8, lang: str | None = None) -> SearchResult:
        """The best pages for any text. Raises IndexUnavailable."""
        if not self.ready:
            raise IndexUnavailable("the index is being filled")
        return await self._index.search(query, k, lang)

    async def add(self, articles: Sequence[Article]) -> m.Accepted:
        """Store articles, each a source with one page; index them in the background. The first source and the job."""
        made = await self._store.write(lambda session: _add(session, articles))
        self._tasks.start(self._process(made.job, made.pages), name="knowledge job")
        return m.Accepted(id=made.sources[0], job=made.job)

    async def reindex(self, page: str | None, source: str | None) -> m.Job:
        """Read again from SQL: one page, one source, or (both None) everything. The job, running."""
        job, pages = await self._store.write(lambda session: _again(session, page, source))
        self._tasks.start(self._process(job, pages, everything=page is None and source is None), name="reindex")
        return await self._store.read(lambda session: wire.job(session.get_one(t.Job, job)))

    async def remove(self, source_id: str) -> None:
        """Forget a source with its pages."""
        async with self._changing:
            pages, revision = await self._store.write(lambda session: _remove(session, source_id))
            await self._show(lambda: self._index.remove(pages), revision)

    async def settled(self) -> None:
        """Wait until every job begun so far has ended."""
        await self._tasks.join()

    async def _process(self, job_id: str, page_ids: Sequence[str], everything: bool = False) -> None:
        """Chunk pages, store the chunks, show them in the index; progress in the job."""
        async with self._changing:
            errors = 0
            done: list[tuple[str, list[Chunk]]] = []
            for number, page_id in enumerate(page_ids, 1):
                try:
                    done.append((page_id, await self._chunk(page_id)))
                except Exception as error:
                    errors += 1
                    log.error("page not processed", page_id=page_id, error=repr(error))
                    await self._store.write(lambda s, p=page_id, e=error: _failed(s, p, e))  # type: ignore[misc]
                if number % 20 == 0:
                    await self._store.write(lambda s, n=number, e=errors: _progress(s, job_id, n, e))  # type: ignore[misc]
            revision = await self._store.write(lambda session: _processed(session, done))

            async def stage() -> None:
                if everything:
                    await self._index.reset()
                await self._index.replace_many(done)

            await self._show(stage, revision)
            await self._store.write(lambda session: _ended(session, job_id, len(page_ids), errors))

    async def _chunk(self, page_id: str) -> list[Chunk]:
        page = await self._store.read(lambda session: session.get_one(t.Page, page_id))
        lang = page.lang or (await self._languages(f"{page.title}\n{page.text}"))
        return await asyncio.to_thread(split, page.id, page.source_id, page.title, page.text, page.url, lang)

    async def _languages(self, text: str) -> str:
        for _ in range(50):
            try:
                return (await self._index.languages([text]))[0]
            except IndexUnavailable:
                await asyncio.sleep(0.1)
        return ""

    async def _show(self, stage: Callable[[], object], revision: int) -> None:
        """Stage a change in the index and commit it; if it is away it is filled from SQL when it comes back."""
        try:
            staged = stage()
            if asyncio.iscoroutine(staged):
                await staged
            await self._index.commit(revision)
        except IndexUnavailable as error:
            log.warning("index away, filled later", reason=str(error))

    async def _fill(self, state: IndexState) -> None:
        """The index process has started: give it what it lacks."""
        self._set_ready(False)
        async with self._changing:
            revision = await self._store.read(lambda session: _revision(session))
            if state.revision != revision:
                await self._index.reset()
                after = ""
                while pages := await self._store.read(lambda session, a=after: _stored(session, a)):  # type: ignore[misc]
                    await self._index.replace_many(pages)
                    after = pages[-1][0]
                await self._index.commit(revision)
                log.info("index filled from SQL", revision=revision)
            self._set_ready(True)

    def _set_ready(self, ready: bool) -> None:
        self.ready = ready
        self.on_ready(ready)


@dataclass(frozen=True, slots=True)
class _Added:
    sources: list[str]
    pages: list[str]
    job: str


def _revision(session: Session) -> int:
    return session.exec(select(t.Counter.value).where(t.Counter.name == "knowledge")).one()


def _next_revision(session: Session) -> int:
    sql = "UPDATE counter SET value = value + ? WHERE name = 'knowledge' RETURNING value"
    return int(rows(session.connection(), sql, [1])[0][0])


def _add(session: Session, articles: Sequence[Article]) -> _Added:
    moment = now(session)
    assistant = session.exec(select(t.Assistant.id).where(t.Assistant.slug == "default")).one()
    sources: list[str] = []
    pages: list[str] = []
    for article in articles:
        text = storable(article.text)
        source = t.Source(
            id=new_id(),
            assistant_id=assistant,
            kind=article.kind,
            title=storable(article.title),
            url=article.url,
            lang=article.lang,
            created_at=moment,
            updated_at=moment,
        )
        page = t.Page(
            id=new_id(),
            source_id=source.id,
            title=source.title,
            url=article.url,
            lang=article.lang,
            status="processing",
            text=text,
            hash=hashlib.sha256(text.encode()).hexdigest(),
            read_at=moment,
        )
        session.add(source)
        session.flush()
        session.add(page)
        sources.append(source.id)
        pages.append(page.id)
        announce(session, "knowledge.updated", source.id, detail="source")
    job = _job(session, "add", len(pages), sources[0] if len(sources) == 1 else None)
    return _Added(sources, pages, job)


def _job(session: Session, kind: str, total: int, source: str | None) -> str:
    job = t.Job(id=new_id(), kind=kind, source_id=source, state="running", total=total, created_at=now(session))
    session.add(job)
    announce(session, "knowledge.updated", job.id, detail="job")
    return job.id


def _again(session: Session, page: str | None, source: str | None) -> tuple[str, list[str]]:
    query = select(t.Page.id).order_by(col(t.Page.id))
    if page is not None:
        query = query.where(t.Page.id == page)
    if source is not None:
        query = query.where(t.Page.source_id == source)
    ids = list(session.exec(query))
    return _job(session, "reindex", len(ids), source), ids


def _processed(session: Session, done: Sequence[tuple[str, list[Chunk]]]) -> int:
    """Replace the chunks of pages; the new revision."""
    revision = _next_revision(session)
    for page_id, parts in done:
        page = session.get(t.Page, page_id)
        if page is None:
            continue
        session.connection().execute(delete(t.Chunk).where(col(t.Chunk.page_id) == page_id))
        session.add_all(
            t.Chunk(id=p.id, page_id=page_id, ordinal=p.ordinal, heading=p.heading, text=p.text, lang=p.lang)
            for p in parts
        )
        page.status, page.reason, page.chunks, page.revision = "processed", None, len(parts), revision
        page.lang = page.lang or (parts[0].lang if parts else None) or None
        session.add(page)
        announce(session, "knowledge.updated", page_id, detail="page")
    return revision


def _failed(session: Session, page_id: str, error: Exception) -> None:
    page = session.get(t.Page, page_id)
    if page is not None:
        page.status, page.reason = "failed", str(error)[:300]
        session.add(page)
        announce(session, "knowledge.updated", page_id, detail="page")


def _progress(session: Session, job_id: str, done: int, errors: int) -> None:
    job = session.get_one(t.Job, job_id)
    job.done, job.errors = done, errors
    session.add(job)
    announce(session, "knowledge.updated", job_id, detail="job")


def _ended(session: Session, job_id: str, done: int, errors: int) -> None:
    job = session.get_one(t.Job, job_id)
    job.state, job.ended_at = ("failed" if errors and errors == done else "done"), now(session)
    job.reason = f"{errors} of {done} pages failed" if errors else None
    _progress(session, job_id, done, errors)


def _remove(session: Session, source_id: str) -> tuple[list[str], int]:
    pages = list(session.exec(select(t.Page.id).where(t.Page.source_id == source_id)))
    connection = session.connection()
    connection.execute(delete(t.Chunk).where(col(t.Chunk.page_id).in_(pages)))
    connection.execute(delete(t.Page).where(col(t.Page.source_id) == source_id))
    connection.execute(delete(t.Source).where(col(t.Source.id) == source_id))
    announce(session, "knowledge.updated", source_id, detail="source")
    return pages, _next_revision(session)


def _stored(session: Session, after: str) -> list[tuple[str, list[Chunk]]]:
    """The next pages with their chunks, as SQL holds them."""
    pages = session.exec(
        select(t.Page).where(col(t.Page.id) > after, t.Page.chunks > 0).order_by(col(t.Page.id)).limit(BATCH)
    ).all()
    found = session.exec(
        select(t.Chunk)
        .where(col(t.Chunk.page_id).in_([page.id for page in pages]))
        .order_by(col(t.Chunk.page_id), col(t.Chunk.ordinal))
    ).all()
    parts: dict[str, list[t.Chunk]] = {}
    for chunk in found:
        parts.setdefault(chunk.page_id, []).append(chunk)
    return [
        (
            page.id,
            [
                Chunk(p.id, page.id, page.source_id, p.ordinal, page.title, p.heading, p.text, page.url, p.lang)
                for p in parts.get(page.id, [])
            ],
        )
        for page in pages
    ]


def article_of(body: c.PostSource) -> Article:
    """An article from the body of the API (kind text). Raises ValueError."""
    if not (body.title or "").strip() or not (body.text or "").strip():
        raise ValueError("a text needs title and text")
    return Article(body.title or "", body.text or "", body.url, body.lang)


def file_of(body: c.PostSource) -> Article:
    """An article from an uploaded file (base64 `data`, or `text`). Raises ValueError with one clear line."""
    import base64
    import binascii

    from invent_server.knowledge.documents import DocumentError, read_document

    try:
        raw = base64.b64decode(body.data or "", validate=True) if body.data is not None else (body.text or "").encode()
        document = read_document(raw, body.name or "")
    except (binascii.Error, DocumentError) as error:
        raise ValueError(f"{body.name or 'file'}: {error}") from None
    return Article(body.title or document.title, document.markdown, body.url, body.lang, kind="file")
