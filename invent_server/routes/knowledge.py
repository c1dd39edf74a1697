"""/api/v1/knowledge and /api/v1/jobs: the brain over HTTP."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field
from sqlalchemy import func
from sqlmodel import Session, col, select

from invent_server.conversations.errors import Refused, not_found
from invent_server.knowledge.library import article_of, file_of
from invent_server.knowledge.types import IndexUnavailable
from invent_server.routes.table import Call, Query, Route
from invent_server.store import tables as t
from invent_server.store import wire
from shared import commands as c
from shared import models as m
from shared.settings import Settings

BASE = "/api/v1/knowledge"


class SearchQuery(Query):
    q: Annotated[str, Field(min_length=1, max_length=1000)]
    k: Annotated[int, Field(ge=1, le=50)] = 8
    lang: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None


class PagesQuery(Query):
    source: str | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    cursor: Annotated[str, Field(max_length=400)] | None = None


async def search(call: Call) -> m.Page[m.Hit]:
    query: SearchQuery = call.query
    try:
        found = await call.services.library.search(query.q, k=query.k, lang=query.lang)
    except IndexUnavailable:
        raise Refused("unavailable", "the index is being prepared; try again in a moment", retry_after=2) from None
    return m.Page(
        items=[
            m.Hit(
                chunk_id=hit.chunk.id,
                page_id=hit.chunk.page_id,
                source_id=hit.chunk.source_id,
                title=hit.chunk.title,
                url=hit.chunk.url,
                text=hit.chunk.text,
                lang=hit.chunk.lang,
                score=hit.score,
                scores=m.Scores(dense=hit.dense, lexical=hit.lexical, ngram=hit.ngram),
            )
            for hit in found.hits
        ]
    )


def upload_limit(settings: Settings) -> int:
    """Bytes of a body that holds a file of `http.max_upload` bytes as base64, and what stands around it."""
    return settings.http.max_upload * 4 // 3 + 65_536


async def add(call: Call) -> tuple[int, m.Accepted]:
    body: c.PostSource = call.body
    most = call.services.settings.http.max_upload
    data = body.data or ""
    if len(data) * 3 // 4 - data[-2:].count("=") > most or len(body.text or "") > most:
        raise Refused("too_large", f"the file has more than {most} bytes (http.max_upload)")
    try:
        articles = [article_of(body)] if body.kind == "text" else [await asyncio.to_thread(file_of, body)]
    except ValueError as error:
        raise Refused("invalid", str(error), [{"field": body.name or body.kind, "problem": str(error)}]) from None
    return 202, await call.services.library.add(articles)


async def sources(call: Call) -> m.Page[m.Source]:
    def read(session: Session) -> m.Page[m.Source]:
        found = session.exec(
            select(t.Source, func.count(col(t.Page.id)), func.coalesce(func.sum(t.Page.chunks), 0))
            .join(t.Page, col(t.Page.source_id) == col(t.Source.id), isouter=True)
            .group_by(*t.Source.__table__.columns)  # type: ignore[attr-defined]
            .order_by(col(t.Source.title), col(t.Source.id))
        )
        return m.Page(items=[wire.source(row, pages, chunks) for row, pages, chunks in found])

    return await call.read(read)


async def remove(call: Call) -> None:
    id_ = call.params["id"]
    if await call.services.store.read(lambda s: s.get(t.Source, id_)) is None:
        raise not_found("source")
    await call.services.library.remove(id_)


async def pages(call: Call) -> m.Page[m.KnowledgePage]:
    query: PagesQuery = call.query

    def read(session: Session) -> m.Page[m.KnowledgePage]:
        found = select(t.Page).order_by(col(t.Page.id)).limit(query.limit + 1)
        if query.source is not None:
            found = found.where(t.Page.source_id == query.source)
        if query.cursor is not None:
            found = found.where(col(t.Page.id) > query.cursor)
        rows = session.exec(found).all()
        last = rows[query.limit - 1].id if len(rows) > query.limit else None
        return m.Page(items=[wire.page(row) for row in rows[: query.limit]], next_cursor=last)

    return await call.read(read)


async def page(call: Call) -> m.KnowledgePage:
    def read(session: Session) -> m.KnowledgePage:
        row = session.get(t.Page, call.params["id"])
        if row is None:
            raise not_found("page")
        return wire.page(row, text=True)

    return await call.read(read)


async def reindex_page(call: Call) -> tuple[int, m.Job]:
    await page(call)
    return 202, await call.services.library.reindex(call.params["id"], None)


async def reindex(call: Call) -> tuple[int, m.Job]:
    body: c.Reindex = call.body
    return 202, await call.services.library.reindex(body.page, body.source)


async def job(call: Call) -> m.Job:
    def read(session: Session) -> m.Job:
        row = session.get(t.Job, call.params["id"])
        if row is None:
            raise not_found("job")
        return wire.job(row)

    return await call.read(read)


_E = ("not_found", "invalid", "too_large", "unavailable")

ROUTES = [
    Route("GET", BASE + "/search", "agent", search, "Search", query=SearchQuery, answer=m.Page[m.Hit], errors=_E),
    Route("GET", BASE + "/sources", "agent", sources, "Sources", answer=m.Page[m.Source]),
    Route(
        "POST",
        BASE + "/sources",
        "manager",
        add,
        "Add",
        c.PostSource,
        answer=m.Accepted,
        status=202,
        errors=_E,
        limit=upload_limit,
    ),
    Route("DELETE", BASE + "/sources/{id}", "manager", remove, "Forget a source", status=204, errors=_E),
    Route("GET", BASE + "/pages", "agent", pages, "Pages", query=PagesQuery, answer=m.Page[m.KnowledgePage]),
    Route("GET", BASE + "/pages/{id}", "agent", page, "A page as it was read", answer=m.KnowledgePage, errors=_E),
    Route(
        "POST",
        BASE + "/pages/{id}/reindex",
        "manager",
        reindex_page,
        "Index a page again",
        c.Nothing,
        answer=m.Job,
        status=202,
        errors=_E,
    ),
    Route("POST", BASE + "/reindex", "manager", reindex, "Index again", c.Reindex, answer=m.Job, status=202, errors=_E),
    Route("GET", "/api/v1/jobs/{id}", "agent", job, "A job", answer=m.Job, errors=_E),
]
