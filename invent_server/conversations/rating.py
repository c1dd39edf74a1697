"""What visitors do beside writing: rate a chat that was closed, read what was answered."""

from __future__ import annotations

from sqlmodel import Session, col, select

from invent_server.conversations import changes
from invent_server.conversations.errors import Refused
from invent_server.store import tables as t
from invent_server.store.session import announce, now
from shared import commands as c
from shared.text import clean_line, storable

MARKED = 50
"""Newest messages that one look at the page marks as read."""


def rate(session: Session, conversation_id: str, body: c.WebCsat) -> None:
    """Keep the customer's score; once for each closing. Raises Refused `exists`."""
    row = changes.load(session, conversation_id)
    if row.rated_at is not None and (row.closed_at is None or row.rated_at >= row.closed_at):
        raise Refused("exists", "this chat is rated already")
    comment = storable(body.comment).strip() if body.comment else ""
    row.csat, row.csat_comment, row.rated_at = body.score, comment or None, now(session)
    said = f": {clean_line(comment, 500)}" if comment else ""
    changes.note_event(session, row, f"The customer rated the chat: {body.score} of 5{said}", "csat")
    changes.touch(session, row)


def seen(session: Session, conversation_id: str, seq: int) -> None:
    """The visitor has what was said up to `seq` before their eyes."""
    row = changes.load(session, conversation_id)
    unread = session.exec(
        select(t.Message)
        .where(
            t.Message.conversation_id == row.id,
            t.Message.seq <= seq,
            t.Message.author_kind != "customer",
            col(t.Message.delivery).in_(("sending", "sent", "delivered")),
        )
        .order_by(col(t.Message.seq).desc())
        .limit(MARKED)
    ).all()
    for message in reversed(unread):
        message.delivery, message.seen_at = "read", now(session)
        session.add(message)
        announce(session, changes.UPDATED, message.id, conversation_id=row.id, inbox_id=row.inbox_id, detail="delivery")
