"""The database side of sending: claim a message, record what became of it. Each function runs in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from invent_server.channels.base import Refused, Result, Retry, Sent
from invent_server.store import tables as t
from invent_server.store.session import announce, hint, now
from shared.clock import SECOND
from shared.ids import new_id

_Earlier = aliased(t.Outbox)
# Made once: asked after each message that is sent, and building it takes longer than running it.
_DUE: Any = (
    select(t.Outbox.message_id)
    .where(
        t.Outbox.state == "queued",
        t.Outbox.available_at <= bindparam("now"),
        ~select(_Earlier.message_id)
        .where(
            _Earlier.conversation_id == col(t.Outbox.conversation_id),
            _Earlier.seq < col(t.Outbox.seq),
            col(_Earlier.state).in_(("queued", "sending")),
        )
        .exists(),
    )
    .order_by(col(t.Outbox.available_at), col(t.Outbox.seq))
    .limit(bindparam("limit"))
)

_HELD: Any = select(t.Outbox).where(
    t.Outbox.conversation_id == bindparam("conversation"),
    t.Outbox.state == "queued",
    t.Outbox.author_kind == "assistant",
    t.Outbox.attempts == 0,
)


_TRIES = 20
"""Of more tries than these only the last are remembered one by one."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this node may send while it holds `token`."""

    message_id: str
    conversation_id: str
    inbox_id: str
    token: str
    attempts: int
    at: int
    """When this try began, in microseconds."""


def due(session: Session, limit: int) -> list[str]:
    """Messages that wait to be sent now, oldest first; of each conversation only the first that is not settled."""
    return list(session.exec(_DUE, params={"now": now(session), "limit": limit}))


def claim(session: Session, message_id: str, node: str, lease: float) -> Claimed | None:
    """Take a message for sending. None: somebody has it, it waits its turn, or the assistant may no longer speak.

    A row that was born `sending` on this node (the web) is claimed by its own token.
    """
    epoch, row = _locked(session, message_id)
    if row is None:
        return None
    if row.state == "sending" and row.node == node and row.token == message_id:
        return Claimed(row.message_id, row.conversation_id, row.inbox_id, row.token, row.attempts, now(session))
    if row.state != "queued" or row.available_at > now(session):
        return None
    earlier = session.exec(
        select(t.Outbox.message_id)
        .where(
            t.Outbox.conversation_id == row.conversation_id,
            t.Outbox.seq < row.seq,
            col(t.Outbox.state).in_(("queued", "sending")),
        )
        .limit(1)
    ).first()
    if earlier is not None:
        return None
    if row.author_kind == "assistant" and epoch != row.epoch:
        withdraw(session, row)
        return None
    if row.author_kind == "assistant" and row.attempts == 0 and session.get(t.Work, row.conversation_id) is not None:
        return None  # the customer has written more: a new turn takes this reply back and answers everything
    row.state, row.node, row.token = "sending", node, new_id()
    row.attempts += 1
    row.lease_until = now(session) + round(lease * SECOND)
    session.add(row)
    _mirror(session, row, "sending", None)
    return Claimed(row.message_id, row.conversation_id, row.inbox_id, row.token, row.attempts, now(session))


def record(session: Session, claimed: Claimed, result: Result, pauses: Sequence[float]) -> str | None:
    """Write down the result of a send; the new state, or None when the claim was lost meanwhile.

    `pauses`: seconds before each next try, jitter included by the caller; when they are used up the message is dead.
    """
    epoch, row = _locked(session, claimed.message_id)
    if row is None or row.state != "sending" or row.token != claimed.token:
        return None
    if isinstance(result, Sent):
        row.state, row.sent_at, row.external_id, row.error = "sent", now(session), result.external_id, None
    elif isinstance(result, Retry) and row.author_kind == "assistant" and row.epoch != epoch:
        withdraw(session, row)
    elif isinstance(result, Retry) and row.attempts <= len(pauses):
        pause = max(result.after or 0.0, pauses[row.attempts - 1])
        row.state, row.error = "queued", result.error
        row.available_at = now(session) + round(pause * SECOND)
    elif isinstance(result, Retry | Refused):
        row.state, row.error = "failed", result.error
    else:
        row.state, row.error = "uncertain", result.error
    row.lease_until = row.token = None
    row.tries = [*(row.tries or ())[-_TRIES:], [claimed.at, now(session), type(result).__name__.lower(), row.error]]
    session.add(row)
    if row.state != "withdrawn":
        _mirror(session, row, row.state, row.error)
    return row.state


def held(session: Session, conversation_id: str) -> list[t.Outbox]:
    """Replies of the assistant that are complete and have not been tried yet: they can still be taken back."""
    return list(session.exec(_HELD, params={"conversation": conversation_id}))


def withdraw(session: Session, row: t.Outbox) -> t.Message:
    """Take a reply back that has not left: what it answered is unanswered again, unless the chat is closed."""
    row.state, row.error, row.lease_until, row.token = "withdrawn", None, None, None
    session.add(row)
    message = _mirror(session, row, "failed", "withdrawn")
    talk = session.get_one(t.Conversation, row.conversation_id)
    if talk.status != "closed" and message.covers_first is not None:
        talk.answered_seq = min(talk.answered_seq, message.covers_first - 1)
        session.add(talk)
    return message


def _locked(session: Session, message_id: str) -> tuple[int | None, t.Outbox | None]:
    """The conversation's epoch and the row. The conversation is locked first, as by everybody who changes something
    of it: a takeover is before this or after it, never between."""
    epoch = session.exec(
        select(t.Conversation.epoch)
        .join(t.Outbox, col(t.Outbox.conversation_id) == col(t.Conversation.id))
        .where(t.Outbox.message_id == message_id)
        .with_for_update(of=t.Conversation)
    ).one_or_none()
    return epoch, session.get(t.Outbox, message_id)


def doubt(session: Session, node: str, reborn: bool) -> int:
    """Rows in `sending` whose sender is gone: `uncertain`, for a person to decide. Returns how many.

    `reborn`: this node starts anew, so its own former claims are dead whatever their lease says. What was being
    pushed to the web is safe to push again: the visitor's page knows the message by its id.
    """
    moment = now(session)
    dead = [col(t.Outbox.lease_until) < moment]
    if reborn:
        dead.append(col(t.Outbox.node) == node)
    rows = session.exec(select(t.Outbox).where(t.Outbox.state == "sending", or_(*dead)).with_for_update()).all()
    for row in rows:
        if row.token == row.message_id:
            row.node, row.lease_until = node, moment + 30 * SECOND
            hint(session).outbox.add(row.message_id)
        else:
            row.state, row.token, row.error = "uncertain", None, "the server stopped before the channel had answered"
            _mirror(session, row, "uncertain", row.error)
        session.add(row)
    return len(rows)


def _mirror(session: Session, row: t.Outbox, state: str, error: str | None) -> t.Message:
    """Show the outbox's state on the message, and tell everybody. Gives the message."""
    message = session.get_one(t.Message, row.message_id)
    was = message.delivery
    if not (was == "read" and state in ("sending", "sent")):  # the visitor was quicker than the record of the send
        message.delivery, message.delivery_error = state, error
    session.add(message)
    announce(
        session,
        "message.updated",
        message.id,
        conversation_id=row.conversation_id,
        inbox_id=row.inbox_id,
        detail="delivery",
    )
    if {was, state} & {"uncertain", "failed"} and row.state != "withdrawn":
        announce(session, "notice.updated", message.id, conversation_id=row.conversation_id, inbox_id=row.inbox_id)
    return message
