"""The assistant for agents: a suggested reply and a summary of a conversation, on demand."""

from __future__ import annotations

from sqlmodel import Session, col, select

from invent_server.assistant.summary import summarize
from invent_server.assistant.types import Line, TurnInput
from invent_server.store import tables as t
from invent_server.store import wire
from shared.text import clean_line

LINES = 60


def turn_of(session: Session, row: t.Conversation) -> TurnInput:
    """A conversation as a responder sees it; `unanswered`: what the customer wrote since the last reply."""
    found = session.exec(
        select(t.Message)
        .where(t.Message.conversation_id == row.id, col(t.Message.kind).in_(wire.VISIBLE_KINDS))
        .order_by(col(t.Message.seq).desc())
        .limit(LINES)
    ).all()
    lines = [wire.message(message) for message in reversed(found)]
    last_reply = max((line.seq for line in lines if line.author.kind in ("agent", "assistant")), default=0)
    customer = session.get_one(t.Customer, row.customer_id)
    return TurnInput(
        conversation_id=row.id,
        customer=clean_line(customer.name),
        unanswered=tuple(line.text for line in lines if line.author.kind == "customer" and line.seq > last_reply),
        history=tuple(Line(line.author.kind, line.text, line.outcome, line.reason) for line in lines),
        language=row.language,
        locale=customer.language,
    )


def language_of(session: Session, agent_id: str) -> str:
    """The language that an agent reads."""
    return session.get_one(t.Agent, agent_id).language


def summary(turn: TurnInput, language: str) -> str:
    """What happened, what the customer wants, what was tried: in the agent's language."""
    return summarize(turn.history, language)
