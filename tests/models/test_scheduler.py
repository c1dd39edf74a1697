"""Who goes first, who makes room, who is told that there is no time; and the breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from invent_server.models.breaker import Breaker
from invent_server.models.errors import ModelAway, ModelBroken, ModelBusy, ModelRefused, ModelSlow
from invent_server.models.ollama import Ollama, Times
from invent_server.models.scheduler import Priority, Scheduler
from tests.models.conftest import ASK, settings, until
from tests.ollama_double import Double
from tests.support.clock import ManualClock

LONG = Times(5, 5, 5)


async def quiet(piece: str) -> None:
    """Nobody listens."""


def scheduler(**more: object) -> Scheduler:
    return Scheduler(settings("127.0.0.1:9", **more))


def noting(order: list[str], name: str, seconds: float = 0.0) -> Callable[[], Awaitable[str]]:
    async def work() -> str:
        order.append(name)
        await asyncio.sleep(seconds)
        return name

    return work


async def test_priorities_then_order_of_coming() -> None:
    scheduled = scheduler()
    order: list[str] = []
    first = noting(order, "first", 0.05)
    wanted = [Priority.BULK, Priority.AGENT, Priority.MEMORY, Priority.REPLY, Priority.SUMMARY, Priority.REPLY]
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduled.run(Priority.REPLY, "m", first))
        await asyncio.sleep(0.01)
        for number, priority in enumerate(wanted):
            group.create_task(scheduled.run(priority, "m", noting(order, f"{priority.name}{number}")))
    assert order == ["first", "REPLY3", "REPLY5", "AGENT1", "SUMMARY4", "MEMORY2", "BULK0"]


async def test_chore_makes_room_and_is_done_later(double: Double, ollama: Ollama) -> None:
    double.rule({"text": ["a "]}, {"delay": 0.4}, {"text": ["b"]}, text="How long")
    scheduled = scheduler()
    order: list[str] = []

    async def chore() -> str:
        order.append("chore")
        return (await ollama.chat("chat:4b", ASK, LONG, quiet)).text

    async with asyncio.TaskGroup() as group:
        slow = group.create_task(scheduled.run(Priority.MEMORY, "chat:4b", chore))
        await until(lambda: bool(double.calls()) and double.calls()[0].began is not None)
        began = asyncio.get_running_loop().time()
        await scheduled.run(Priority.REPLY, "chat:4b", noting(order, "reply"))
        assert asyncio.get_running_loop().time() - began < 0.2
        await until(lambda: double.calls()[0].disconnected, seconds=1)
    assert slow.result() == "a b"
    assert order == ["chore", "reply", "chore"]


async def test_only_as_many_chores_leave_as_people_wait() -> None:
    scheduled = scheduler(parallel=3)
    order: list[str] = []
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(scheduled.run(Priority.BULK, "m", noting(order, f"bulk{number}", 0.1)))
        await asyncio.sleep(0.01)
        group.create_task(scheduled.run(Priority.AGENT, "m", noting(order, "agent", 0.02)))
    assert order == ["bulk0", "bulk1", "bulk2", "agent", "bulk2"]


async def test_people_do_not_push_people_out() -> None:
    scheduled = scheduler()
    order: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduled.run(Priority.AGENT, "m", noting(order, "agent", 0.05)))
        await asyncio.sleep(0.01)
        group.create_task(scheduled.run(Priority.REPLY, "m", noting(order, "reply")))
    assert order == ["agent", "reply"]


async def test_wait_and_queue_are_bounded() -> None:
    scheduled = scheduler(queue=1, parallel=1)
    order: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduled.run(Priority.REPLY, "m", noting(order, "long", 0.3)))
        await asyncio.sleep(0.01)
        with pytest.raises(ModelBusy):
            await scheduled.run(Priority.REPLY, "m", noting(order, "late"), wait=0.05)
        group.create_task(scheduled.run(Priority.REPLY, "m", noting(order, "next")))
        await asyncio.sleep(0.01)
        with pytest.raises(ModelBusy):
            await scheduled.run(Priority.REPLY, "m", noting(order, "one too many"))
    assert order == ["long", "next"]
    assert scheduled.waiting("m") == 0


async def test_cancelled_callers_leave_no_trace() -> None:
    scheduled = scheduler()
    order: list[str] = []
    loop = asyncio.get_running_loop()
    running = loop.create_task(scheduled.run(Priority.REPLY, "m", noting(order, "running", 9)))
    await asyncio.sleep(0.01)
    waiting = loop.create_task(scheduled.run(Priority.REPLY, "m", noting(order, "waiting", 9)))
    await asyncio.sleep(0.01)
    for task in (waiting, running):
        task.cancel()
    await asyncio.gather(waiting, running, return_exceptions=True)
    assert await scheduled.run(Priority.BULK, "m", noting(order, "free"), wait=0.1) == "free"


async def test_models_do_not_wait_for_each_other() -> None:
    scheduled = scheduler()
    order: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduled.run(Priority.REPLY, "chat", noting(order, "chat", 0.05)))
        await asyncio.sleep(0.01)
        assert await scheduled.run(Priority.REPLY, "embed", noting(order, "embed"), wait=0.01) == "embed"


async def test_breaker_answers_at_once_then_lets_one_try() -> None:
    clock = ManualClock()
    breaker = Breaker(2.0, lambda: clock.now() / 1e6)
    breaker.failed(ModelSlow("slow"))
    breaker.enter()
    breaker.failed(ModelRefused("too long"))
    assert breaker.closed, "one slow answer and a refusal say nothing yet"
    breaker.enter()
    breaker.failed(ModelBroken("broken"))
    with pytest.raises(ModelAway, match="broken"):
        breaker.enter()
    clock.advance(2.1)
    breaker.enter()
    with pytest.raises(ModelAway):
        breaker.enter()
    breaker.failed(ModelSlow("slow"))
    assert 3 < breaker.seconds <= 4, "the pause doubles"
    breaker.rested()
    breaker.enter()
    breaker.left()
    breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()


async def test_nobody_waits_for_a_model_that_is_away() -> None:
    scheduled = scheduler(breaker=5.0)

    async def away() -> str:
        raise ModelAway("gone")

    order: list[str] = []
    with pytest.raises(ModelAway, match="gone"):
        await scheduled.run(Priority.REPLY, "m", away)
    with pytest.raises(ModelAway, match="left alone"):
        await scheduled.run(Priority.REPLY, "m", noting(order, "never"))
    assert await scheduled.run(Priority.AGENT, "m", noting(order, "probe"), probe=True) == "probe"
    assert not scheduled.breaker("m").closed
    assert await scheduled.run(Priority.REPLY, "m", noting(order, "trial")) == "trial"
    assert scheduled.breaker("m").closed


def speaking(scheduled: Scheduler, double_places: asyncio.Semaphore, log: list[int]) -> Callable[[], Awaitable[None]]:
    """A call to a server with so many places, which speaks for a while once it has one."""

    async def work() -> None:
        async with double_places:
            await asyncio.sleep(0.02)
            scheduled.speaks("m")
            log.append(scheduled.places("m"))
            await asyncio.sleep(0.3)

    return work


@pytest.mark.parametrize("offered", [1, 3])
async def test_places_are_found_by_watching(offered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invent_server.models.scheduler.PATIENCE", 0.15)
    scheduled = scheduler()
    places, log = asyncio.Semaphore(offered), list[int]()
    loop = asyncio.get_running_loop()
    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(scheduled.run(Priority.REPLY, "m", speaking(scheduled, places, log)))
        assert scheduled.places("m") == offered
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for _ in range(offered):
            group.create_task(scheduled.run(Priority.REPLY, "m", speaking(scheduled, places, log)))
    assert loop.time() - began < 0.6, "all at once, now that the places are known"


async def test_a_server_that_takes_fewer_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invent_server.models.scheduler.PATIENCE", 0.15)
    scheduled, log = scheduler(), list[int]()
    for offered in (3, 1):
        places = asyncio.Semaphore(offered)
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(scheduled.run(Priority.REPLY, "m", speaking(scheduled, places, log)))
        assert scheduled.places("m") == offered


async def test_chores_are_never_what_is_tried() -> None:
    scheduled = scheduler()
    at_once, most = 0, 0

    async def chore() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        scheduled.speaks("m")
        await asyncio.sleep(0.02)
        at_once -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(scheduled.run(Priority.MEMORY, "m", chore))
    assert most == 1
