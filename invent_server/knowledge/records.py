"""Sources, pages, chunks and jobs in SQL: what `store.write` and `store.read` run for the library."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete
from sqlmodel import Session, col, select

from invent_server.knowledge.articles import Article
from invent_server.knowledge.types import Chunk
from invent_server.store import tables as t
from invent_server.store.session import announce, now, rows
from shared.ids import new_id
from shared.text import storable

BATCH = 200
"""Pages that are read at once while an index is filled."""
UNFINISHED = ("pending", "processing")

Parts = tuple[str, list[Chunk]]
"""A page's id and its chunks."""


@dataclass(frozen=True, slots=True)
class Added:
    """New sources, their pages, and the job that is to index them."""

    sources: list[str]
    pages: list[str]
    job: str


def revision(session: Session) -> int:
    """The revision of the knowledge now: it rises with every change that an index must see."""
    return session.exec(select(t.Counter.value).where(t.Counter.name == "knowledge")).one()


def _next_revision(session: Session) -> int:
    sql = "UPDATE counter SET value = value + ? WHERE name = 'knowledge' RETURNING value"
    return int(rows(session.connection(), sql, [1])[0][0])


def add(session: Session, articles: Sequence[Article]) -> Added:
    """Store articles, each a source with one page that waits to be indexed, and the job for them.

    What comes from a known origin replaces what was read there; what has not changed costs nothing.
    """
    moment = now(session)
    assistant = session.exec(select(t.Assistant.id).where(t.Assistant.slug == "default")).one()
    sources: list[str] = []
    pages: list[str] = []
    for article in articles:
        text, title = storable(article.text), storable(article.title)
        known = _of_origin(session, assistant, article.origin)
        if known is not None:
            changed = _read_again(session, known, article, title, text)
            sources.append(known.id)
            pages += [changed] if changed else []
            continue
        source = t.Source(
            id=new_id(),
            assistant_id=assistant,
            kind=article.kind,
            title=title,
            url=article.url,
            lang=article.lang,
            origin=storable(article.origin) if article.origin else None,
            created_at=moment,
            updated_at=moment,
        )
        page = t.Page(
            id=new_id(),
            source_id=source.id,
            title=title,
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
    return Added(sources, pages, _job(session, "add", len(pages), sources[0] if len(sources) == 1 else None))


def _of_origin(session: Session, assistant: str, origin: str | None) -> t.Source | None:
    if not origin:
        return None
    query = select(t.Source).where(t.Source.assistant_id == assistant, t.Source.origin == storable(origin))
    return session.exec(query).first()


def _read_again(session: Session, source: t.Source, article: Article, title: str, text: str) -> str | None:
    """Put what was read now in the place of what a source had. The page to index; None when it is the same."""
    page = session.exec(select(t.Page).where(t.Page.source_id == source.id)).one()
    page.read_at = source.updated_at = now(session)
    session.add_all([page, source])
    digest = hashlib.sha256(text.encode()).hexdigest()
    lang = article.lang or source.lang  # None: to be recognised anew
    same = (page.hash, page.title, page.url, lang or page.lang) == (digest, title, article.url, page.lang)
    if same and page.status == "processed":
        return None
    page.title, page.url, page.text, page.hash, page.lang = title, article.url, text, digest, lang
    page.status = "processing"
    source.title, source.url, source.lang, source.kind = title, article.url, lang, article.kind
    announce(session, "knowledge.updated", source.id, detail="source")
    return page.id


def again(session: Session, page: str | None, source: str | None) -> tuple[str, list[str]]:
    """A job to index pages again: one, those of a source, or (both None) all. The job and the pages."""
    query = select(t.Page.id).order_by(col(t.Page.id))
    if page is not None:
        query = query.where(t.Page.id == page)
    if source is not None:
        query = query.where(t.Page.source_id == source)
    ids = list(session.exec(query))
    return _job(session, "reindex", len(ids), source), ids


def resume(session: Session, grace: int) -> tuple[str, list[str]] | None:
    """After a stop in the middle: a new job for pages left unfinished; the jobs of that time fail.

    `grace`: microseconds; pages and jobs that are younger belong to another server that is alive.
    """
    limit = now(session) - grace
    left = session.exec(select(t.Job).where(t.Job.state == "running", col(t.Job.created_at) <= limit)).all()
    for job in left:
        job.state, job.reason, job.ended_at = "failed", "the server stopped before the end", now(session)
        session.add(job)
        announce(session, "knowledge.updated", job.id, detail="job")
    query = select(t.Page.id).where(col(t.Page.status).in_(UNFINISHED)).order_by(col(t.Page.id))
    pages = list(session.exec(query.where((col(t.Page.read_at) <= limit) | col(t.Page.read_at).is_(None))))
    return (_job(session, "resume", len(pages), None), pages) if pages else None


def _job(session: Session, kind: str, total: int, source: str | None) -> str:
    job = t.Job(id=new_id(), kind=kind, source_id=source, state="running", total=total, created_at=now(session))
    session.add(job)
    announce(session, "knowledge.updated", job.id, detail="job")
    return job.id


def page_to_chunk(session: Session, page_id: str) -> t.Page | None:
    """A page; None when it was removed meanwhile."""
    return session.get(t.Page, page_id)


def processed(session: Session, done: Sequence[Parts]) -> int:
    """Replace the chunks of pages (those that are still there). The new revision."""
    number = _next_revision(session)
    for page_id, parts in done:
        page = session.get(t.Page, page_id)
        if page is None:
            continue
        session.connection().execute(delete(t.Chunk).where(col(t.Chunk.page_id) == page_id))
        session.add_all(
            t.Chunk(id=p.id, page_id=page_id, ordinal=p.ordinal, heading=p.heading, text=p.text, lang=p.lang)
            for p in parts
        )
        page.status, page.reason, page.chunks, page.revision = "processed", None, len(parts), number
        page.lang = page.lang or (parts[0].lang if parts else None) or None
        session.add(page)
        announce(session, "knowledge.updated", page_id, detail="page")
    return number


def failed(session: Session, page_id: str, error: Exception) -> None:
    """A page could not be processed; what the index holds of it stays."""
    page = session.get(t.Page, page_id)
    if page is not None:
        page.status, page.reason = "failed", storable(str(error))[:300]
        session.add(page)
        announce(session, "knowledge.updated", page_id, detail="page")


def progress(session: Session, job_id: str, done: int, errors: int) -> None:
    """How far a job is."""
    job = session.get_one(t.Job, job_id)
    job.done, job.errors = done, errors
    session.add(job)
    announce(session, "knowledge.updated", job_id, detail="job")


def ended(session: Session, job_id: str, done: int, errors: int) -> None:
    """A job is through."""
    job = session.get_one(t.Job, job_id)
    job.state, job.ended_at = ("failed" if errors and errors == done else "done"), now(session)
    job.reason = f"{errors} of {done} pages failed" if errors else None
    progress(session, job_id, done, errors)


def remove(session: Session, source_id: str) -> tuple[list[str], int]:
    """Forget a source with its pages and chunks. The pages and the new revision."""
    pages = list(session.exec(select(t.Page.id).where(t.Page.source_id == source_id)))
    connection = session.connection()
    connection.execute(delete(t.Chunk).where(col(t.Chunk.page_id).in_(pages)))
    connection.execute(delete(t.Page).where(col(t.Page.source_id) == source_id))
    connection.execute(delete(t.Source).where(col(t.Source.id) == source_id))
    announce(session, "knowledge.updated", source_id, detail="source")
    return pages, _next_revision(session)


def indexed(session: Session) -> set[str]:
    """The pages that an index holds when it holds all."""
    return set(session.exec(select(t.Page.id).where(t.Page.chunks > 0)))


def stored(session: Session, since: int, after: str) -> list[Parts]:
    """The next pages (ids above `after`) changed after revision `since`, with their chunks."""
    pages = session.exec(
        select(t.Page)
        .where(col(t.Page.id) > after, t.Page.chunks > 0, col(t.Page.revision) > since)
        .order_by(col(t.Page.id))
        .limit(BATCH)
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
