"""Files of a conversation: taken in, sent with a message, given out to whoever may see the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from invent_server.conversations.errors import Refused, not_found
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.blobs import Blob
from invent_server.store.session import hint, now
from shared.clock import SECOND
from shared.models import Attachment
from shared.text import clean_line, storable

UNSENT = 86_400
"""Seconds after which a file that was uploaded and never sent goes."""
NAME = 120


def add(session: Session, blob: Blob, conversation: t.Conversation, author_kind: str, name: str) -> Attachment:
    """Note an uploaded file; nobody else sees it before a message takes it along."""
    row = t.File(
        id=blob.id,
        inbox_id=conversation.inbox_id,
        conversation_id=conversation.id,
        author_kind=author_kind,
        name=file_name(name),
        type=blob.type,
        size=blob.size,
        created_at=now(session),
    )
    session.add(row)
    return Attachment(id=row.id, name=row.name, type=row.type, size=row.size)


def file_name(given: str) -> str:
    """A name as it may be shown and saved: the last part of a path, one clean line, never hidden or empty."""
    last = clean_line(storable(given)).replace("\\", "/").rpartition("/")[2]
    kept = "".join("_" if c in '<>:"|?*' else c for c in last).strip(". ")
    if len(kept) > NAME:
        stem, dot, ending = kept.rpartition(".")
        kept = f"{stem[: NAME - 12]}{dot}{ending}" if dot and len(ending) <= 10 else kept[:NAME]
    return kept or "file"


def take(
    session: Session, ids: Sequence[str], conversation_id: str, inbox: str, author_kind: str
) -> tuple[dict[str, Any], ...]:
    """What a message keeps of the files that go with it. Raises Refused when one is not the writer's own and unsent."""
    wanted = list(dict.fromkeys(ids))
    found = {row.id: row for row in session.exec(select(t.File).where(col(t.File.id).in_(wanted)))} if wanted else {}
    for file_id in wanted:
        row = found.get(file_id)
        if row is None or row.conversation_id != conversation_id or row.author_kind != author_kind:
            problem = f"attachments: {clean_line(file_id, 60)!r} is no file of this conversation; upload it first"
            raise Refused("invalid", problem, [{"field": "attachments", "problem": "unknown file"}])
    rows = [found[file_id] for file_id in wanted]
    return tuple(
        {"id": row.id, "name": row.name, "type": row.type, "size": row.size, "state": "stored", "inbox": inbox}
        for row in rows
    )


def sent(session: Session, ids: Sequence[str], message_id: str) -> None:
    """These files went with this message."""
    for row in session.exec(select(t.File).where(col(t.File.id).in_(ids))):
        row.message_id = row.message_id or message_id
        session.add(row)


def of_visitor(session: Session, file_id: str, customer_id: str, inbox_id: str) -> t.File:
    """A file that this visitor may have: of a conversation of theirs, sent or their own. Raises Refused."""
    row = session.get(t.File, file_id)
    talk = session.get(t.Conversation, row.conversation_id) if row is not None else None
    if row is None or talk is None or talk.customer_id != customer_id or talk.inbox_id != inbox_id:
        raise not_found("file")
    if row.author_kind != "customer":
        message = session.get(t.Message, row.message_id) if row.message_id else None
        if message is None or not wire.visible(message):
            raise not_found("file")
    return row


def drop_unsent(session: Session) -> None:
    """Remove files that were uploaded a day ago and never sent."""
    old = col(t.File.created_at) < now(session) - UNSENT * SECOND
    gone = list(session.exec(select(t.File.id).where(col(t.File.message_id).is_(None), old)))
    if gone:
        session.connection().execute(delete(t.File).where(col(t.File.id).in_(gone)))
        hint(session).blobs.update(gone)
