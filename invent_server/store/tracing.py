"""A message's way through the server, put together from the rows that it left. Nothing is written for it alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlmodel import Session, col, or_, select

from invent_server.store import tables as t
from shared.clock import to_rfc3339
from shared.models import Evidence, Intent, PromptPart, Trace, TraceStep
from shared.text import clean_line

Step = tuple[int, str, float | None, dict[str, Any]]
"""When it began (microseconds), its name, how many milliseconds it took, what is to be said about it."""


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
    if receipt is not None and receipt.message_id is not None:
        return session.get(t.Message, receipt.message_id)
    sent = session.exec(select(t.Outbox.message_id).where(t.Outbox.external_id == id_).limit(1)).first()
    return session.get(t.Message, sent) if sent else None


def trace(session: Session, message: t.Message) -> Trace:
    """The whole way that `message` is part of: what was asked, each try to answer, the answer and how it was sent."""
    turns = _turns(session, message)
    last = turns[-1] if turns else None
    question, answer = _both(session, message, last)
    steps: list[Step] = []
    receipt = _receipt(session, question)
    if question is not None:
        steps += _came(session, question, receipt)
    if message not in (question, answer):
        steps.append((message.created_at, "stored", None, _facts(message)))
    for turn in turns:
        steps += _turn(turn, question)
    if answer is not None:
        steps += _went(session, answer)
    steps.sort(key=lambda step: step[0])
    began = steps[0][0]
    told = last.trace if last is not None else {}
    asked = session.get(t.Prompt, last.id) if last is not None else None
    intent = told.get("intent") or {}
    return Trace(
        message_id=message.id,
        conversation_id=message.conversation_id,
        question=question.id if question is not None else None,
        answer=answer.id if answer is not None else None,
        engine=told.get("engine", ""),
        outcome=last.outcome if last is not None else None,
        reason=last.reason if last is not None else None,
        detail=(last.detail or "") if last is not None else "",
        intent=Intent(label=intent.get("label"), confidence=intent.get("confidence", 0.0)),
        total_ms=round(max((at - began) / 1000 + (ms or 0.0) for at, _, ms, _ in steps), 3),
        steps=[
            TraceStep(
                name=name, at=to_rfc3339(at), offset_ms=round((at - began) / 1000, 3), ms=ms, detail=_clean(facts)
            )
            for at, name, ms, facts in steps
        ],
        evidence=[Evidence.model_validate(piece) for piece in told.get("evidence", [])],
        raw=receipt.raw if receipt is not None else None,
        prompt=[PromptPart(role=role, text=text) for role, text in asked.messages] if asked is not None else [],
    )


def _clean(facts: dict[str, Any]) -> dict[str, object]:
    """Ids and errors of channels are theirs, not ours."""
    return {key: clean_line(value, 300) if isinstance(value, str) else value for key, value in facts.items()}


def _both(session: Session, message: t.Message, turn: t.Turn | None) -> tuple[t.Message | None, t.Message | None]:
    """The customer's message and the reply to it: `message` is one of them (or neither: a note, an event)."""
    if message.author_kind == "customer":
        reply = session.get(t.Message, turn.message_id) if turn is not None else None
        return message, reply
    if turn is None:
        return None, message if message.delivery is not None else None
    asked = session.exec(
        select(t.Message).where(t.Message.conversation_id == message.conversation_id, t.Message.seq == turn.covers_last)
    ).first()
    return asked, message


def _turns(session: Session, message: t.Message) -> list[t.Turn]:
    """The tries of the assistant to deal with the message, in their order; of a reply: up to the one that wrote it."""
    if message.turn_id is not None:
        wrote = session.get(t.Turn, message.turn_id)
        first, last = (wrote.covers_first, wrote.covers_last) if wrote is not None else (0, -1)
    elif message.author_kind == "customer":
        first = last = message.seq
    else:
        return []
    found = session.exec(
        select(t.Turn)
        .where(
            t.Turn.conversation_id == message.conversation_id,
            t.Turn.covers_first <= last,
            t.Turn.covers_last >= first,
        )
        .order_by(col(t.Turn.started_at), col(t.Turn.id))
    ).all()
    if message.turn_id is None:
        return list(found)
    return [turn for turn in found if turn.id == message.turn_id or turn.outcome is None]


# ---------------------------------------------------------------------------------------------------- the way in


def _receipt(session: Session, message: t.Message | None) -> t.Receipt | None:
    if message is None:
        return None
    mine = select(t.Receipt).where(
        t.Receipt.message_id == message.id,
        t.Receipt.conversation_id == message.conversation_id,  # the index finds receipts by conversation only
    )
    return session.exec(mine).first()


