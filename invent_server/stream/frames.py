"""Events -> frames, with the data of the rows as they are NOW: an erased customer leaves nothing in old events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import Row, by_id, rows
from invent_server.stream.socket import frame
from shared.clock import to_rfc3339
from shared.instructions import SECTIONS

MAX_SEQ = 2**62


@dataclass(frozen=True, slots=True)
class Framed:
    """One event ready to be sent. `visitor` is the visitor's frame of a message or a status, if there is one.

    `inboxes`: only agents of one of these may see it; None = everybody.
    """

    seq: int
    inboxes: frozenset[str] | None
    conversation_id: str | None
    agent: bytes
    visitor: bytes | None = None
    message_seq: int | None = None
    changed: bool = False
    rewrites: bool = False
    """Frames made before may hold what is no longer so (an erasure, an edit): they are not to be sent again."""


class Event(NamedTuple):
    """A row of the log. By the driver itself: under load each commit brings hundreds, and few have a listener."""

    seq: int
    type: str
    at: int
    inbox_id: str | None
    conversation_id: str | None
    ref: str
    detail: str | None


def events_after(session: Session, seq: int, limit: int, upto: int = MAX_SEQ) -> list[Event]:
    """Events with a number above `seq`, in order."""
    sql = "SELECT seq, type, at, inbox_id, conversation_id, ref, detail FROM event"
    found = rows(session.connection(), f"{sql} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", [seq, upto, limit])
    return [Event(*row) for row in found]


def last_seq(session: Session) -> int:
    """The number of the newest event."""
    return session.exec(select(t.Counter.value).where(t.Counter.name == "event")).one()


def oldest_seq(session: Session) -> int | None:
    """The number of the oldest event that is kept."""
    return session.exec(select(t.Event.seq).order_by(col(t.Event.seq)).limit(1)).one_or_none()


def make(session: Session, events: Sequence[Event]) -> list[Framed]:
    """Frames of `events`, in order; each row is read once."""
    messages = _rows(session, t.Message, events, "message.")
    customers = _rows(session, t.Customer, events, "customer.")
    memories = _rows(session, t.Memory, events, "memory.")
    jobs = _rows(session, t.Job, events, "knowledge.")
    talks = _rows(session, t.Conversation, events, "conversation.")
    objects: dict[str, Any] = {}
    for talk in wire.conversations(session, talks.values()):
        objects[talk.id] = talk.model_dump(mode="json")
    for key, message in messages.items():
        objects[key] = wire.message(message).model_dump(mode="json")
    for key, customer in customers.items():
        objects[key] = wire.customer(session, customer).model_dump(mode="json")
    for key, memory in memories.items():
        objects[key] = wire.memory(memory).model_dump(mode="json")
    for key, job in jobs.items():
        objects[key] = {
            "job_id": key,
            "source_id": job.source_id,
            "state": job.state,
            "done": job.done,
            "total": job.total,
        }
    framed = []
    for event in events:
        if event.type == "knowledge.updated":
            data = objects.get(event.ref) or {f"{event.detail or 'source'}_id": event.ref}
        elif event.type == "notice.updated":
            data = _notice(session, event)
        elif event.type == "instructions.updated":
            data = _instructions(session, event)
        else:
            data = objects.get(event.ref) or {"id": event.ref, "deleted": True}
        agent = frame(event.type, data, seq=event.seq, at=to_rfc3339(event.at))
        inboxes = _inboxes_of(session, event)
        one = _with_visitor(event, inboxes, agent, messages.get(event.ref), talks.get(event.ref))
        edited = event.type == "message.updated" and event.detail != "delivery"
        removed = data.get("deleted", False) and event.type != "notice.updated"
        framed.append(replace(one, rewrites=True) if edited or removed else one)
    return framed


def _inboxes_of(session: Session, event: Event) -> frozenset[str] | None:
    """Where an event may be seen. A customer and his memories: wherever he has written."""
    if event.inbox_id is not None:
        return frozenset((event.inbox_id,))
    customer_id = {"customer.updated": event.ref, "memory.updated": event.detail}.get(event.type)
    if customer_id is None:
        return None
    found = session.exec(select(t.Conversation.inbox_id).where(t.Conversation.customer_id == customer_id).distinct())
    return frozenset(found)


def _with_visitor(
    event: Event, inboxes: frozenset[str] | None, agent: bytes, message: t.Message | None, talk: t.Conversation | None
) -> Framed:
    visitor: bytes | None = None
    seq: int | None = None
    changed = False
    if message is not None and wire.visible(message) and event.detail != "delivery":
        visitor = frame("message", wire.public(wire.message(message)))
        seq, changed = message.seq, event.type == "message.updated"
    elif talk is not None:
        visitor = frame("status", wire.status(talk))
    return Framed(event.seq, inboxes, event.conversation_id, agent, visitor, seq, changed)


def _notice(session: Session, event: Event) -> dict[str, Any]:
    from invent_server.store.notices import notice_of

    notice = notice_of(session, event.ref)
    return notice.model_dump(mode="json") if notice else {"id": event.ref, "deleted": True}


def _instructions(session: Session, event: Event) -> dict[str, Any]:
    owner = session.get_one(t.Assistant, event.ref)
    section = event.detail if event.detail in SECTIONS else None
    return {"assistant": owner.slug, "version": owner.published, "section": section}


def _rows(session: Session, table: type[Row], events: Sequence[Event], prefix: str) -> dict[str, Row]:
    return by_id(session, table, {event.ref for event in events if event.type.startswith(prefix)})
