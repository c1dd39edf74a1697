"""The log of state changes. Rows hold references only: wire data is made from current rows when it is sent, so that
erasing a customer or unsending a message rewrites no history."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

from invent_server.store.tables.base import Micros


class Counter(SQLModel, table=True):
    """Numbers that must rise without gaps being skipped: taken as the LAST statement of a transaction."""

    name: str = Field(primary_key=True)
    value: int = Field(sa_type=Micros)


class Event(SQLModel, table=True):
    """`ref` is the id of what changed; `detail` says in one word what about it."""

    seq: int = Field(primary_key=True, sa_type=Micros, sa_column_kwargs={"autoincrement": False})
    type: str
    at: int = Field(sa_type=Micros, index=True)
    inbox_id: str | None = None
    conversation_id: str | None = None
    ref: str
    detail: str | None = None
