"""Rows -> wire objects. The only place where rows become something else; texts are cleaned by the wire models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, select

from invent_server.store import tables as t
from invent_server.store.session import by_id
from shared import models as m
from shared.clock import to_rfc3339

PREVIEW = 200
VISIBLE_KINDS = ("text", "media")
VISIBLE_DELIVERY = ("sending", "sent", "delivered", "read")


def at(micros: int | None) -> str | None:
    return None if micros is None else to_rfc3339(micros)


def names(attachments: Sequence[Mapping[str, Any]]) -> str:
    """What stands for files where only a line has room."""
    return "📎 " + ", ".join(str(one.get("name") or "") for one in attachments) if attachments else ""


def message(row: t.Message) -> m.Message:
    return m.Message.model_validate(
        {
            "id": row.id,
            "conversation_id": row.conversation_id,
            "seq": row.seq,
            "author": {"kind": row.author_kind, "id": row.author_id, "name": row.author_name},
            "kind": row.kind,
            "text": row.text,
            "language": row.language,
            "attachments": [{"url": f"/api/v1/files/{one['id']}", **one} for one in row.attachments],
            "citations": row.citations,
            "outcome": row.outcome,
            "reason": row.reason,
            "delivery": {"state": row.delivery, "error": row.delivery_error} if row.delivery else None,
            "sent_at": at(row.sent_at),
            "created_at": to_rfc3339(row.created_at),
        }
    )


def visible(row: t.Message) -> bool:
    """May the customer see this message (already)?"""
    if row.kind not in VISIBLE_KINDS:
        return False
    return row.author_kind == "customer" or row.delivery in VISIBLE_DELIVERY


def public(msg: m.Message) -> dict[str, object]:
    """A message as a visitor gets it: without what is meant for colleagues."""
    data = msg.model_dump(mode="json", exclude={"outcome", "reason"})
    for one, shown in zip(msg.attachments, data["attachments"], strict=True):
        shown["url"] = f"/web/{one.inbox}/files/{one.id}" if one.inbox else None
    if data["author"]["kind"] != "customer":
        data["author"]["id"] = None
    if data["delivery"] and data["delivery"]["state"] == "sending":
        data["delivery"]["state"] = "sent"
    return data


def standing(row: t.Conversation) -> m.Standing:
    """How a conversation stands, for its customer."""
    rate = row.status == "closed" and row.customer_seq > 0 and (row.rated_at or 0) < (row.closed_at or 0)
    return m.Standing.model_validate(
        {"handler": row.handler, "status": row.status, "rate": rate, "read": row.read_seq or 0}
    )


def status(row: t.Conversation) -> dict[str, object]:
    """The same as a frame of the visitor's socket."""
    return standing(row).model_dump(exclude={"away", "note", "email"})


def conversations(session: Session, rows: Iterable[t.Conversation]) -> list[m.Conversation]:
    """Wire objects of `rows`, in order, with the names that they refer to."""
    found = list(rows)
    inboxes = by_id(session, t.Inbox, {row.inbox_id for row in found})
    assistants = by_id(session, t.Assistant, {row.assistant_id for row in found})
    customers = by_id(session, t.Customer, {row.customer_id for row in found})
    agents = by_id(session, t.Agent, {row.assignee_id for row in found if row.assignee_id})
    return [
        _conversation(
            row,
            inboxes[row.inbox_id],
            assistants[row.assistant_id].slug,
            customers[row.customer_id].name,
            agents[row.assignee_id].name if row.assignee_id else None,
        )
        for row in found
    ]


def conversation(session: Session, row: t.Conversation) -> m.Conversation:
    return conversations(session, [row])[0]


def _conversation(
    row: t.Conversation, inbox: t.Inbox, assistant: str, customer: str, assignee: str | None
) -> m.Conversation:
    last = None
    if row.last_at is not None:
        last = {
            "author": {"kind": row.last_author, "name": row.last_author_name},
            "text": row.last_text,
            "created_at": to_rfc3339(row.last_at),
        }
    return m.Conversation.model_validate(
        {
            "id": row.id,
            "inbox": inbox.name,
            "channel": inbox.kind,
            "assistant": assistant,
            "customer": {"id": row.customer_id, "name": customer},
            "handler": row.handler,
            "assignee": assignee,
            "status": row.status,
            "intent": {"label": row.intent, "confidence": row.confidence},
            "priority": row.priority,
            "tags": row.tags,
            "language": row.language,
            "unread": row.unread,
            "version": row.version,
            "summary": row.summary,
            "waiting_since": at(row.waiting_since),
            "csat": row.csat,
            "last_message": last,
            "handoff_reason": row.handoff_reason,
            "handoff_detail": row.handoff_detail,
            "draft": row.draft,
            "snoozed_until": at(row.snoozed_until),
            "created_at": to_rfc3339(row.created_at),
            "updated_at": to_rfc3339(row.updated_at),
        }
    )


def customer(session: Session, row: t.Customer) -> m.Customer:
    identities = session.exec(
        select(t.Identity, t.Inbox).join(t.Inbox).where(t.Identity.customer_id == row.id).order_by(t.Identity.id)
    ).all()
    count = session.exec(
        select(func.count())
        .select_from(t.Conversation)
        .where(t.Conversation.customer_id == row.id, t.Conversation.need != t.HIDDEN)
    ).one()
    return m.Customer.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "email": row.email,
            "phone": row.phone,
            "language": row.language,
            "identities": [
                {"inbox": inbox.name, "channel": inbox.kind, "external_id": one.external_id, "verified": one.verified}
                for one, inbox in identities
            ],
            "conversations": count,
            "created_at": to_rfc3339(row.created_at),
            "updated_at": to_rfc3339(row.updated_at),
        }
    )


def memory(row: t.Memory) -> m.Memory:
    return m.Memory.model_validate(
        {
            **row.model_dump(exclude={"created_at", "updated_at"}),
            "created_at": to_rfc3339(row.created_at),
            "updated_at": to_rfc3339(row.updated_at),
        }
    )


def agent(session: Session, row: t.Agent, present: Sequence[str] = ()) -> m.Agent:
    inboxes = session.exec(
        select(t.Inbox.name).join(t.AgentInbox).where(t.AgentInbox.agent_id == row.id).order_by(t.Inbox.name)
    ).all()
    return m.Agent.model_validate(
        {
            **row.model_dump(exclude={"created_at", "last_seen_at"}),
            "inboxes": list(inboxes),
            "present": row.name in present,
            "created_at": to_rfc3339(row.created_at),
        }
    )


def source(row: t.Source, pages: int, chunks: int) -> m.Source:
    return m.Source.model_validate(
        {
            **row.model_dump(exclude={"created_at", "updated_at", "assistant_id"}),
            "pages": pages,
            "chunks": chunks,
            "created_at": to_rfc3339(row.created_at),
            "updated_at": to_rfc3339(row.updated_at),
        }
    )


def page(row: t.Page, *, text: bool = False) -> m.KnowledgePage:
    return m.KnowledgePage.model_validate(
        {**row.model_dump(exclude={"text", "read_at"}), "text": row.text if text else None, "read_at": at(row.read_at)}
    )


def job(row: t.Job) -> m.Job:
    return m.Job.model_validate(
        {
            **row.model_dump(exclude={"created_at", "ended_at"}),
            "created_at": to_rfc3339(row.created_at),
            "ended_at": at(row.ended_at),
        }
    )
