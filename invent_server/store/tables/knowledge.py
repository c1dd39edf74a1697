"""Knowledge as it was read. The index is derived from here and can be rebuilt at any time."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from invent_server.store.tables.base import Micros, one_of
from shared.models import JobState, PageStatus


class Source(SQLModel, table=True):
    """What knowledge was read from. `origin`: the same one again is this source, read anew."""

    __table_args__ = (Index(None, "assistant_id", "origin", unique=True),)
    id: str = Field(primary_key=True)
    assistant_id: str = Field(foreign_key="assistant.id")
    kind: str
    title: str
    url: str | None = None
    lang: str | None = None
    origin: str | None = None
    created_at: int = Field(sa_type=Micros)
    updated_at: int = Field(sa_type=Micros)


class Page(SQLModel, table=True):
    """One article. `revision` is the knowledge revision of its last change: what the index must have seen."""

    __table_args__ = (one_of("status", PageStatus), Index(None, "source_id"), Index(None, "revision"))
    id: str = Field(primary_key=True)
    source_id: str = Field(foreign_key="source.id", ondelete="CASCADE")
    title: str
    url: str | None = None
    lang: str | None = None
    status: str = "pending"
    reason: str | None = None
    text: str = ""
    hash: str = ""
    chunks: int = 0
    uses: int = 0
    revision: int = Field(default=0, sa_type=Micros)
    read_at: int | None = Field(default=None, sa_type=Micros)


class Chunk(SQLModel, table=True):
    __table_args__ = (Index(None, "page_id", "ordinal"),)
    id: str = Field(primary_key=True)
    page_id: str = Field(foreign_key="page.id", ondelete="CASCADE")
    ordinal: int
    heading: str = ""
    text: str
    lang: str


class Job(SQLModel, table=True):
    __table_args__ = (one_of("state", JobState),)
    id: str = Field(primary_key=True)
    kind: str
    source_id: str | None = None
    state: str = "queued"
    done: int = 0
    total: int = 0
    errors: int = 0
    reason: str | None = None
    created_at: int = Field(sa_type=Micros)
    ended_at: int | None = Field(default=None, sa_type=Micros)
