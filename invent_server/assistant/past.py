"""A chosen message of a customer as the turn that answered it: its lines, what was known then, what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from invent_server.assistant import given
from invent_server.assistant.rules import Instructions
from invent_server.assistant.types import TurnInput
from invent_server.conversations.control import Actor
from invent_server.conversations.errors import Refused
from invent_server.conversations.listing import visible_conversation
from invent_server.store import tables as t
from invent_server.store import wire
from shared.instructions import ReplayAnswer
from shared.models import Evidence


@dataclass(frozen=True, slots=True)
class Past:
    """`turn`: what the responder is given now, with the history up to the message. `old`: the answer then."""

    message_id: str
    conversation_id: str
    question: str
    old: ReplayAnswer | None
    turn: TurnInput


def chosen(session: Session, actor: Actor, message_id: str | None, conversation_id: str | None) -> t.Message:
    """The customer's message by its id, or the last one of a conversation. Raises Refused."""
    if message_id is not None:
        found = session.get(t.Message, message_id)
    else:
        found = session.exec(
            select(t.Message)
            .where(t.Message.conversation_id == conversation_id, *_CUSTOMERS)
            .order_by(col(t.Message.seq).desc())
            .limit(1)
        ).first()
        if found is None:
            visible_conversation(session, actor, conversation_id or "")
            raise Refused("invalid", "the customer has written nothing in this conversation yet")
    if found is not None:
        visible_conversation(session, actor, found.conversation_id)
    if found is None:
        raise Refused("not_found", "there is no such message")
    if found.author_kind != "customer" or found.kind not in wire.VISIBLE_KINDS:
        raise Refused("invalid", "message_id: only what a customer wrote can be answered anew; choose such a message")
    return found


_CUSTOMERS = (t.Message.author_kind == "customer", col(t.Message.kind).in_(wire.VISIBLE_KINDS))


def past(session: Session, message: t.Message, instructions: Instructions) -> Past:
    """The turn around `message`, to be answered by `instructions`."""
    row = session.get_one(t.Conversation, message.conversation_id)
    turn = _turn(session, message)
    first, last = (turn.covers_first, turn.covers_last) if turn is not None else _burst(session, message)
    lines = session.exec(
        select(t.Message.seq, t.Message.text, t.Message.created_at)
        .where(t.Message.conversation_id == row.id, *_CUSTOMERS)
        .where(col(t.Message.seq).between(first, last))
        .order_by(col(t.Message.seq))
    ).all()
    made = given.given(
        session,
        row,
        given.parties(session, row.id),
        [(seq, text) for seq, text, _ in lines],
        upto=lines[-1][2],
        instructions=instructions,
    )
    question = "\n".join(made.unanswered)
    return Past(message.id, row.id, question, _answer(session, row.id, first, last, turn), made)


def _turn(session: Session, message: t.Message) -> t.Turn | None:
    """The turn that dealt with the message."""
    return session.exec(
        select(t.Turn)
        .where(
            t.Turn.conversation_id == message.conversation_id,
            t.Turn.state == "done",
            t.Turn.covers_first <= message.seq,
            t.Turn.covers_last >= message.seq,
        )
        .order_by(col(t.Turn.started_at).desc())
        .limit(1)
    ).first()


def _burst(session: Session, message: t.Message) -> tuple[int, int]:
    """The customer's messages around this one that nobody else's stand between: their first and last seq."""
    others = select(t.Message.seq).where(
        t.Message.conversation_id == message.conversation_id,
        t.Message.author_kind != "customer",
        col(t.Message.kind).in_(wire.VISIBLE_KINDS),
    )
    seq = col(t.Message.seq)
    before = session.exec(others.where(seq < message.seq).order_by(seq.desc()).limit(1)).first()
    after = session.exec(others.where(seq > message.seq).order_by(seq).limit(1)).first()
    return (before or 0) + 1, after - 1 if after is not None else 2**31 - 1


def _answer(session: Session, conversation_id: str, first: int, last: int, turn: t.Turn | None) -> ReplayAnswer | None:
    """What came of the customer's lines then."""
    said = session.get(t.Message, turn.message_id) if turn is not None else None
    if turn is None:
        said = session.exec(
            select(t.Message)
            .where(
                t.Message.conversation_id == conversation_id,
                t.Message.seq > last,
                t.Message.author_kind != "customer",
                col(t.Message.kind).in_(wire.VISIBLE_KINDS),
            )
            .order_by(col(t.Message.seq))
            .limit(1)
        ).first()
    if said is None and turn is None:
        return None
    trace = turn.trace if turn is not None else {}
    shown = wire.message(said) if said is not None else None
    return ReplayAnswer.model_validate(
        {
            "outcome": turn.outcome if turn is not None else said.outcome if said is not None else None,
            "reason": (turn.reason if turn is not None else said.reason if said is not None else None) or "",
            "detail": (turn.detail if turn is not None else None) or "",
            "text": shown.text if shown is not None else "",
            "language": shown.language if shown is not None else None,
            "author": shown.author.name if shown is not None and shown.author.kind == "agent" else "",
            "engine": trace.get("engine", ""),
            "version": trace.get("instructions"),
            "citations": shown.citations if shown is not None else [],
            "evidence": [Evidence.model_validate(one) for one in trace.get("evidence", [])],
            "timings": {**trace.get("timings", {}), **({"total": trace["ms"]} if "ms" in trace else {})},
            "at": shown.created_at if shown is not None else None,
        }
    )


def answered(session: Session, actor: Actor, assistant_id: str, limit: int) -> Sequence[str]:
    """Ids of the last customer messages that this assistant answered or handed over, the newest first."""
    query = (
        select(t.Message.conversation_id, t.Message.seq)
        .join(t.Conversation, col(t.Conversation.id) == t.Message.conversation_id)
        .where(
            t.Conversation.assistant_id == assistant_id,
            t.Message.author_kind == "assistant",
            col(t.Message.kind).in_(wire.VISIBLE_KINDS),
        )
        .order_by(col(t.Message.created_at).desc())
        .limit(limit * 4)
    )
    if actor.inboxes is not None:
        query = query.where(col(t.Conversation.inbox_id).in_(sorted(actor.inboxes)))
    found: dict[str, None] = {}
    for conversation_id, seq in session.exec(query):
        asked = session.exec(
            select(t.Message.id)
            .where(t.Message.conversation_id == conversation_id, *_CUSTOMERS, t.Message.seq < seq)
            .order_by(col(t.Message.seq).desc())
            .limit(1)
        ).first()
        if asked is not None:
            found[asked] = None
        if len(found) == limit:
            break
    return tuple(found)
