"""The small steps that every change of a conversation is made of, all inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from invent_server.conversations.errors import Refused, not_found
from invent_server.delivery.outbox import withdraw
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.order import place
from invent_server.store.session import announce, hint, now
from shared.clock import SECOND
from shared.ids import new_id
from shared.text import clean_line

CONVERSATION = "conversation.updated"
CUSTOMER = "customer.updated"
CREATED = "message.created"
UPDATED = "message.updated"
_LOCKED: Any = select(t.Conversation).where(t.Conversation.id == bindparam("id")).with_for_update()


def load(session: Session, conversation_id: str, inboxes: Sequence[str] | None = None) -> t.Conversation:
    """The conversation, locked on PostgreSQL. `inboxes` limits what the caller may see. Raises Refused not_found.

    Whoever changes anything of a conversation locks its row first: changes follow one another, and none waits for
    another in a circle.
    """
    row: t.Conversation | None = session.exec(_LOCKED, params={"id": conversation_id}).one_or_none()
    if row is None or (inboxes is not None and row.inbox_id not in inboxes):
        raise not_found("conversation")
    return row


def expect(session: Session, row: t.Conversation, version: int | None) -> None:
    """Refuse a command that was made for another version of the conversation."""
    if version is not None and version != row.version:
        current = wire.conversation(session, row)
        raise Refused("stale", f"the conversation has changed (version {row.version})", current.model_dump(mode="json"))


def touch(session: Session, row: t.Conversation) -> None:
    """Give a changed conversation its new version and place, and announce it."""
    hidden = row.need == t.HIDDEN
    row.version += 1
    row.updated_at = now(session)
    row.need, row.need_at = place(row)
    session.add(row)
    if hidden and row.need != t.HIDDEN:  # one more conversation on the customer's card
        announce(session, CUSTOMER, row.customer_id)
    announce(session, CONVERSATION, row.id, conversation_id=row.id, inbox_id=row.inbox_id)


def append(session: Session, row: t.Conversation, message_id: str | None = None, **values: Any) -> t.Message:
    """Add a message with the next seq; `touch` is the caller's. Notes and events leave the preview alone."""
    row.last_seq += 1
    moment = now(session)
    message = t.Message(
        id=message_id or new_id(), conversation_id=row.id, seq=row.last_seq, created_at=moment, **values
    )
    session.add(message)
    if message.kind in wire.VISIBLE_KINDS:
        row.last_author = message.author_kind
        row.last_author_name = message.author_name
        row.last_text = clean_line(message.text, wire.PREVIEW)
        row.last_at = moment
    announce(session, CREATED, message.id, conversation_id=row.id, inbox_id=row.inbox_id)
    return message


def note_event(session: Session, row: t.Conversation, text: str, reason: str, agent: t.Agent | None = None) -> None:
    """A line of the thread that says what happened, for colleagues only."""
    append(
        session,
        row,
        author_kind="system",
        author_id=agent.id if agent else None,
        author_name=agent.name if agent else "",
        kind="event",
        text=text,
        reason=reason,
    )


def send(
    session: Session,
    row: t.Conversation,
    message: t.Message,
    node: str,
    instant: bool,
    lease: float,
    hold: float = 0.0,
) -> None:
    """Put a message for the customer on its way.

    `instant` (the web): the row is born `sending`, claimed by this node, and so is visible to the visitor from the
    commit on; a takeover then waits until it has left. Other channels: `queued`, claimed by the delivery worker after
    `hold` seconds, because what they have sent cannot be taken back.
    """
    moment = now(session)
    message.delivery = "sending" if instant else "queued"
    session.add(message)
    session.flush()
    session.add(
        t.Outbox(
            message_id=message.id,
            conversation_id=row.id,
            inbox_id=row.inbox_id,
            seq=message.seq,
            author_kind=message.author_kind,
            epoch=row.epoch,
            state="sending" if instant else "queued",
            attempts=1 if instant else 0,
            available_at=moment if instant else moment + round(hold * SECOND),
            lease_until=moment + round(lease * SECOND) if instant else None,
            token=message.id if instant else None,
            node=node if instant else None,
            created_at=moment,
        )
    )
    hint(session).outbox.add(message.id)


def silence(session: Session, row: t.Conversation) -> None:
    """End the assistant's right to speak: a new epoch, queued replies withdrawn, running turns asked to stop."""
    row.epoch += 1
    queued = session.exec(
        select(t.Outbox).where(
            t.Outbox.conversation_id == row.id, t.Outbox.state == "queued", t.Outbox.author_kind == "assistant"
        )
    ).all()
    for item in queued:
        message = withdraw(session, item)
        row.draft = message.text
        if row.status != "closed":
            row.waiting_since = row.waiting_since or message.created_at
    work = session.get(t.Work, row.id)
    if work is not None:
        session.delete(work)
    hint(session).stopped.add(row.id)


def schedule(session: Session, row: t.Conversation) -> None:
    """Ask the assistant to deal with what is unanswered."""
    work = session.get(t.Work, row.id)
    if work is None:
        session.add(t.Work(conversation_id=row.id, available_at=now(session)))
    else:
        work.available_at = now(session)
    hint(session).work.add(row.id)


def resume(session: Session, row: t.Conversation) -> None:
    """After a change of who speaks: what is unanswered and the assistant's goes to the assistant."""
    if row.status == "open" and row.handler == "assistant" and row.customer_seq > row.answered_seq:
        schedule(session, row)


def speaking(session: Session, conversation_id: str, epoch: int) -> tuple[list[t.Turn], list[t.Outbox]]:
    """What of the assistant is still under way from before `epoch`: running turns and rows being sent."""
    turns = session.exec(
        select(t.Turn).where(
            t.Turn.conversation_id == conversation_id, t.Turn.state == "running", col(t.Turn.epoch) < epoch
        )
    ).all()
    sends = session.exec(
        select(t.Outbox).where(
            t.Outbox.conversation_id == conversation_id,
            t.Outbox.state == "sending",
            t.Outbox.author_kind == "assistant",
            col(t.Outbox.epoch) < epoch,
        )
    ).all()
    return list(turns), list(sends)
