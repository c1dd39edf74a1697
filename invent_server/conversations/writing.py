"""What agents write: replies, notes, tags and priority, reading; and chats that an agent begins."""

from __future__ import annotations

from sqlmodel import Session, col, select

from invent_server.conversations import attaching, changes
from invent_server.conversations.control import Actor, visible_inboxes
from invent_server.conversations.errors import Refused, not_found
from invent_server.conversations.visitors import start_conversation
from invent_server.store import tables as t
from invent_server.store import wire
from shared import commands as c
from shared import models as m
from shared.text import storable


def reply(session: Session, actor: Actor, conversation_id: str, body: c.Reply, node: str, lease: float) -> m.Message:
    """An agent's reply to the customer. 409 `not_handler` unless the agent has the chat."""
    row = changes.load(session, conversation_id, visible_inboxes(actor))
    changes.expect(session, row, body.version)
    if row.status == "closed":
        raise Refused("closed", "the conversation is closed; take it over or reopen it first")
    if row.handler != "agent" or row.assignee_id != actor.id:
        raise Refused("not_handler", "take the conversation over before you reply", {"handler": row.handler})
    inbox = session.get_one(t.Inbox, row.inbox_id)
    if body.attachments and inbox.kind != "web":
        raise Refused("invalid", f"attachments: a chat of kind {inbox.kind} takes no files", [{"field": "attachments"}])
    files = attaching.take(session, body.attachments, row.id, inbox.name, "agent")
    message = changes.append(
        session,
        row,
        author_kind="agent",
        author_id=actor.id,
        author_name=actor.name,
        text=storable(body.text),
        attachments=list(files),
        covers_first=row.answered_seq + 1,
        covers_last=row.customer_seq,
    )
    attaching.sent(session, body.attachments, message.id)
    row.answered_seq, row.waiting_since, row.unread, row.draft = row.customer_seq, None, 0, ""
    row.read_seq = row.customer_seq
    changes.send(session, row, message, node, inbox.kind == "web", lease)
    changes.touch(session, row)
    session.flush()
    return wire.message(message)


def note(session: Session, actor: Actor, conversation_id: str, body: c.Note) -> m.Message:
    """A note for colleagues: the customer never sees it."""
    row = changes.load(session, conversation_id, visible_inboxes(actor))
    changes.expect(session, row, body.version)
    message = changes.append(
        session,
        row,
        author_kind="agent",
        author_id=actor.id,
        author_name=actor.name,
        kind="note",
        text=storable(body.text),
        attachments=list(attaching.take(session, body.attachments, row.id, "", "agent")),
    )
    attaching.sent(session, body.attachments, message.id)
    changes.touch(session, row)
    session.flush()
    return wire.message(message)


def patch(session: Session, actor: Actor, conversation_id: str, body: c.PatchConversation) -> m.Conversation:
    """Change tags and priority."""
    row = changes.load(session, conversation_id, visible_inboxes(actor))
    changes.expect(session, row, body.version)
    if body.tags is not None:
        row.tags = sorted({storable(tag).strip().casefold() for tag in body.tags if tag.strip()})
    if body.priority is not None:
        row.priority = body.priority
    changes.touch(session, row)
    session.flush()
    return wire.conversation(session, row)


def read(session: Session, actor: Actor, conversation_id: str) -> m.Conversation:
    """An agent has seen everything that is there."""
    row = changes.load(session, conversation_id, visible_inboxes(actor))
    if row.unread:
        row.unread, row.read_seq = 0, row.customer_seq
        changes.touch(session, row)
        session.flush()
    return wire.conversation(session, row)


def start(session: Session, actor: Actor, body: c.StartConversation) -> str:
    """The conversation in which an agent may write first: the customer's open one on that inbox, or a new one.

    The caller takes it over and replies. Returns its id.
    """
    inbox = session.exec(select(t.Inbox).where(t.Inbox.name == body.inbox)).one_or_none()
    if inbox is None or (actor.inboxes is not None and inbox.id not in actor.inboxes):
        raise not_found("inbox")
    customer = session.get(t.Customer, body.customer)
    if customer is None:
        raise not_found("customer")
    known = session.exec(
        select(t.Identity.id).where(t.Identity.customer_id == customer.id, t.Identity.inbox_id == inbox.id).limit(1)
    ).first()
    if known is None:
        raise Refused("invalid", f"the customer has never written on {inbox.name}; it could arrive nowhere")
    row = session.exec(
        select(t.Conversation)
        .where(
            t.Conversation.customer_id == customer.id,
            t.Conversation.inbox_id == inbox.id,
            t.Conversation.status != "closed",
        )
        .order_by(col(t.Conversation.created_at).desc())
        .limit(1)
    ).first()
    return (row or start_conversation(session, inbox, customer)).id
