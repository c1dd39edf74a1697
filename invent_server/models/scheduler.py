"""Every call to a model goes through here: customers first, chores make room, nobody waits without a bound.

One lane per model with as many places as it answers at once (places.py): beyond them Ollama lets requests wait without
limit, in the order of their coming. A chore that runs while a customer waits is cancelled (its connection is closed,
which frees the slot in Ollama at once) and takes its place in the queue again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from invent_server.models.breaker import Breaker
from invent_server.models.errors import ModelBusy, ModelError
from invent_server.models.places import PATIENCE, Places
from shared.settings import Models

T = TypeVar("T")


class Priority(IntEnum):
    """Who goes first. From SUMMARY on calls are chores: they yield to the others even while they run."""

    REPLY = 0
    """A customer's answer, and the embedding of what was asked."""
    AGENT = 1
    SUMMARY = 2
    MEMORY = 3
    BULK = 4
    """Evaluation, embeddings of knowledge."""


@dataclass(order=True, slots=True)
class _Call:
    priority: Priority
    number: int
    """Order of coming; a call that made room keeps it."""
    go: asyncio.Future[None] = field(compare=False)
    scope: asyncio.Timeout | None = field(default=None, compare=False)
    yielding: bool = field(default=False, compare=False)
    task: asyncio.Task[Any] | None = field(default=None, compare=False)
    """Who makes the call."""
    begun: int = field(default=0, compare=False)
    """Order of beginning."""
    speaks: bool = field(default=False, compare=False)
    """Its first word has come."""

    def make_room(self) -> None:
        self.yielding = True
        if self.scope is not None:
            self.scope.reschedule(asyncio.get_running_loop().time())


@dataclass(slots=True)
class _Lane:
    """The places of one model."""

    breaker: Breaker
    places: Places
    running: list[_Call] = field(default_factory=list)
    waiting: list[_Call] = field(default_factory=list)


class Scheduler:
    """The one way to the models of a server."""

    def __init__(self, settings: Models) -> None:
        self._settings = settings
        self._lanes: dict[str, _Lane] = {}
        self._numbers = itertools.count()

    def breaker(self, model: str) -> Breaker:
        return self._lane(model).breaker

    def waiting(self, model: str) -> int:
        """How many calls wait for a place."""
        return len(self._lane(model).waiting)

    def places(self, model: str) -> int:
        """How many calls it is known to answer side by side."""
        return self._lane(model).places.known

    def speaks(self, model: str) -> None:
        """Tell that the first word of the call that the current task makes has come."""
        lane, task = self._lane(model), asyncio.current_task()
        for call in lane.running:
            if call.task is task and not call.speaks:
                call.speaks = True
                lane.places.saw(1 + _before(lane, call))
                self._fill(lane)

    async def run(
        self,
        priority: Priority,
        model: str,
        work: Callable[[], Awaitable[T]],
        wait: float | None = None,
        *,
        probe: bool = False,
    ) -> T:
        """The result of `work`, which makes one call to `model`. A chore's `work` may be begun several times.

        `wait`: seconds for a place. `probe`: only looks whether the model is there, so the breaker lets it pass and
        stays as it is but for letting the next call try. Raises ModelBusy (no place in time, or the queue is full),
        ModelAway (the breaker is open), and what `work` raises.
        """
        lane = self._lane(model)
        number = next(self._numbers)
        while True:
            if not probe:
                lane.breaker.refuse()
            call = _Call(priority, number, asyncio.get_running_loop().create_future(), task=asyncio.current_task())
            await self._place(lane, call, wait)
            try:
                async with asyncio.timeout(None) as call.scope:
                    if not call.yielding:  # it may have been asked to between getting its place and this line
                        return await self._work(lane.breaker, work, probe)
            except TimeoutError:
                if not call.yielding:
                    raise
            finally:
                call.scope = None
                lane.running.remove(call)
                self._fill(lane)

    async def _work(self, breaker: Breaker, work: Callable[[], Awaitable[T]], probe: bool) -> T:
        if not probe:
            breaker.enter()
        try:
            result = await work()
        except ModelError as error:
            breaker.failed(error)
            raise
        except BaseException:
            breaker.left()
            raise
        if probe:
            breaker.rested()
        else:
            breaker.succeeded()
        return result

    async def _place(self, lane: _Lane, call: _Call, wait: float | None) -> None:
        if len(lane.waiting) >= self._settings.queue:
            raise ModelBusy(f"{len(lane.waiting)} calls wait for the model already")
        heapq.heappush(lane.waiting, call)
        self._fill(lane)
        try:
            async with asyncio.timeout(wait):
                await call.go
        except BaseException as error:
            if call in lane.running:  # the place came in the same moment
                lane.running.remove(call)
            else:
                lane.waiting.remove(call)
                heapq.heapify(lane.waiting)
            self._fill(lane)
            if isinstance(error, TimeoutError):
                raise ModelBusy(f"the model had no time for it within {wait:.3g} s") from None
            raise

    def _fill(self, lane: _Lane) -> None:
        """Give free places to the first who wait; if people wait and none is free, let chores make room."""
        while lane.waiting and (len(lane.running) < lane.places.known or self._may_try(lane)):
            call = heapq.heappop(lane.waiting)
            if lane.running and lane.places.watched and call.priority == Priority.REPLY:
                asyncio.get_running_loop().call_later(
                    min(PATIENCE, self._settings.first / 2), self._look_at, lane, call
                )
            call.begun = next(self._numbers)
            lane.running.append(call)
            call.go.set_result(None)
        people = sum(call.priority < Priority.SUMMARY for call in lane.waiting)
        leaving = sum(call.yielding for call in lane.running)
        chores = sorted(call for call in lane.running if call.priority >= Priority.SUMMARY and not call.yielding)
        for call in reversed(chores[max(0, len(chores) - max(0, people - leaving)) :]):
            call.make_room()

    def _may_try(self, lane: _Lane) -> bool:
        now = asyncio.get_running_loop().time()
        if any(call.priority >= Priority.SUMMARY for call in lane.running):
            return False  # a chore makes room sooner
        return lane.waiting[0].priority == Priority.REPLY and lane.places.may_try(len(lane.running), now)

    def _look_at(self, lane: _Lane, call: _Call) -> None:
        """A call that began beside others: if it has no word yet and they still run, it has no place."""
        served = _before(lane, call)
        if call in lane.running and not call.speaks and served:
            lane.places.missed(served, asyncio.get_running_loop().time())
            call.make_room()

    def _lane(self, model: str) -> _Lane:
        found = self._lanes.get(model)
        if found is None:
            found = self._lanes[model] = _Lane(Breaker(self._settings.breaker), Places(self._settings.parallel))
        return found


def _before(lane: _Lane, call: _Call) -> int:
    """Calls that began before it and still run: a model server takes them in the order of their coming."""
    return sum(one.begun < call.begun for one in lane.running)
