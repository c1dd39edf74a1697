"""A customer's message becomes durable: receipt, message, conversation, events and work in ONE transaction.

This is the path that must stay short. Messages that arrive while the last commit runs are written together, by the
driver's own executemany; everything slow (language, intent, answer) happens later, in the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection
from sqlmodel import Session

from invent_server.conversations.changes import CONVERSATION, CREATED, CUSTOMER
from invent_server.conversations.errors import Refused, not_found
from invent_server.store import wire
from invent_server.store.order import place
from invent_server.store.session import announce, any_of, hint, insert, now, rows, update
from invent_server.store.tables import HIDDEN
from shared.clock import to_rfc3339
from shared.ids import new_id
from shared.models import Attachment, Author, Message
from shared.text import clean_line, storable

_STATE = (
    "id, inbox_id, customer_id, handler, assignee_id, status, priority, unread, version, epoch, last_seq, customer_seq,"
    " waiting_since, last_at, handoff_reason, handoff_detail, snoozed_until, closed_at, need, need_at, last_text"
)
_CHANGED = (
    *("handler", "assignee_id", "status", "unread", "version", "epoch", "last_seq", "customer_seq", "waiting_since"),
    *("last_at", "handoff_reason", "handoff_detail", "snoozed_until", "closed_at", "need", "need_at", "last_text"),
    *("last_author", "last_author_name", "updated_at"),
)
_MESSAGE = (
    *("id", "conversation_id", "seq", "author_kind", "author_id", "author_name", "kind", "text", "attachments"),
    *("citations", "client_id", "sent_at", "created_at"),
)
_RECEIPT = ("key", "inbox_id", "conversation_id", "message_id", "raw", "arrived_at", "checked_us", "received_at")


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message from outside. `key` names it for ever: inbox + the channel's own id of it."""

    key: str
    inbox_id: str
    mode: str
    """The inbox's mode: who answers."""
    conversation_id: str
    customer_name: str
    text: str
    sent_at: int | None = None
    client_id: str | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    """As the message keeps them; files of this server (store/blobs.py) by their ids."""
    raw: str | None = None
    arrived_at: int | None = None
    """When the request came, by the store's clock."""
    checked_us: int | None = None
    """Microseconds spent on verifying and reading it."""


@dataclass(slots=True)
class Received:
    """What became of it: the stored message, whether it is new, or why it was refused."""

    message: Message | None
    new: bool
    error: Refused | None = None


@dataclass(slots=True)
class _State:
    """A conversation as far as a new message changes it; field names are column names."""

    id: str
    inbox_id: str
    customer_id: str
    handler: str
    assignee_id: str | None
    status: str
    priority: str
    unread: int
    version: int
    epoch: int
    last_seq: int
    customer_seq: int
    waiting_since: int | None
    last_at: int | None
    handoff_reason: str | None
    handoff_detail: str | None
    snoozed_until: int | None
    closed_at: int | None
    need: int
    need_at: int
    last_text: str
    work: bool = field(default=False)

    def take(self, preview: str, mode: str, moment: int) -> None:
        """One more customer message."""
        if self.status == "closed":
            self.handler, self.assignee_id, self.closed_at = "assistant", None, None
            self.handoff_reason = self.handoff_detail = None
            self.epoch += 1
        if self.status != "open":
            self.status, self.snoozed_until = "open", None
        if self.handler == "assistant" and mode in ("off", "humans_first"):
            self.handler, self.handoff_reason = "queue", mode
            self.handoff_detail = "people answer first in this inbox"
        self.last_seq += 1
        self.customer_seq = self.last_seq
        self.unread += 1
        self.version += 1
        self.waiting_since = self.waiting_since or moment
        self.last_at, self.last_text = moment, clean_line(preview, wire.PREVIEW)
        self.need, self.need_at = place(self)
        self.work = self.handler == "assistant"


