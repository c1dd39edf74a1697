"""The message path under any order of deliveries, crashes, expiries, takeovers and sends, on both dialects.

Two nodes work on one conversation of a channel that cannot take back what it has sent. They do their steps by hand,
die between any two of them, and come back. What must hold is written as assertions in the rules and the invariant.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlmodel import Session, col, select

from invent_server.assistant import turns
from invent_server.assistant.types import TurnResult
from invent_server.channels.base import Refused as ChannelRefused
from invent_server.channels.base import Result, Retry, Sent, Unknown
from invent_server.conversations import control, writing
from invent_server.delivery import outbox
from invent_server.routes.web import visible_after
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.database import Store, Write, open_store
from invent_server.store.notices import notices
from invent_server.stream import frames
from shared import models as m
from shared.commands import Reply
from tests.support.clock import ManualClock
from tests.support.databases import fresh, postgres_problem
from tests.support.parts import actor
from tests.support.rows import company, conversation, say

T = TypeVar("T")
NODES = ("n1", "n2")
FINAL = ("sent", "failed", "uncertain", "withdrawn")
RESULTS: tuple[Result, ...] = (
    Sent("x"),
    Sent("x"),
    Retry("busy"),
    Retry("busy", 20.0),
    ChannelRefused("no"),
    Unknown("?"),
)


class ByHand(control.Control):
    """The commands without their waiting: that is done by rules of the machine, one look at a time."""

    epoch = 0

    async def _drain(self, conversation_id: str, epoch: int) -> m.Conversation:
        self.epoch = epoch
        return await self._store.read(lambda s: wire.conversation(s, s.get_one(t.Conversation, conversation_id)))


class Path(RuleBasedStateMachine):
    dialect = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        database = self.stack.enter_context(fresh(self.dialect))
        self.database = database.settings()
        self.store: Store = open_store(self.database, self.clock)
        self.run(self.store.start())
        self.control = ByHand(self.store, self.database.handoff)
        self.keys: list[str] = []
        self.answers: dict[str, str] = {}
        self.claims: dict[str, turns.Claim] = {}
        self.sends: dict[str, list[outbox.Claimed]] = {name: [] for name in NODES}
        self.zombies: list[outbox.Claimed] = []
        self.results: dict[str, list[Result | None]] = {}
        self.assistants: set[str] = set()
        self.draining: int | None = None
        self.silent = False
        self.cursor, self.seen = 0, 0

    def run(self, work: Awaitable[T]) -> T:
        async def whole() -> T:
            return await work

        return self.loop.run_until_complete(whole())

    def write(self, fn: Write[T]) -> T:
        return self.run(self.store.write(fn))

    def read(self, fn: Write[T]) -> T:
        return self.run(self.store.read(fn))

    @initialize()
    def begin(self) -> None:
        self.made = self.run(company(self.store, "api"))
        self.talk = self.run(conversation(self.store, self.made))
        self.ana = actor(self.made, "ana")

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        self.stack.close()

    # ---- the customer -------------------------------------------------------------------------------------------

    @rule()
    def deliver(self) -> None:
        self.keys.append(f"k{len(self.keys)}")
        self._receive(self.keys[-1])

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        self._receive(data.draw(st.sampled_from(self.keys)))

    def _receive(self, key: str) -> None:
        received = self.run(say(self.store, self.made, self.talk, key))
        assert received.message is not None
        assert received.new == (key not in self.answers)
        assert self.answers.setdefault(key, received.message.id) == received.message.id

    @rule()
    def reconnect(self) -> None:
        """A client that knows its last seq gets what follows, each once."""
        found = [message.seq for message in self.read(lambda s: visible_after(s, self.talk, self.seen, 500))]
        assert found == sorted(set(found))
        assert all(seq > self.seen for seq in found)

    # ---- the assistant ------------------------------------------------------------------------------------------

    @rule(node=st.sampled_from(NODES))
    def begin_turn(self, node: str) -> None:
        claim = self.write(lambda s: turns.claim(s, self.talk, node, 1.0))
        if claim is not None:
            assert not self.silent
            self.claims[node] = claim

    @rule(node=st.sampled_from(NODES))
    def renew(self, node: str) -> None:
        claim = self.claims.get(node)
        if claim is not None and not self.write(lambda s: turns.renew(s, claim, 1.0)):
            self.write(lambda s: turns.stop(s, claim, "takeover", "half an answer"))
            del self.claims[node]

    @rule(node=st.sampled_from(NODES), outcome=st.sampled_from(["answer", "answer", "handoff", "silence"]))
    def finish(self, node: str, outcome: Any) -> None:
        claim = self.claims.pop(node, None)
        if claim is None:
            return
        result = TurnResult(outcome, "r", "d", "" if outcome == "silence" else "text", "en")
        ending = self.write(lambda s: turns.finish(s, claim, result, {}, node, 30.0, 1.0))
        assert not (self.silent and ending == "done")

    @rule(node=st.sampled_from(NODES))
    def fail(self, node: str) -> None:
        if claim := self.claims.pop(node, None):
            self.write(lambda s: turns.fail(s, claim, 0.5))

    # ---- the agent ----------------------------------------------------------------------------------------------

    @rule()
    def take_over(self) -> None:
        """The first half: from here on everything that works for the old epoch must come to its end."""
        self.run(self.control.takeover(self.ana, self.talk))
        self.draining = self.control.epoch

    @precondition(lambda self: self.draining is not None)
    @rule()
    def look_whether_it_is_silent(self) -> None:
        epoch = self.draining
        assert epoch is not None
        if self.read(lambda s: control._settled(s, self.talk, epoch)) is not None:
            self._acknowledge()
        else:
            self.write(lambda s: control._bury(s, self.talk, epoch))

    @precondition(lambda self: self.draining is not None)
    @rule()
    def lose_patience(self) -> None:
        epoch = self.draining
        assert epoch is not None
        self.write(lambda s: control._give_up(s, self.talk, epoch))
        self._acknowledge()

    def _acknowledge(self) -> None:
        """What of the assistant is still in the air must be marked as uncertain."""
        self.draining, self.silent = None, True
        flying = [c.message_id for sends in self.sends.values() for c in sends if c.message_id in self.assistants]
        states = self.read(lambda s: list(s.exec(select(t.Outbox.state).where(col(t.Outbox.message_id).in_(flying)))))
        assert set(states) <= {"uncertain"}

    @precondition(lambda self: self.silent and self.draining is None)
    @rule()
    def hand_back(self) -> None:
        self.silent = False
        self.run(self.control.handback(self.ana, self.talk))

    @precondition(lambda self: self.silent)
    @rule()
    def reply(self) -> None:
        self.write(lambda s: writing.reply(s, self.ana, self.talk, Reply(text="from ana"), "n1", 30.0))

    # ---- delivery -----------------------------------------------------------------------------------------------

    @rule(node=st.sampled_from(NODES), data=st.data())
    def send(self, node: str, data: st.DataObject) -> None:
        waiting = self.read(lambda s: list(s.exec(select(t.Outbox.message_id).where(t.Outbox.state == "queued"))))
        if not waiting:
            return
        message_id = data.draw(st.sampled_from(sorted(waiting)))
        due = self.read(lambda s: outbox.due(s, 100))
        claimed = self.write(lambda s: outbox.claim(s, message_id, node, 30.0))
        if claimed is None:
            return
        assert message_id in due
        [row] = self.read(lambda s: list(s.exec(select(t.Outbox).where(t.Outbox.message_id == message_id))))
        earlier = self.read(lambda s: list(s.exec(select(t.Outbox.state).where(t.Outbox.seq < row.seq))))
        assert all(state in FINAL for state in earlier), "sent before an earlier message was settled"
        if row.author_kind == "assistant":
            assert not self.silent, "the assistant speaks after the acknowledgement"
            self.assistants.add(message_id)
        tries = self.results.setdefault(message_id, [])
        assert all(isinstance(one, Retry) for one in tries), "sent again though it may have arrived"
        tries.append(None)
        self.sends[node].append(claimed)

    @rule(node=st.sampled_from(NODES), result=st.sampled_from(RESULTS))
    def record(self, node: str, result: Result) -> None:
        if not self.sends[node]:
            return
        claimed = self.sends[node].pop(0)
        if self.write(lambda s: outbox.record(s, claimed, result, (2.0, 10.0))) is not None:
            self.results[claimed.message_id][-1] = result

    @precondition(lambda self: self.zombies)
    @rule()
    def a_dead_send_speaks_up(self) -> None:
        zombie = self.zombies.pop()
        assert self.write(lambda s: outbox.record(s, zombie, Sent("late"), ())) is None

    # ---- faults -------------------------------------------------------------------------------------------------

    @rule(node=st.sampled_from(NODES))
    def crash(self, node: str) -> None:
        """The process dies between two steps and starts again."""
        self.claims.pop(node, None)
        self.zombies += self.sends[node]
        self.sends[node] = []
        self.write(lambda s: outbox.doubt(s, node, True))
        self.write(lambda s: turns.recover(s, node))

    @rule(seconds=st.sampled_from([0.4, 1.1, 5.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.write(lambda s: outbox.doubt(s, "n1", False))
        if seconds > 30:  # both nodes slept through their leases
            for name in NODES:
                self.zombies += self.sends[name]
                self.sends[name] = []

    # ---- what holds after every step ----------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_doubled_or_late(self) -> None:
        if not hasattr(self, "talk"):
            return
        self.read(self._check)
        self._events()

    def _check(self, session: Session) -> None:
        talk = session.get_one(t.Conversation, self.talk)
        thread = session.exec(
            select(t.Message).where(t.Message.conversation_id == talk.id).order_by(col(t.Message.seq))
        ).all()
        assert [one.seq for one in thread] == list(range(1, len(thread) + 1))
        assert talk.last_seq == len(thread)
        asked = [one for one in thread if one.author_kind == "customer"]
        assert [one.id for one in asked] == list(self.answers.values())
        last = 0
        kept = [one for one in thread if one.author_kind == "assistant" and one.delivery_error != "withdrawn"]
        for reply in kept:
            assert reply.covers_first is not None
            assert reply.covers_last is not None
            assert last < reply.covers_first <= reply.covers_last < reply.seq, "two replies to one message"
            assert thread[reply.covers_first - 1].author_kind == thread[reply.covers_last - 1].author_kind == "customer"
            assert all(one.seq <= reply.covers_last for one in asked if one.seq < reply.seq), "an overtaken reply"
            last = reply.covers_last
        work = session.get(t.Work, talk.id)
        if talk.status == "open" and talk.handler == "assistant" and talk.customer_seq > talk.answered_seq:
            assert work is not None, "unanswered, and nobody will"
        doubtful = session.exec(select(t.Outbox).where(col(t.Outbox.state).in_(("uncertain", "failed")))).all()
        assert {n.message_id for n in notices(session)} == {row.message_id for row in doubtful}
        for message in thread:
            row = session.get(t.Outbox, message.id)
            if row is not None:
                assert message.delivery == ("failed" if row.state == "withdrawn" else row.state)

    def _events(self) -> None:
        found = self.read(lambda s: [f.seq for f in frames.make(s, frames.events_after(s, self.cursor, 500))])
        assert found == list(range(self.cursor + 1, self.cursor + 1 + len(found)))
        self.cursor += len(found)


class PostgresPath(Path):
    dialect = "postgresql"


EXAMPLES = int(os.environ.get("INVENT_TEST_EXAMPLES", "10"))
CHECK = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
Path.TestCase.settings = CHECK
PostgresPath.TestCase.settings = settings(CHECK, max_examples=EXAMPLES // 2)
TestOnSqlite = Path.TestCase
TestOnPostgres = pytest.mark.skipif(
    postgres_problem() is not None and os.environ.get("CI") != "true", reason=f"no PostgreSQL: {postgres_problem()}"
)(PostgresPath.TestCase)
