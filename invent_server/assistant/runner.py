"""Runs turns: one at a time per conversation, many conversations side by side, each ended by whoever may end it.

A newer customer message supersedes the running turn; a takeover stops it at once. Live text is emitted only under a
lease that is renewed in the database, so that a lost hint ends the stream within `assistant.lease`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import structlog
from sqlmodel import Session

from invent_server.assistant import replies, turns
from invent_server.assistant.fallback import broken
from invent_server.assistant.turns import Claim, Ending
from invent_server.assistant.types import Emit, Responder, TurnResult
from invent_server.conversations.duty import on_duty
from invent_server.metrics import TURN_SECONDS, TURNS
from invent_server.store.database import Store
from invent_server.store.errors import StoreUnavailable
from invent_server.store.session import Hints
from invent_server.stream.hub import Hub, LiveText
from shared.events import EndReason
from shared.settings import Settings
from shared.tasks import Tasks
from shared.text import storable

log = structlog.get_logger(__name__)
POLL = 1.0
RETRY_PAUSE = 0.5


class _Silenced(Exception):
    """The turn may no longer speak."""


@dataclass(eq=False, slots=True)
class _Active:
    """A conversation that this node works on. `ending` says why its turn was cut short."""

    task: asyncio.Task[None] | None = None
    claim: Claim | None = None
    answer: asyncio.Task[TurnResult] | None = None
    speak_until: float = 0.0
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the right to speak was renewed or taken away."""
    ending: Ending | None = None
    again: bool = False
    text: list[str] = field(default_factory=list)
    claimed_at: float = 0.0
    asked_at: float = 0.0
    """When the turn was claimed and the responder called, by `time.monotonic`."""


def _report(error: BaseException) -> None:
    if not isinstance(error, _Silenced):
        log.error("turn broke", error=repr(error))


