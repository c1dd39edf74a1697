"""The database side of a turn: claim the conversation, keep the right to speak, commit the outcome under its epoch.

Each function runs inside one transaction. A completion holds only with the turn's own token, under the epoch in which
it began, and while no newer customer message is stored: otherwise its text is kept as a draft for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session, col, select

from invent_server.assistant import given
from invent_server.assistant.types import TurnInput, TurnResult
from invent_server.conversations import changes
from invent_server.conversations.errors import Refused
from invent_server.delivery.outbox import held, withdraw
from invent_server.store import tables as t
from invent_server.store.session import hint, now
from shared.clock import SECOND
from shared.ids import new_id
from shared.models import Evidence
from shared.text import storable

WORK_LEASE = 30.0
"""Seconds that a claimed conversation belongs to its node; renewed with the turn's own, much shorter lease."""

Ending = Literal["done", "superseded", "takeover", "failed"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A conversation that this node's assistant may answer, and what it needs for that."""

    turn_id: str
    message_id: str
    conversation_id: str
    inbox_id: str
    epoch: int
    token: str
    attempts: int
    instant: bool
    mode: str
    covers_first: int
    covers_last: int
    speaker: str
    """The assistant's name."""
    input: TurnInput


def claimable(session: Session, limit: int) -> list[str]:
    """Conversations whose work waits and belongs to nobody, longest first."""
    moment = now(session)
    free = col(t.Work.lease_until).is_(None) | (col(t.Work.lease_until) < moment)
    return list(
        session.exec(
            select(t.Work.conversation_id)
            .where(t.Work.available_at <= moment, free)
            .order_by(col(t.Work.available_at))
            .limit(limit)
        )
    )


def claim(session: Session, conversation_id: str, node: str, lease: float) -> Claim | None:
    """Take a conversation and begin a turn. None: nothing to do, or somebody else has it."""
    moment = now(session)
    row = _locked(session, conversation_id)
    work = session.get(t.Work, conversation_id)
    if row is None or work is None or work.available_at > moment or (work.lease_until or 0) >= moment:
        return None
    parties = given.parties(session, row.id)
    if parties.kind != "web":  # a finished reply that is still held: the new one answers its questions, too
        for reply in held(session, row.id):
            withdraw(session, reply)
        session.flush()
    newer = {"conversation": row.id, "answered": row.answered_seq}
    unanswered = session.exec(given.UNANSWERED, params=newer).all()
    if row.handler != "assistant" or row.status != "open" or not unanswered:
        session.delete(work)
        return None
    turn_input = given.given(session, row, parties, unanswered)
    work.token, work.node = new_id(), node
    work.lease_until = moment + round(WORK_LEASE * SECOND)
    work.attempts += 1
    turn = t.Turn(
        id=new_id(),
        conversation_id=row.id,
        message_id=new_id(),
        epoch=row.epoch,
        node=node,
        token=work.token,
        lease_until=moment + round(lease * SECOND),
        covers_first=unanswered[0][0],
        covers_last=unanswered[-1][0],
        started_at=moment,
    )
    session.add_all([work, turn])
    return Claim(
        turn_id=turn.id,
        message_id=turn.message_id,
        conversation_id=row.id,
        inbox_id=row.inbox_id,
        epoch=row.epoch,
        token=work.token,
        attempts=work.attempts,
        instant=parties.kind == "web",
        mode=parties.mode,
        covers_first=turn.covers_first,
        covers_last=turn.covers_last,
        speaker=parties.speaker,
        input=turn_input,
    )


def _locked(session: Session, conversation_id: str) -> t.Conversation | None:
    """As changes.load; None when the customer was erased meanwhile."""
    try:
        return changes.load(session, conversation_id)
    except Refused:
        return None


def renew(session: Session, claim: Claim, lease: float) -> bool:
    """Keep the right to speak for another `lease` seconds. False: it is gone."""
    row = _locked(session, claim.conversation_id)
    turn = session.get(t.Turn, claim.turn_id)
    work = session.get(t.Work, claim.conversation_id)
    if row is None or row.epoch != claim.epoch or turn is None or turn.state != "running":
        return False
    if work is None or work.token != claim.token:
        return False
    moment = now(session)
    turn.lease_until = moment + round(lease * SECOND)
    work.lease_until = moment + round(WORK_LEASE * SECOND)
    session.add_all([turn, work])
    return True


def finish(
    session: Session,
    claim: Claim,
    result: TurnResult,
    trace: dict[str, object],
    node: str,
    lease: float,
    settle: float,
) -> Ending:
    """Commit the outcome of a turn; what it came to. Only on `done` anything reaches the customer.

    `settle`: seconds that a reply is held on channels that cannot take it back, for what the customer may add.
    """
    row = _locked(session, claim.conversation_id)
    turn = session.get(t.Turn, claim.turn_id)
    work = session.get(t.Work, claim.conversation_id)
    if row is None or turn is None or turn.state != "running":
        return "takeover"
    if row.epoch != claim.epoch or work is None or work.token != claim.token:
        _keep_draft(session, row, result.text)
        _close(session, turn, "stopped", "takeover")
        return "takeover"
    if row.customer_seq > claim.covers_last:
        _close(session, turn, "stopped", "superseded")
        _again(session, work)
        return "superseded"
    turn.outcome, turn.reason, turn.detail = result.outcome, result.reason, result.detail
    turn.trace = {**_without_prompt(session, turn, trace), "evidence": [_dumped(piece) for piece in result.evidence]}
    _close(session, turn, "done", result.reason)
    session.delete(work)
    row.answered_seq = claim.covers_last
    row.language = result.language or row.language
    if result.intent:
        row.intent, row.confidence = result.intent, result.confidence
    if (message := _apply(session, row, claim, result)) is not None:
        changes.send(session, row, message, node, claim.instant, lease, settle)
    changes.touch(session, row)
    return "done"


def _without_prompt(session: Session, turn: t.Turn, trace: dict[str, object]) -> dict[str, object]:
    """The trace with the prompt's sizes only; its text has a row of its own, which is kept for a shorter time."""
    asked = trace.get("prompt")
    if not isinstance(asked, dict) or "messages" not in asked:
        return trace
    sizes = dict(asked)
    messages = sizes.pop("messages")
    session.add(
        t.Prompt(turn_id=turn.id, conversation_id=turn.conversation_id, messages=messages, created_at=now(session))
    )
    return {**trace, "prompt": sizes}


def _dumped(piece: Evidence) -> dict[str, object]:
    return piece.model_dump(mode="json", exclude_defaults=True)


def _apply(session: Session, row: t.Conversation, claim: Claim, result: TurnResult) -> t.Message | None:
    """Change the conversation as the result says; the message for the customer, if there is one."""
    handoff = result.outcome == "handoff"
    if claim.mode == "suggest" and not handoff and result.text:
        # A person approves each reply: the text waits as a draft, the chat in the queue.
        row.draft, row.handler = result.text, "queue"
        row.handoff_reason, row.handoff_detail = "suggested", "the assistant has a reply ready for approval"
        changes.note_event(session, row, "The assistant suggests a reply", "suggested")
        return None
    if handoff:
        row.epoch += 1
        row.handler, row.assignee_id = "queue", None
        row.handoff_reason, row.handoff_detail = result.reason, result.detail
        row.summary = result.summary or row.summary
    else:
        row.waiting_since = None
    message = None
    if result.text:
        message = changes.append(
            session,
            row,
            claim.message_id,
            author_kind="assistant",
            author_id=row.assistant_id,
            author_name=claim.speaker,
            text=storable(result.text),
            language=result.language,
            citations=[citation.model_dump(mode="json") for citation in result.citations],
            outcome=result.outcome,
            reason=result.reason,
            turn_id=claim.turn_id,
            covers_first=claim.covers_first,
            covers_last=claim.covers_last,
        )
    if handoff:
        changes.note_event(session, row, f"Handed to the team: {result.detail}", result.reason)
    _count_uses(session, result)
    return message


def _count_uses(session: Session, result: TurnResult) -> None:
    for citation in result.citations:
        chunk = session.get(t.Chunk, citation.chunk_id)
        page = session.get(t.Page, chunk.page_id) if chunk else None
        if page is not None:
            page.uses += 1
            session.add(page)


def stop(session: Session, claim: Claim, ending: Ending, draft: str) -> None:
    """End a turn that was cancelled: superseded (it runs again), or taken over (what it had written is kept)."""
    row = _locked(session, claim.conversation_id)
    turn = session.get(t.Turn, claim.turn_id)
    if row is None or turn is None or turn.state != "running":
        return
    _close(session, turn, "stopped", ending)
    work = session.get(t.Work, claim.conversation_id)
    if work is not None and work.token == claim.token:
        _again(session, work)
    if ending == "takeover" and draft:
        _keep_draft(session, row, draft)


def fail(session: Session, claim: Claim, pause: float) -> None:
    """A turn broke: it is tried again after `pause` seconds."""
    stop(session, claim, "failed", "")
    work = session.get(t.Work, claim.conversation_id)
    if work is not None and work.token is None:
        work.available_at = now(session) + round(pause * SECOND)
        session.add(work)


def _keep_draft(session: Session, row: t.Conversation, text: str) -> None:
    if text and row.status == "open":
        row.draft = storable(text)
        changes.touch(session, row)


def _close(session: Session, turn: t.Turn, state: str, reason: str) -> None:
    turn.state, turn.ended_at = state, now(session)
    turn.reason = turn.reason or reason
    session.add(turn)
    hint(session).ended.add(turn.conversation_id)


def _again(session: Session, work: t.Work) -> None:
    work.lease_until = work.token = work.node = None
    work.available_at = now(session)
    session.add(work)
    hint(session).work.add(work.conversation_id)


def recover(session: Session, node: str) -> int:
    """At start: free what this node's former run had claimed. Returns how many conversations."""
    moment = now(session)
    for turn in session.exec(select(t.Turn).where(t.Turn.node == node, t.Turn.state == "running")):
        turn.state, turn.ended_at, turn.reason = "stopped", moment, "restart"
        session.add(turn)
    works = session.exec(select(t.Work).where(t.Work.node == node)).all()
    for work in works:
        _again(session, work)
    return len(works)
