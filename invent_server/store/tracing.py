"""A message's way through the server, put together from the rows that it left."""

from __future__ import annotations

from sqlmodel import Session, col, or_, select

from invent_server.store import tables as t
from shared.clock import to_rfc3339
from shared.models import Evidence, Trace, TraceStep


def find(session: Session, id_: str) -> t.Message | None:
    """A message by its id, or by the channel's own id of it."""
    found = session.get(t.Message, id_)
    if found is not None:
        return found
    receipt = session.exec(
        select(t.Receipt)
        .where(or_(t.Receipt.key == id_, col(t.Receipt.key).endswith(":" + id_, autoescape=True)))
        .limit(1)
    ).first()
    return session.get(t.Message, receipt.message_id) if receipt and receipt.message_id else None


def trace(session: Session, message: t.Message) -> Trace:
    """Receipt, turn (with its evidence) and send of a message, in the order of time."""
    steps: list[tuple[int, str, float | None, dict[str, object]]] = []
    receipt = session.exec(select(t.Receipt).where(t.Receipt.message_id == message.id)).first()
    if receipt is not None:
        steps.append((receipt.received_at, "received", None, {"key": receipt.key, "raw_kept": receipt.raw is not None}))
    detail: dict[str, object] = {"seq": message.seq, "author": message.author_kind, "kind": message.kind}
    steps.append((message.created_at, "stored", None, detail))
    turn = _turn(session, message)
    evidence: list[Evidence] = []
    if turn is not None:
        facts = {key: value for key, value in turn.trace.items() if key != "evidence"}
        steps.append(
            (turn.started_at, "turn", None, {"epoch": turn.epoch, "state": turn.state, "covers": turn.covers_last})
        )
        if turn.ended_at is not None:
            ms = (turn.ended_at - turn.started_at) / 1000
            steps.append(
                (
                    turn.ended_at,
                    "outcome",
                    ms,
                    {"outcome": turn.outcome, "reason": turn.reason, "detail": turn.detail, **facts},
                )
            )
        evidence = [Evidence.model_validate(piece) for piece in turn.trace.get("evidence", [])]
    outbox = session.get(t.Outbox, message.id)
    if outbox is not None:
        steps.append((outbox.created_at, "queued", None, {"epoch": outbox.epoch}))
        sent = outbox.sent_at or outbox.available_at
        ms = (sent - outbox.created_at) / 1000
        steps.append((sent, outbox.state, ms, {"attempts": outbox.attempts, "error": outbox.error}))
    steps.sort(key=lambda step: step[0])
    return Trace(
        message_id=message.id,
        steps=[TraceStep(name=name, at=to_rfc3339(at), ms=ms, detail=facts) for at, name, ms, facts in steps],
        evidence=evidence,
    )


def _turn(session: Session, message: t.Message) -> t.Turn | None:
    """The turn that wrote the message, or the one that answered it."""
    if message.turn_id is not None:
        return session.get(t.Turn, message.turn_id)
    return session.exec(
        select(t.Turn)
        .where(
            t.Turn.conversation_id == message.conversation_id,
            t.Turn.covers_first <= message.seq,
            t.Turn.covers_last >= message.seq,
        )
        .order_by(col(t.Turn.started_at).desc())
        .limit(1)
    ).first()
