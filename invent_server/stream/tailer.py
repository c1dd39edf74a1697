"""One reader of the event log per process feeds all its sockets. Hints make it fast; polling makes it certain."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog
from sqlmodel import Session

from invent_server.store.database import Store
from invent_server.store.errors import StoreUnavailable
from invent_server.store.session import Hints
from invent_server.stream import frames
from invent_server.stream.frames import Framed
from invent_server.stream.hub import AgentSocket, Hub
from invent_server.stream.socket import frame
from shared.settings import Stream

BATCH = 500
BREATH = 8
RECENT = 2_000
"""Newest frames kept for clients that come back: most were away for seconds, and many at once."""
log = structlog.get_logger(__name__)


class Tailer:
    """`position`: the newest event that was fanned out.

    While nobody listens nothing is read. Whoever joins the hub calls `catch_up` before he reads for himself: what was
    committed before is in his own reading, what comes after is pushed to him.
    """

    def __init__(self, store: Store, hub: Hub, settings: Stream) -> None:
        self._store = store
        self._hub = hub
        self._settings = settings
        self._wake = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._listening = False
        self.position = 0
        self._recent: deque[Framed] = deque(maxlen=RECENT)
        self._recent_from = 0
        store.on_commit.append(self._committed)

    def _committed(self, hints: Hints, events: bool) -> None:
        if events and self._heard():
            self._wake.set()

    def _heard(self) -> bool:
        return bool(self._hub.agents or self._hub.visitors)

    async def start(self) -> None:
        """Begin at the newest event."""
        self.position = await self._store.read(frames.last_seq)
        self._forget(self.position)

    async def run(self) -> None:
        """Read and fan out for ever."""
        while True:
            try:
                async with asyncio.timeout(self._settings.poll):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            waiters, self._waiters = self._waiters, []
            try:
                if self._listening:
                    while await self._advance() == BATCH:
                        pass
                else:
                    await self.start()
                self._listening = self._heard()
            except Exception as error:  # whatever it is, all screens of this node depend on this loop
                away = isinstance(error, (StoreUnavailable, OSError))
                (log.warning if away else log.exception)("event log unreadable", error=str(error))
                await asyncio.sleep(0.2)
                self._wake.set()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _advance(self) -> int:
        """Fan out the next events; how many. Frames are made only of what somebody here listens to.

        A visitor who joins while this reads misses nothing: he reads his messages after he joined. An agent goes on
        from `position`, so for one who joined meanwhile the events are read again, with frames.
        """
        after, everything, visitors = self.position, bool(self._hub.agents), self._hub.visitors

        def read(session: Session) -> tuple[list[int], list[Framed]]:
            events = frames.events_after(session, after, BATCH)
            wanted = [event for event in events if everything or event.conversation_id in visitors]
            return [event.seq for event in events], frames.make(session, wanted) if wanted else []

        seqs, batch = await self._store.read(read)
        if self._hub.agents and not everything:
            return BATCH
        if seqs and not everything:  # not every event has become a frame: the memory would have holes
            self._forget(seqs[-1])
        for number, framed in enumerate(batch, 1):
            if everything:
                self._keep(framed)
            self._fan_out(framed)
            if number % BREATH == 0:  # a burst must not fill the queues of those who read: they send in between
                await asyncio.sleep(0)
        self.position = seqs[-1] if seqs else after
        return len(seqs)

    def _keep(self, framed: Framed) -> None:
        """Keep a frame for those who come back. What rewrites history (an erasure, an edit) empties the memory."""
        if framed.rewrites:
            self._forget(framed.seq)
            return
        if len(self._recent) == RECENT:
            self._recent_from = self._recent[0].seq
        self._recent.append(framed)

    def _forget(self, upto: int) -> None:
        self._recent.clear()
        self._recent_from = upto

    def _fan_out(self, framed: Framed) -> None:
        for agent in self._hub.agents:
            if not agent.sees(framed.inboxes):
                continue
            if agent.buffered is not None:
                agent.buffered.append((framed.seq, framed.agent))
            else:
                agent.socket.push(framed.agent)
        if framed.visitor is not None and framed.conversation_id is not None:
            for visitor in self._hub.visitors_of(framed.conversation_id):
                if framed.message_seq is not None:
                    visitor.push_message(framed.message_seq, framed.changed, framed.visitor)
                elif visitor.buffered is None:
                    visitor.socket.push(framed.visitor)

    async def catch_up(self) -> None:
        """Return when everything committed before this call has been pushed to this node's sockets."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        await waiter

    async def replay(self, agent: AgentSocket, after: int | None, version: str) -> None:
        """Say hello, send what the client missed (or `resync`), then make the socket live.

        `agent` has joined the hub with an open buffer: nothing that is committed meanwhile can fall between.
        """
        await self.catch_up()
        start = self.position
        await agent.socket.send_now(frame("hello", {"seq": start, "version": version}))
        if after is not None and not await self._can_resume(after, start):
            await agent.socket.send_now(frame("resync", {"seq": start}))
        elif after is not None:
            while after < start:
                batch = self._remembered(after, start) or await self._batch(after, start)
                if not batch:
                    break
                for framed in batch:
                    if agent.sees(framed.inboxes):
                        await agent.socket.send_now(framed.agent)
                after = batch[-1].seq
        pending, agent.buffered = agent.buffered or [], None
        for seq, raw in pending:
            if seq > start:
                agent.socket.push(raw)
        self._hub.catch_up_agent(agent)

    def _remembered(self, after: int, upto: int) -> list[Framed]:
        """The frames of all events between, if the memory reaches back that far; else nothing."""
        if after < self._recent_from:
            return []
        found: list[Framed] = []
        for framed in reversed(self._recent):
            if framed.seq <= after:
                break
            if framed.seq <= upto:
                found.append(framed)
        return found[::-1]

    async def _batch(self, after: int, upto: int) -> list[Framed]:
        def read(session: Session) -> list[Framed]:
            return frames.make(session, frames.events_after(session, after, BATCH, upto))

        return await self._store.read(read)

    async def _can_resume(self, after: int, start: int) -> bool:
        if after > start:
            return False
        if after == start or after >= self._recent_from:
            return True
        oldest = await self._store.read(frames.oldest_seq)
        return oldest is not None and oldest <= after + 1
