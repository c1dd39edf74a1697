"""Rows that tests begin with, and what they read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from invent_server.conversations.receive import Inbound, Received, receive_many
from invent_server.conversations.visitors import Claim, visit
from invent_server.store import tables as t
from invent_server.store.database import Store
from invent_server.store.session import now
from invent_server.team import first_start
from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class Company:
    """One inbox and the agents `admin`, `ana`, `ben`."""

    inbox_id: str
    kind: str
    agents: dict[str, str]


async def company(store: Store, kind: str = "web", mode: str = "automatic", **settings: str) -> Company:
    """Fill an empty database with what every server has."""

    def make(session: Session) -> Company:
        first_start(session)
        session.flush()
        assistant = session.exec(select(t.Assistant.id)).one()
        row = t.Inbox(
            id=new_id(),
            name="site",
            kind=kind,
            mode=mode,
            assistant_id=assistant,
            settings=dict(settings),
            created_at=now(session),
        )
        session.add(row)
        for name in ("ana", "ben"):
            session.add(t.Agent(id=new_id(), name=name, created_at=now(session)))
        session.flush()
        return Company(row.id, kind, {one.name: one.id for one in session.exec(select(t.Agent))})

    return await store.write(make)


async def conversation(store: Store, made: Company, customer: str = "zoe") -> str:
    """An empty conversation of a customer; the same one at every call while it is open."""

    def find(session: Session) -> str:
        inbox = session.get_one(t.Inbox, made.inbox_id)
        return visit(session, inbox, Claim(f"user:{customer}", name=customer), 86400).conversation_id

    return await store.write(find)


def inbound(made: Company, conversation_id: str, key: str, text: str = "hello", **more: Any) -> Inbound:
    """A customer's message. `key`: what the channel calls it."""
    values: dict[str, Any] = {"mode": "automatic", "customer_name": "zoe", **more}
    return Inbound(
        key=f"{made.inbox_id}:{key}", inbox_id=made.inbox_id, conversation_id=conversation_id, text=text, **values
    )


async def say(store: Store, made: Company, conversation_id: str, key: str, text: str = "hello") -> Received:
    """The customer writes."""
    return await store.write_batched(receive_many, inbound(made, conversation_id, key, text))


async def rows(store: Store, table: type[Any], *conditions: Any) -> list[Any]:
    """All rows of a table that match."""
    return await store.read(lambda session: list(session.exec(select(table).where(*conditions))))


async def event_seqs(store: Store) -> Sequence[int]:
    return await store.read(lambda session: list(session.exec(select(t.Event.seq).order_by(col(t.Event.seq)))))
