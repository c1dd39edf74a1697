"""ONE registry of every table that holds customer data: export, erasure and retention come from it.

A test compares it with the metadata: a new table must be named here or in `NOT_PERSONAL`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, delete
from sqlmodel import Session, SQLModel, col, select

from invent_server.store import tables as t
from invent_server.store.session import announce, hint

Rows = Callable[[str], Any]


def _talks(customer_id: str) -> Select[Any]:
    return select(t.Conversation.id).where(t.Conversation.customer_id == customer_id)


# In the order of erasure: what refers to others comes first.
PERSONAL: dict[type[SQLModel], Rows] = {
    t.Receipt: lambda who: col(t.Receipt.conversation_id).in_(_talks(who)),
    t.Prompt: lambda who: col(t.Prompt.conversation_id).in_(_talks(who)),
    t.Outbox: lambda who: col(t.Outbox.conversation_id).in_(_talks(who)),
    t.Turn: lambda who: col(t.Turn.conversation_id).in_(_talks(who)),
    t.Work: lambda who: col(t.Work.conversation_id).in_(_talks(who)),
    t.File: lambda who: col(t.File.conversation_id).in_(_talks(who)),
    t.Message: lambda who: col(t.Message.conversation_id).in_(_talks(who)),
    t.Memory: lambda who: col(t.Memory.customer_id) == who,
    t.Conversation: lambda who: col(t.Conversation.customer_id) == who,
    t.Identity: lambda who: col(t.Identity.customer_id) == who,
    t.Customer: lambda who: col(t.Customer.id) == who,
}
"""Table -> the condition for one customer's rows."""

NOT_PERSONAL: dict[type[SQLModel], str] = {
    t.Meta: "facts about the database",
    t.Assistant: "the company's",
    t.Inbox: "the company's",
    t.InstructionDraft: "the company's",
    t.InstructionVersion: "the company's",
    t.Agent: "colleagues",
    t.AgentInbox: "colleagues",
    t.AgentToken: "colleagues",
    t.AgentKey: "colleagues",
    t.Idempotency: "answers to agents' commands, kept 24 hours; erased with any customer",
    t.Source: "the company's knowledge",
    t.Page: "the company's knowledge",
    t.Chunk: "the company's knowledge",
    t.Job: "the company's knowledge",
    t.Counter: "a number",
    t.Event: "ids only: the data of an event is read from the rows when it is sent",
}


def export(session: Session, customer_id: str) -> dict[str, list[dict[str, Any]]]:
    """Every stored row about a customer, by table."""
    return {
        str(table.__tablename__): [
            row.model_dump(mode="json") for row in session.exec(select(table).where(condition(customer_id)))
        ]
        for table, condition in PERSONAL.items()
    }


def erase(session: Session, customer_id: str) -> dict[str, int]:
    """Delete every row about a customer; running turns and open screens hear of it. Returns rows by table."""
    for talk in session.exec(select(t.Conversation).where(t.Conversation.customer_id == customer_id)):
        hint(session).stopped.add(talk.id)
        announce(session, "conversation.updated", talk.id, conversation_id=talk.id, inbox_id=talk.inbox_id)
    announce(session, "customer.updated", customer_id)
    hint(session).blobs.update(session.exec(select(t.File.id).where(PERSONAL[t.File](customer_id))))
    counts: dict[str, int] = {}
    for table, condition in PERSONAL.items():
        result = session.connection().execute(delete(table).where(condition(customer_id)))
        counts[str(table.__tablename__)] = result.rowcount
    session.connection().execute(delete(t.Idempotency))
    session.expire_all()
    return counts