class Runner:
    """The assistant at work on one node."""

    def __init__(self, store: Store, hub: Hub, responder: Responder, settings: Settings, node: str) -> None:
        self._store = store
        self._hub = hub
        self.responder = responder
        self._settings = settings.assistant
        self._send_lease = settings.delivery.lease
        self._settle = settings.delivery.settle
        self._keep_prompts = settings.retention.prompts > 0
        self._node = node
        self._active: dict[str, _Active] = {}
        self._slots = asyncio.Semaphore(settings.assistant.concurrency)
        self._tasks = Tasks(_report)
        self._open = True
        store.on_commit.append(self._committed)

    async def recover(self) -> None:
        """At start: what this node's former run had claimed is free again."""
        await self._store.write(lambda session: turns.recover(session, self._node))

    async def run(self) -> None:
        """Find work that no hint told of (restart, other nodes, retries) for ever."""
        while True:
            try:
                for conversation_id in await self._store.read(lambda session: turns.claimable(session, 256)):
                    if conversation_id not in self._active:
                        self._begin(conversation_id)
            except StoreUnavailable as error:
                log.warning("work unreadable", error=str(error))
            await asyncio.sleep(POLL)

    async def close(self, drain: float) -> None:
        """Let running turns end for `drain` seconds, then stop them; their work is found again at the next start."""
        self._open = False
        try:
            async with asyncio.timeout(drain):
                await self._tasks.join()
        except TimeoutError:
            log.warning("turns were cut off", turns=len(self._tasks))
        await self._tasks.close()

    def _committed(self, hints: Hints, events: bool) -> None:
        for conversation_id in hints.stopped - hints.work:
            self._cut(conversation_id, "takeover")
        for conversation_id in hints.work:
            self._cut(conversation_id, "superseded")
            self._begin(conversation_id)

    def _begin(self, conversation_id: str) -> None:
        if not self._open:
            return
        active = self._active.get(conversation_id)
        if active is not None:
            active.again = True
            return
        active = self._active[conversation_id] = _Active()
        active.task = self._tasks.start(self._work(conversation_id, active), name=f"turns {conversation_id}")

    def _cut(self, conversation_id: str, ending: Ending) -> None:
        """End the running turn of a conversation now: no piece of text goes out after this call."""
        active = self._active.get(conversation_id)
        if active is None or active.claim is None or active.ending is not None:
            return
        active.ending = ending
        active.moved.set()
        self._hush(active, ending)
        if active.answer is not None:
            active.answer.cancel()

    def _hush(self, active: _Active, ending: EndReason) -> None:
        assert active.claim is not None
        self._hub.end(active.claim.conversation_id, active.claim.message_id, ending)

    async def _work(self, conversation_id: str, active: _Active) -> None:
        """Turns of one conversation until nothing is left to do."""
        try:
            async with self._slots:
                while True:
                    active.again = False
                    await self._turn(conversation_id, active)
                    active.claim = active.answer = active.ending = None
                    if not active.again or not self._open:
                        return
        except StoreUnavailable as error:
            log.warning("turn not recorded", conversation_id=conversation_id, error=str(error))
            await self._give_back(active)
        finally:
            del self._active[conversation_id]

    async def _give_back(self, active: _Active) -> None:
        """The database took no outcome: end the turn, and free the conversation as soon as that can be written."""
        claim = active.claim
        if claim is not None:
            self._hush(active, "failed")
            await self._store.insist(lambda session: turns.stop(session, claim, "failed", ""))

    async def _turn(self, conversation_id: str, active: _Active) -> None:
        began = time.monotonic()

        def take(session: Session) -> Claim | None:
            active.claimed_at = time.monotonic()
            return turns.claim(session, conversation_id, self._node, self._settings.lease)

        claim = await self._store.write(take)
        if claim is None:
            return
        active.claim, active.text = claim, []
        active.speak_until = began + self._settings.lease
        if active.again:  # a message came while the claim was made: begin anew, with it
            await self._store.write(lambda session: turns.stop(session, claim, "superseded", ""))
            return
        private = claim.mode == "suggest"
        self._hub.begin(LiveText(conversation_id, claim.inbox_id, claim.message_id, private))
        renewal = asyncio.get_running_loop().call_later(self._settings.lease / 3, self._renew_soon, active)
        try:
            result, error = await self._answer(claim, active)
        finally:
            renewal.cancel()
        if result is None:
            await self._broken_off(claim, active, error)
            return
        await self._complete(claim, active, result, began)

    async def _answer(self, claim: Claim, active: _Active) -> tuple[TurnResult | None, BaseException | None]:
        """The responder's result within the deadline, or why there is none."""

        async def emit(piece: str) -> None:
            while active.claim is claim and active.ending is None and time.monotonic() >= active.speak_until:
                active.moved.clear()  # a slow database: wait until it says that the turn may go on, or not
                await active.moved.wait()
            if active.claim is not claim or active.ending is not None:
                raise _Silenced
            piece = storable(piece)  # a lone surrogate can go over no wire
            active.text.append(piece)
            self._hub.token(claim.conversation_id, piece)
            await asyncio.sleep(0)

        async def respond() -> TurnResult:
            async with asyncio.timeout(self._settings.deadline):
                return await self._explained(claim, active, await self.responder(claim.input, emit), emit)

        active.asked_at = time.monotonic()
        active.answer = self._tasks.start(respond(), name=f"answer {claim.conversation_id}")
        await asyncio.wait([active.answer])
        task = active.answer
        if task.cancelled() or active.ending is not None:
            return None, None
        error = task.exception()
        if error is None:
            return task.result(), None
        if isinstance(error, TimeoutError):
            return broken(claim.input, "deadline"), None
        return None, error

    async def _explained(self, claim: Claim, active: _Active, result: TurnResult, emit: Emit) -> TurnResult:
        """A handoff on the web while nobody is there says so, and asks for another way to reach the customer."""
        given = claim.input
        if result.outcome != "handoff" or not result.text or not claim.instant:
            return result
        if on_duty(self._hub, claim.inbox_id, given.hours, given.at):
            return result
        tr = replies.catalog(result.language or given.locale or "", given.default_language)
        said = (replies.nobody(tr), replies.leave_email(tr))[given.hours is not None :]  # the hours are told already
        note = "\n\n" + " ".join(said)
        if "".join(active.text) == result.text:
            await emit(note)
        return replace(result, text=result.text + note)

    async def _broken_off(self, claim: Claim, active: _Active, error: BaseException | None) -> None:
        if active.ending is None and error is not None:
            log.error("responder failed", conversation_id=claim.conversation_id, error=repr(error))
            self._hush(active, "failed")
            if claim.attempts >= self._settings.attempts:
                active.text = []
                await self._complete(claim, active, broken(claim.input, "failed"), time.monotonic())
            else:
                await self._store.write(lambda session: turns.fail(session, claim, RETRY_PAUSE * claim.attempts))
            return
        ending = active.ending or "failed"
        self._hush(active, ending)
        draft = "".join(active.text)
        await self._store.write(lambda session: turns.stop(session, claim, ending, draft))

    async def _complete(self, claim: Claim, active: _Active, result: TurnResult, began: float) -> None:
        trace = {
            "engine": result.engine or self.responder.name,
            "ms": round((time.monotonic() - began) * 1000, 2),
            "lead": round((active.asked_at - active.claimed_at) * 1000, 2),
            "timings": result.timings,
            "starts": result.starts,
            "intent": {"label": result.intent, "confidence": round(result.confidence, 4)} if result.intent else None,
            **result.facts,
            "instructions": claim.input.instructions.version,
        }
        if not self._keep_prompts and isinstance(asked := trace.get("prompt"), dict):
            trace["prompt"] = {key: value for key, value in asked.items() if key != "messages"}
        ending = await self._store.write(
            lambda session: turns.finish(session, claim, result, trace, self._node, self._send_lease, self._settle)
        )
        self._hush(active, ending)
        TURNS.labels(result.outcome if ending == "done" else ending).inc()
        TURN_SECONDS.observe(time.monotonic() - began)
        if ending == "superseded":
            active.again = True

    def _renew_soon(self, active: _Active) -> None:
        if (
            active.claim is not None
            and active.ending is None
            and active.answer is not None
            and not active.answer.done()
        ):
            self._tasks.start(self._renew(active, active.claim), name="renew")

    async def _renew(self, active: _Active, claim: Claim) -> None:
        """Renew the lease as long as the same turn runs; end it when the right to speak is gone."""
        lease = self._settings.lease
        while (
            active.claim is claim and active.ending is None and active.answer is not None and not active.answer.done()
        ):
            began = time.monotonic()
            try:
                kept = await self._store.write(lambda session: turns.renew(session, claim, lease))
            except StoreUnavailable:
                kept = True  # not renewed: `speak_until` ends it
                began = active.speak_until - lease
            if active.claim is not claim:
                return
            if not kept:
                self._cut(claim.conversation_id, "takeover")
                return
            active.speak_until = began + lease
            active.moved.set()
            await asyncio.sleep(lease / 3)