def receive_many(session: Session, items: list[Inbound]) -> list[Received]:
    """Store `items`, in order. A message that is known already is answered with what was stored. For write_batched."""
    connection = session.connection()
    moment = now(session)
    # Locked first: whoever stores the same key at this moment has committed when the receipts are read.
    states = _states(connection, {item.conversation_id for item in items})
    known = _known(connection, items)
    results: list[Received] = []
    made: dict[str, Message] = {}
    message_rows: list[tuple[Any, ...]] = []
    receipt_rows: list[tuple[Any, ...]] = []
    files: list[tuple[str, str]] = []
    touched: dict[str, tuple[_State, str]] = {}
    for item in items:
        earlier = made.get(item.key) or known.get(item.key)
        if earlier is not None:
            results.append(Received(earlier, False))
            continue
        state = states.get(item.conversation_id)
        if state is None:
            results.append(Received(None, False, not_found("conversation")))
            continue
        text = storable(item.text)
        if state.need == HIDDEN:  # one more conversation on the customer's card
            announce(session, CUSTOMER, state.customer_id)
        state.take(text.strip() or wire.names(item.attachments), item.mode, moment)
        message = Message(
            id=new_id(),
            conversation_id=state.id,
            seq=state.last_seq,
            author=Author(kind="customer", id=state.customer_id, name=item.customer_name),
            text=text,
            attachments=[Attachment.model_validate(one) for one in item.attachments],
            sent_at=to_rfc3339(item.sent_at) if item.sent_at else None,
            created_at=to_rfc3339(moment),
        )
        files += [(message.id, str(one["id"])) for one in item.attachments]
        made[item.key] = message
        message_rows.append(
            (
                *(message.id, state.id, state.last_seq, "customer", state.customer_id, item.customer_name, "text"),
                *(text, _json(item.attachments), "[]", item.client_id, item.sent_at, moment),
            )
        )
        receipt_rows.append(
            (item.key, item.inbox_id, state.id, message.id, item.raw, item.arrived_at, item.checked_us, moment)
        )
        touched[state.id] = (state, item.customer_name)
        announce(session, CREATED, message.id, conversation_id=state.id, inbox_id=state.inbox_id)
        results.append(Received(message, True))
    _store(session, connection, message_rows, receipt_rows, touched, moment)
    update(connection, "file", ("message_id",), files)
    return results


def _store(
    session: Session,
    connection: Connection,
    messages: list[tuple[Any, ...]],
    receipts: list[tuple[Any, ...]],
    touched: dict[str, tuple[_State, str]],
    moment: int,
) -> None:
    insert(connection, "message", _MESSAGE, messages)
    insert(connection, "receipt", _RECEIPT, receipts)
    states = [state for state, _ in touched.values()]
    update(
        connection,
        "conversation",
        _CHANGED,
        [
            (
                *(s.handler, s.assignee_id, s.status, s.unread, s.version, s.epoch, s.last_seq),
                *(s.customer_seq, s.waiting_since, s.last_at, s.handoff_reason, s.handoff_detail, s.snoozed_until),
                *(s.closed_at, s.need, s.need_at, s.last_text, "customer", name, moment, s.id),
            )
            for s, name in touched.values()
        ],
    )
    insert(
        connection,
        "work",
        ("conversation_id", "available_at", "attempts"),
        [(s.id, moment, 0) for s in states if s.work],
        "ON CONFLICT (conversation_id) DO UPDATE SET available_at = excluded.available_at, attempts = 0",
    )
    for state in states:
        announce(session, CONVERSATION, state.id, conversation_id=state.id, inbox_id=state.inbox_id)
        if state.work:
            hint(session).work.add(state.id)


def _known(connection: Connection, items: Sequence[Inbound]) -> dict[str, Message]:
    """Messages of keys that were taken in before."""
    condition, bound = any_of(connection, "r.key", [item.key for item in items])
    found = rows(
        connection,
        "SELECT r.key, m.id, m.conversation_id, m.seq, m.author_id, m.author_name, m.text, m.sent_at, m.created_at,"
        " m.attachments"
        f" FROM receipt r JOIN message m ON m.id = r.message_id WHERE {condition}",
        [bound],
    )
    return {
        row[0]: Message(
            id=row[1],
            conversation_id=row[2],
            seq=row[3],
            author=Author(kind="customer", id=row[4], name=row[5]),
            text=row[6],
            sent_at=to_rfc3339(row[7]) if row[7] else None,
            created_at=to_rfc3339(row[8]),
            attachments=orjson.loads(row[9]) if row[9] else [],
        )
        for row in found
    }


def _states(connection: Connection, ids: set[str]) -> dict[str, _State]:
    condition, bound = any_of(connection, "id", sorted(ids))
    lock = "" if connection.dialect.name == "sqlite" else " ORDER BY id FOR UPDATE"
    found = rows(connection, f"SELECT {_STATE} FROM conversation WHERE {condition}{lock}", [bound])
    return {row[0]: _State(*row) for row in found}


def _json(value: tuple[dict[str, Any], ...]) -> str:
    return orjson.dumps(value).decode() if value else "[]"
