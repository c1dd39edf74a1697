"""The message path without HTTP: store, stream, control, turns and delivery on one database, with a channel of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from invent_server.assistant.runner import Runner
from invent_server.assistant.types import Responder
from invent_server.channels.base import Channel, InboundMessage, Outgoing, Result, Sent
from invent_server.channels.web import Web
from invent_server.conversations.control import Actor, Control
from invent_server.delivery.worker import Worker
from invent_server.store.database import Store, open_store
from invent_server.store.secrets import Secrets
from invent_server.stream.hub import Hub
from invent_server.stream.tailer import Tailer
from shared.clock import Clock, SystemClock
from shared.settings import Settings
from shared.tasks import Tasks
from tests.support.responders import Scripted
from tests.support.rows import Company


@dataclass
class Line:
    """A channel to the outside that remembers what went over it. `answer` decides what becomes of each message."""

    answer: Callable[[Outgoing], Awaitable[Result]] | None = None
    begun: list[tuple[float, Outgoing]] = field(default_factory=list)
    ended: list[tuple[float, Outgoing]] = field(default_factory=list)
    kind: ClassVar[str] = "api"
    keys: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    instant: ClassVar[bool] = False

    def verify(self, raw: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> None: ...

    def parse(self, raw: bytes) -> list[InboundMessage]:
        return []

    async def send(self, outgoing: Outgoing) -> Result:
        clock = asyncio.get_running_loop().time
        self.begun.append((clock(), outgoing))
        try:
            return await self.answer(outgoing) if self.answer else Sent()
        finally:
            self.ended.append((clock(), outgoing))

    def texts(self) -> list[str]:
        return [outgoing.message.text for _, outgoing in self.begun]


@dataclass
class Parts:
    """One node at work."""

    store: Store
    hub: Hub
    tailer: Tailer
    control: Control
    runner: Runner
    worker: Worker
    line: Line
    node: str
    settings: Settings
    errors: list[BaseException]


def actor(made: Company, name: str) -> Actor:
    return Actor(made.agents[name], name, "agent")


@asynccontextmanager
async def node(
    settings: Settings,
    *,
    responder: Responder | None = None,
    line: Line | None = None,
    name: str = "node",
    clock: Clock | None = None,
    recover: bool = True,
) -> AsyncIterator[Parts]:
    """The parts of one server, running; several on one database are several nodes."""
    store = open_store(settings, clock or SystemClock())
    await store.start()
    hub = Hub()
    tailer = Tailer(store, hub, settings.stream)
    line = line or Line()

    async def push(conversation_id: str) -> None:
        await tailer.catch_up()
        await hub.visitors_flushed(conversation_id)

    channels: dict[str, Channel] = {"web": Web(push), "api": line}
    runner = Runner(store, hub, responder or Scripted(), settings, name)
    worker = Worker(store, channels, Secrets(["a key for tests only"]), settings.delivery, name)
    control = Control(store, settings.handoff)
    errors: list[BaseException] = []
    tasks = Tasks(errors.append)
    await tailer.start()
    tasks.start(tailer.run())
    if recover:
        await worker.recover()
        await runner.recover()
    tasks.start(runner.run())
    tasks.start(worker.run())
    try:
        yield Parts(store, hub, tailer, control, runner, worker, line, name, settings, errors)
    finally:
        await runner.close(0.5)
        await worker.close()
        await tasks.close()
        await store.close()


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """Ask until the answer is true; gives the answer."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.01)
