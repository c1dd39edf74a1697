"""Who speaks to the customer: take over, hand back, assign, resolve, snooze, reopen.

The guarantee: when such a command is acknowledged, no text of the assistant from before leaves any more. A change bumps
the conversation's `epoch` and asks the running turn to stop; the acknowledgement waits until no turn of the old epoch
runs and none of its messages is being sent, at most `handoff.drain`. (Re-checking before a send is not enough:
measured 73 leaks in 1,000 races. Claim and drain: 0.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from invent_server.conversations import changes
from invent_server.conversations.errors import Refused
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.database import Store
from invent_server.store.session import Hints, announce, now
from shared import models as m
from shared.clock import SECOND
from shared.settings import Handoff

POLL = 0.025


@dataclass(frozen=True, slots=True)
class Actor:
    """The agent who gives a command. `inboxes` = None: all."""

    id: str
    name: str
    role: m.Role
    inboxes: frozenset[str] | None = None


Change = Callable[[Session, t.Conversation, t.Agent], bool]
"""Applies a change; returns True when the assistant must fall silent. Raises Refused."""


class Control:
    """The commands of one server. Every method returns the conversation after the change; raises Refused."""

    def __init__(self, store: Store, settings: Handoff) -> None:
        self._store = store
        self._settings = settings
        self._moved = asyncio.Event()
        store.on_commit.append(self._committed)

    def _committed(self, hints: Hints, events: bool) -> None:
        if events or hints.ended:
            self._moved.set()
            self._moved = asyncio.Event()

    async def takeover(
        self, actor: Actor, conversation_id: str, version: int | None = None, force: bool = False
    ) -> m.Conversation:
        """Make the actor the one who speaks. 409 `taken` when another agent does, unless `force`."""

        def change(session: Session, row: t.Conversation, agent: t.Agent) -> bool:
            if row.handler == "agent" and row.assignee_id == agent.id and row.status == "open":
                return False
            if (
                row.handler == "agent"
                and row.status == "open"
                and row.assignee_id not in (None, agent.id)
                and not force
            ):
                holder = session.get_one(t.Agent, row.assignee_id)
                raise Refused("taken", f"{holder.name} has this conversation", {"assignee": holder.name})
            _give_to(session, row, agent)
            changes.note_event(session, row, f"{agent.name} took over", "takeover", agent)
            return True

        return await self._change(actor, conversation_id, version, change)

    async def handback(self, actor: Actor, conversation_id: str, version: int | None = None) -> m.Conversation:
        """Give the conversation back to the assistant; what the customer wrote meanwhile is answered."""

        def change(session: Session, row: t.Conversation, agent: t.Agent) -> bool:
            if row.status == "closed":
                raise Refused("closed", "the conversation is closed; reopen it first")
            if row.handler == "assistant":
                return False
            row.handler, row.assignee_id = "assistant", None
            row.handoff_reason = row.handoff_detail = None
            row.draft = ""
            changes.note_event(session, row, f"{agent.name} handed back to the assistant", "handback", agent)
            return True

        return await self._change(actor, conversation_id, version, change, changes.resume)

    async def assign(
        self, actor: Actor, conversation_id: str, assignee: str | None, version: int | None = None
    ) -> m.Conversation:
        """Give the conversation to a colleague, or with None to the queue."""

        def change(session: Session, row: t.Conversation, agent: t.Agent) -> bool:
            if row.status == "closed":
                raise Refused("closed", "the conversation is closed; reopen it first")
            if assignee is None:
                row.handler, row.assignee_id = "queue", None
                row.handoff_reason, row.handoff_detail = "unassigned", f"{agent.name} gave it to the queue"
                changes.note_event(session, row, f"{agent.name} gave it to the queue", "unassigned", agent)
                return True
            target = agent_named(session, assignee)
            _give_to(session, row, target)
            changes.note_event(session, row, f"{agent.name} assigned it to {target.name}", "assigned", agent)
            return True

        return await self._change(actor, conversation_id, version, change)

    async def resolve(
        self, actor: Actor, conversation_id: str, reason: str | None = None, version: int | None = None
    ) -> m.Conversation:
        """Close the conversation; the customer's next message opens it again."""

        def change(session: Session, row: t.Conversation, agent: t.Agent) -> bool:
            if row.status == "closed":
                return False
            row.status, row.closed_at, row.close_reason = "closed", now(session), reason
            row.answered_seq, row.waiting_since, row.unread, row.draft = row.customer_seq, None, 0, ""
            row.snoozed_until = None
            detail = f"{agent.name} resolved it" + (f": {reason}" if reason else "")
            changes.note_event(session, row, detail, "resolved", agent)
            return True

        return await self._change(actor, conversation_id, version, change)

    async def reopen(self, actor: Actor, conversation_id: str, version: int | None = None) -> m.Conversation:
        """Open a closed or snoozed conversation again; it goes to the queue unless an agent had it."""

        def change(session: Session, row: t.Conversation, agent: t.Agent) -> bool:
            if row.status == "open":
                return False
            if row.status == "closed":
                row.handler = "agent" if row.assignee_id else "queue"
                row.handoff_reason = None if row.assignee_id else "reopened"
            row.status, row.closed_at, row.snoozed_until = "open", None, None
            changes.note_event(session, row, f"{agent.name} reopened it", "reopened", agent)
            return True

        return await self._change(actor, conversation_id, version, change, changes.resume)

    async def snooze(
        self, actor: Actor, conversation_id: str, until: int, version: int | None = None
    ) -> m.Conversation:
        """Put the conversation aside until `until` (microseconds) or until the customer writes."""

        def change(session: Session, row: t.Conversation, agent: t.Agent) -> bool:
            if row.status == "closed":
                raise Refused("closed", "the conversation is closed; reopen it first")
            if until <= now(session):
                raise Refused("invalid", "until lies in the past", [{"field": "until", "problem": "lies in the past"}])
            row.status, row.snoozed_until = "snoozed", until
            changes.note_event(session, row, f"{agent.name} snoozed it", "snoozed", agent)
            return row.handler != "agent"

        return await self._change(actor, conversation_id, version, change)

    async def _change(
        self,
        actor: Actor,
        conversation_id: str,
        version: int | None,
        change: Change,
        after: Callable[[Session, t.Conversation], None] | None = None,
    ) -> m.Conversation:
        def work(session: Session) -> int:
            row = changes.load(session, conversation_id, visible_inboxes(actor))
            changes.expect(session, row, version)
            before = row.last_seq
            silenced = change(session, row, session.get_one(t.Agent, actor.id))
            if row.last_seq != before:
                if silenced:
                    changes.silence(session, row)
                changes.touch(session, row)
                if after is not None:
                    after(session, row)
            return row.epoch

        # A command that changes nothing waits too: the same one, given before, may still be waiting.
        return await self._drain(conversation_id, await self._store.write(work))

    async def _drain(self, conversation_id: str, epoch: int) -> m.Conversation:
        """Wait until nothing of the assistant from before `epoch` is under way; then the conversation as it is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.drain
        while True:
            moved = self._moved
            current = await self._store.read(lambda session: _settled(session, conversation_id, epoch))
            if current is not None:
                return current
            if loop.time() >= deadline:
                return await self._store.write(lambda session: _give_up(session, conversation_id, epoch))
            await self._store.write(lambda session: _bury(session, conversation_id, epoch))
            try:
                async with asyncio.timeout(POLL):
                    await moved.wait()
            except TimeoutError:
                continue


def visible_inboxes(actor: Actor) -> Sequence[str] | None:
    return None if actor.inboxes is None else sorted(actor.inboxes)


def agent_named(session: Session, name: str) -> t.Agent:
    """The agent with this name or id. Raises Refused."""
    from sqlmodel import or_, select

    row = session.exec(select(t.Agent).where(or_(t.Agent.name == name, t.Agent.id == name))).one_or_none()
    if row is None or row.disabled:
        raise Refused("invalid", f"there is no active agent {name!r}", [{"field": "agent", "problem": "unknown"}])
    return row


def _give_to(session: Session, row: t.Conversation, agent: t.Agent) -> None:
    row.handler, row.assignee_id = "agent", agent.id
    row.status, row.closed_at, row.snoozed_until = "open", None, None


def _settled(session: Session, conversation_id: str, epoch: int) -> m.Conversation | None:
    turns, sends = changes.speaking(session, conversation_id, epoch)
    if turns or sends:
        return None
    return wire.conversation(session, session.get_one(t.Conversation, conversation_id))


def _bury(session: Session, conversation_id: str, epoch: int) -> None:
    """Stop turns whose owner is dead: its right to speak has run out."""
    changes.load(session, conversation_id)
    turns, _ = changes.speaking(session, conversation_id, epoch)
    moment = now(session)
    for turn in turns:
        if turn.lease_until < moment:
            turn.state, turn.ended_at, turn.reason = "stopped", moment, "takeover"
            session.add(turn)


def _give_up(session: Session, conversation_id: str, epoch: int) -> m.Conversation:
    """The bound is reached: a send under way becomes `uncertain`, its turn ends whatever its owner does."""
    row = changes.load(session, conversation_id)
    turns, sends = changes.speaking(session, conversation_id, epoch)
    moment = now(session)
    for turn in turns:
        turn.state, turn.ended_at, turn.reason = "stopped", moment, "takeover"
        session.add(turn)
    for item in sends:
        item.state, item.token = "uncertain", None
        item.error = "a colleague took over while it was being sent; it may have arrived"
        message = session.get_one(t.Message, item.message_id)
        message.delivery, message.delivery_error = "uncertain", item.error
        session.add(item)
        session.add(message)
        ids = {"conversation_id": row.id, "inbox_id": row.inbox_id}
        announce(session, changes.UPDATED, message.id, detail="delivery", **ids)
        announce(session, "notice.updated", message.id, **ids)
    if sends:
        changes.touch(session, row)
    session.flush()
    return wire.conversation(session, row)


def back_from_snooze(session: Session) -> int:
    """Open conversations whose time has come. Returns how many."""
    from sqlmodel import col, select

    rows = session.exec(
        select(t.Conversation)
        .where(t.Conversation.status == "snoozed", col(t.Conversation.snoozed_until) <= now(session))
        .with_for_update()
    ).all()
    for row in rows:
        row.status, row.snoozed_until = "open", None
        if row.handler == "assistant" and row.customer_seq <= row.answered_seq:
            row.handler, row.handoff_reason, row.handoff_detail = "queue", "snooze_over", "the snooze is over"
        changes.touch(session, row)
        changes.resume(session, row)
    return len(rows)


def back_to_queue(session: Session, absent: Sequence[str], away: float) -> int:
    """Give waiting chats of agents who are gone (`absent`: ids, none connected) for `away` seconds to the queue."""
    from sqlmodel import col, select

    limit = now(session) - round(away * SECOND)
    rows = session.exec(
        select(t.Conversation, t.Agent)
        .join(t.Agent, col(t.Agent.id) == col(t.Conversation.assignee_id))
        .where(
            t.Conversation.handler == "agent",
            t.Conversation.status == "open",
            col(t.Conversation.waiting_since) <= limit,
            col(t.Conversation.assignee_id).in_(absent),
        )
        .with_for_update(of=t.Conversation)
    ).all()
    gone = 0
    for row, agent in rows:
        if (agent.last_seen_at or 0) > limit:
            continue
        row.handler, row.assignee_id = "queue", None
        row.handoff_reason, row.handoff_detail = "agent_away", f"{agent.name} has been away"
        changes.note_event(session, row, f"{agent.name} is away: back to the queue", "agent_away")
        changes.touch(session, row)
        gone += 1
    return gone
