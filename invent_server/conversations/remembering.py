"""What agents add to, correct in, pin in, or take from a customer's memories. At most `CAP` each."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import Session, select

from invent_server.conversations import listing
from invent_server.conversations.control import Actor
from invent_server.conversations.errors import Refused, not_found
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import announce, now
from shared import commands as c
from shared import models as m
from shared.ids import new_id
from shared.text import storable

CAP = 30


def add(session: Session, actor: Actor, customer_id: str, body: c.PostMemory) -> m.Memory:
    """Remember something. Raises Refused when the customer has `CAP` memories already."""
    customer = listing.visible_customer(session, actor, customer_id)
    count = session.exec(select(func.count()).select_from(t.Memory).where(t.Memory.customer_id == customer.id)).one()
    if count >= CAP:
        raise Refused("invalid", f"{CAP} memories are kept per customer; forget one first")
    moment = now(session)
    row = t.Memory(
        id=new_id(),
        customer_id=customer.id,
        type=body.type,
        text=storable(body.text),
        pinned=body.pinned,
        author=actor.name,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    announce(session, "memory.updated", row.id, detail=customer.id)
    return wire.memory(row)


def edit(session: Session, actor: Actor, customer_id: str, memory_id: str, body: c.PatchMemory) -> m.Memory:
    """Correct, retype or pin."""
    row = _memory(session, actor, customer_id, memory_id)
    for field, value in body.model_dump(exclude_none=True).items():
        setattr(row, field, storable(value) if isinstance(value, str) else value)
    row.updated_at = now(session)
    session.add(row)
    announce(session, "memory.updated", row.id, detail=row.customer_id)
    return wire.memory(row)


def forget(session: Session, actor: Actor, customer_id: str, memory_id: str) -> None:
    """Remove for good."""
    row = _memory(session, actor, customer_id, memory_id)
    session.delete(row)
    announce(session, "memory.updated", row.id, detail=row.customer_id)


def _memory(session: Session, actor: Actor, customer_id: str, memory_id: str) -> t.Memory:
    customer = listing.visible_customer(session, actor, customer_id)
    row = session.get(t.Memory, memory_id)
    if row is None or row.customer_id != customer.id:
        raise not_found("memory")
    return row