def _came(session: Session, message: t.Message, receipt: t.Receipt | None) -> Iterator[Step]:
    """From the request to the row."""
    if receipt is None:
        yield message.created_at, "stored", None, _facts(message)
        return
    inbox = session.get(t.Inbox, receipt.inbox_id)
    kind = inbox.kind if inbox is not None else ""
    arrived = receipt.arrived_at or receipt.received_at
    key = receipt.key.split(":", 2 if kind == "web" else 1)[-1]  # the web's own keys begin with the conversation
    raw = None if receipt.raw is None else len(receipt.raw)
    yield arrived, "received", None, {"channel": kind, "key": key, "raw_bytes": raw}
    checked = (receipt.checked_us or 0) / 1000
    if receipt.checked_us is not None:
        by = "the session's token" if kind == "web" else "the channel's signature"
        yield arrived, "verified", checked, {"by": by}
    until_stored = (receipt.received_at - arrived) / 1000 - checked
    facts = {**_facts(message), "dedup": "new"}
    yield arrived + (receipt.checked_us or 0), "stored", round(max(0.0, until_stored), 3), facts


def _facts(message: t.Message) -> dict[str, Any]:
    return {"seq": message.seq, "author": message.author_kind, "kind": message.kind}


# -------------------------------------------------------------------------------------------------------- a turn


def _turn(turn: t.Turn, question: t.Message | None) -> Iterator[Step]:
    """One try: the wait for it, what was done in it, how it ended."""
    if question is not None:
        waited = (turn.started_at - question.created_at) / 1000
        yield question.created_at, "waited", round(max(0.0, waited), 3), {}
    told = turn.trace
    facts = {"epoch": turn.epoch, "covers": [turn.covers_first, turn.covers_last]}
    yield turn.started_at, "claimed", told.get("lead"), facts
    yield from _done(turn)
    if turn.ended_at is None:
        yield turn.started_at, "running", None, {}
    elif turn.outcome is None:
        yield turn.ended_at, turn.reason or "stopped", None, {"why": "the turn ended without an outcome"}
    else:
        whole = told.get("ms")
        lasted = (turn.ended_at - turn.started_at) / 1000
        write = max(0.0, lasted - whole) if whole is not None else None
        facts = {"outcome": turn.outcome, "reason": turn.reason, "detail": turn.detail, "engine": told.get("engine")}
        if told.get("instructions"):
            facts["instructions"] = told["instructions"]
        yield turn.ended_at - round((write or 0.0) * 1000), "outcome", write and round(write, 3), facts


_NAMES = {
    "understand": "understood",
    "search": "searched",
    "write": "model",
    "quote": "quoted",
    "speak": "shown",
    "summary": "summarised",
}


def _done(turn: t.Turn) -> Iterator[Step]:
    """The steps inside a turn, each where its clock says."""
    told = turn.trace
    starts, timings = told.get("starts", {}), told.get("timings", {})
    base = turn.started_at + round(told.get("lead", 0.0) * 1000)
    for key, start in starts.items():
        at = base + round(start * 1000)
        facts = _about(key, told)
        if key == "write" and "model" not in told:
            continue  # nobody but the quote itself
        name = _NAMES.get(key, key)
        if key == "write" and (asked := told.get("prompt")):
            yield at, "prompted", None, dict(asked)
            facts = {**facts, "first_token_ms": timings.get("first_token")}
        if name != "shown" or timings.get(key, 0.0) >= 1:
            yield at, name, timings.get(key), facts


def _about(key: str, told: dict[str, Any]) -> dict[str, Any]:
    if key == "understand":
        return dict(told.get("intent") or {})
    if key == "search":
        best = told.get("evidence", [])
        found: dict[str, Any] = dict(told.get("retrieval") or {})
        if best:
            found |= {"best": best[0]["title"], "score": best[0]["score"], **best[0].get("scores", {})}
        return found
    return dict(told.get("model") or {}) if key == "write" else {}


# ---------------------------------------------------------------------------------------------------- the way out


def _went(session: Session, message: t.Message) -> Iterator[Step]:
    """From the outbox to the customer's eyes."""
    outbox = session.get(t.Outbox, message.id)
    if outbox is None:
        yield message.created_at, "stored", None, _facts(message)
        return
    tries = outbox.tries or []
    first = tries[0][0] if tries else None
    held = round((first - outbox.created_at) / 1000, 3) if first is not None else None
    yield outbox.created_at, "queued", held, {"seq": message.seq, "author": message.author_kind, "epoch": outbox.epoch}
    for number, (began, ended, result, error) in enumerate(tries, outbox.attempts - len(tries) + 1):
        facts = {"try": number, "result": result, "error": error}
        yield began, "sent" if result == "sent" else "not sent", round((ended - began) / 1000, 3), facts
    if outbox.state not in ("sent", "queued", "sending") or (outbox.state == "sent" and not tries):
        at = outbox.sent_at or (tries[-1][1] if tries else outbox.available_at)
        yield at, outbox.state, None, {"attempts": outbox.attempts, "error": outbox.error}
    if message.seen_at is not None:
        yield message.seen_at, message.delivery or "read", None, {"external_id": outbox.external_id}
