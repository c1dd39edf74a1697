"""Answering a customer's message anew with other instructions: the same turn, and nothing comes of it.

No row is written, no event is told, nobody but the asker hears a word. Asked at an agent's priority, so that customers
go first; evaluation waits behind everything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal

from invent_server.assistant.fallback import broken
from invent_server.assistant.past import Past
from invent_server.assistant.runner import Runner
from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.models.scheduler import Priority
from shared.instructions import EvaluationBegan, EvaluationCase, EvaluationDone, EvaluationFrame, ReplayAnswer

AT_ONCE = 4
"""Turns rehearsed at the same time; who comes later waits."""


class Rehearsals:
    """One per server. The responder is the one with which `runner` answers customers."""

    def __init__(self, runner: Runner, deadline: float) -> None:
        self._runner = runner
        self._deadline = deadline
        self._places = asyncio.Semaphore(AT_ONCE)

    async def replay(self, past: Past, emit: Emit) -> ReplayAnswer:
        """The new answer; its pieces go to `emit`."""
        turn = replace(past.turn, priority=Priority.AGENT, rehearsal=True)
        began = time.perf_counter()
        try:
            async with self._places, asyncio.timeout(self._deadline):
                result = await self._runner.responder(turn, emit)
        except TimeoutError:
            result = broken(turn, "deadline")
        return _answer(turn, result, began)

    async def evaluate(self, cases: list[tuple[Past, Past]]) -> AsyncIterator[EvaluationFrame]:
        """Each message under the old and under the new instructions, one after the other, then the counts."""
        yield EvaluationBegan(total=len(cases))
        counts = dict.fromkeys(("same", "reworded", "changed", "failed"), 0)
        for number, (before, after) in enumerate(cases, 1):
            old, new = await self._chore(before), await self._chore(after)
            kind = difference(old, new)
            counts[{"": "same", "text": "reworded", "failed": "failed"}.get(kind, "changed")] += 1
            yield EvaluationCase(
                done=number,
                total=len(cases),
                message_id=after.message_id,
                conversation_id=after.conversation_id,
                question=after.question,
                difference=kind,
                old=old,
                new=new,
            )
        yield EvaluationDone.model_validate({"total": len(cases), **counts})

    async def _chore(self, past: Past) -> ReplayAnswer:
        turn = replace(past.turn, priority=Priority.BULK, rehearsal=True)
        began = time.perf_counter()
        async with self._places:
            return _answer(turn, await self._runner.responder(turn, _unheard), began)


async def _unheard(piece: str) -> None:
    """Nobody reads along."""


def difference(old: ReplayAnswer, new: ReplayAnswer) -> Literal["", "outcome", "sources", "text", "failed"]:
    """What changed most between two answers to the same message."""
    if old.outcome != new.outcome:
        return "outcome"
    if bool(old.problem) != bool(new.problem):
        return "failed"
    if [one.chunk_id for one in old.citations] != [one.chunk_id for one in new.citations]:
        return "sources"
    return "text" if old.text != new.text else ""


def _answer(turn: TurnInput, result: TurnResult, began: float) -> ReplayAnswer:
    return ReplayAnswer(
        outcome=result.outcome,
        reason=result.reason,
        detail=result.detail,
        text=result.text,
        language=result.language,
        engine=result.engine,
        problem=result.problem,
        version=turn.instructions.version,
        citations=list(result.citations),
        evidence=list(result.evidence),
        timings={**result.timings, "total": round((time.perf_counter() - began) * 1000, 3)},
    )
