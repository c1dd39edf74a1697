"""What needs a person, derived from the rows themselves: a notice is gone when its cause is."""

from __future__ import annotations

from sqlmodel import Session, col, select

from invent_server.store import tables as t
from shared.clock import to_rfc3339
from shared.models import Notice

_KINDS = {
    "uncertain": ("It is not known whether a message arrived", "open the chat, ask the customer or send it again"),
    "failed": (
        "A message could not be delivered",
        "open the chat and read the reason; send it again when it is mended",
    ),
}


def notices(session: Session, inboxes: frozenset[str] | None = None, limit: int = 200) -> list[Notice]:
    """Every open notice that the caller may see, newest first."""
    query = (
        select(t.Outbox, t.Message)
        .join(t.Message, col(t.Message.id) == col(t.Outbox.message_id))
        .where(col(t.Outbox.state).in_(("uncertain", "failed")))
        .order_by(col(t.Outbox.created_at).desc())
        .limit(limit)
    )
    if inboxes is not None:
        query = query.where(col(t.Outbox.inbox_id).in_(inboxes))
    return [_notice(outbox, message) for outbox, message in session.exec(query)]


def notice_of(session: Session, message_id: str) -> Notice | None:
    """The open notice about a message, if there is one."""
    outbox = session.get(t.Outbox, message_id)
    if outbox is None or outbox.state not in _KINDS:
        return None
    return _notice(outbox, session.get_one(t.Message, message_id))


def _notice(outbox: t.Outbox, message: t.Message) -> Notice:
    title, remedy = _KINDS[outbox.state]
    return Notice(
        id=outbox.message_id,
        kind=outbox.state,
        title=title,
        detail=outbox.error or "",
        remedy=remedy,
        conversation_id=message.conversation_id,
        message_id=message.id,
        at=to_rfc3339(outbox.created_at),
    )
