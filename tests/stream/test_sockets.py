"""One socket: a slow reader is closed with 4408 and bounded, others go on; live text can be taken back."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web
from sqlmodel import Session

from invent_server.store.session import announce
from invent_server.stream.hub import AgentSocket, Hub, LiveText, VisitorSocket
from invent_server.stream.socket import TOO_SLOW, Socket, frame
from tests.support.app import App, serving
from tests.support.clients import Visitor, frames_until, inbox_of, keep
from tests.support.databases import fresh
from tests.support.parts import until
from tests.support.responders import Scripted


class Wire:
    """What `Socket` needs of a WebSocket; it takes frames only while it is open."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.code: int | None = None

    async def send_frame(self, raw: bytes, kind: WSMsgType) -> None:
        await self.open.wait()
        self.sent.append(orjson.loads(raw))

    async def close(self, *, code: int) -> None:
        self.code = code


def socket(frames: int = 8, size: int = 10_000) -> tuple[Socket, Wire]:
    wire = Wire()
    return Socket(cast(web.WebSocketResponse, wire), frames, size), wire


def numbered(number: int) -> bytes:
    return frame("x", number)


async def running(made: Socket) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(made.run())


async def test_frames_go_out_in_order() -> None:
    made, wire = socket()
    task = await running(made)
    for number in range(5):
        made.push(numbered(number))
    assert await made.flushed(1)
    assert [one["data"] for one in wire.sent] == list(range(5))
    made.end(4409)
    await task
    assert wire.code == 4409


@pytest.mark.parametrize(("frames", "size"), [(8, 10_000), (1000, 200)])
async def test_a_reader_that_stands_still_is_closed_with_4408(frames: int, size: int) -> None:
    made, wire = socket(frames, size)
    wire.open.clear()
    task = await running(made)
    for number in range(100):
        made.push(numbered(number))
        assert made._bytes <= max(size, 300)
        assert len(made._frames) <= frames
        await asyncio.sleep(0)
    assert made.closing == TOO_SLOW
    assert not made._frames
    wire.open.set()
    await task
    assert wire.code == TOO_SLOW
    assert len(wire.sent) <= 1


async def test_live_text_is_taken_back_until_it_has_left() -> None:
    made, wire = socket()
    made.push(frame("token", "a"), "m1")
    made.push(frame("message", "b"))
    made.push(frame("token", "c"), "m2")
    made.withdraw("m1")
    task = await running(made)
    await made.flushed(1)
    made.end(4409)
    await task
    assert [one["data"] for one in wire.sent] == ["b", "c"]


async def test_flushed_waits_for_what_is_being_written() -> None:
    made, wire = socket()
    task = await running(made)
    assert await made.flushed(0.1)
    wire.open.clear()
    made.push(numbered(1))
    assert not await made.flushed(0.05)
    wire.open.set()
    assert await made.flushed(1)
    made.end(4409)
    await task


@pytest.mark.parametrize("who", ["visitor", "agent"])
async def test_who_joins_while_an_answer_is_written_gets_it_from_the_start(who: str) -> None:
    """Pieces that come during the replay are in the first one: offset 0 with all so far, then what follows."""
    hub = Hub()
    made, wire = socket()
    hub.begin(LiveText("c", "i", "m"))
    hub.token("c", "one ")
    if who == "visitor":
        visitor = VisitorSocket(made, "c")
        hub.join_visitor(visitor)
        hub.token("c", "two ")
        visitor.buffered = None
        hub.catch_up_visitor(visitor)
    else:
        agent = AgentSocket(made, "a", "ana", None)
        hub.join_agent(agent)
        hub.token("c", "two ")
        agent.buffered = None
        hub.catch_up_agent(agent)
    hub.token("c", "three")
    task = await running(made)
    await made.flushed(1)
    made.end(4409)
    await task
    tokens = [(one["data"]["offset"], one["data"]["text"]) for one in wire.sent if one["type"] == "token"]
    assert tokens == [(0, "one two "), (8, "three")]


async def test_an_answer_that_is_withdrawn_is_ended_for_everybody() -> None:
    hub = Hub()
    made, wire = socket()
    visitor = VisitorSocket(made, "c")
    visitor.buffered = None
    hub.join_visitor(visitor)
    hub.begin(LiveText("c", "i", "m"))
    for piece in ("a", "b"):
        hub.token("c", piece)
    assert hub.end("c", "m", "takeover") == "ab"
    hub.token("c", "late")
    assert hub.end("c", "m", "done") == ""
    task = await running(made)
    await made.flushed(1)
    made.end(4409)
    await task
    kinds = [one["type"] for one in wire.sent]
    assert "token" not in kinds
    assert [one["data"]["reason"] for one in wire.sent if one["type"] == "token.end"] == ["takeover"]


# ---- with real sockets ---------------------------------------------------------------------------------------------


class Frozen:
    """A client that upgrades and then reads nothing until it is thawed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, app: App, path: str, token: str) -> Frozen:
        host, port = app.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    async def everything(self) -> bytes:
        """What comes until the server ends the connection."""
        data = bytearray()
        async with asyncio.timeout(10):
            while part := await self.reader.read(65536):
                data += part
        self.writer.close()
        return bytes(data)


async def test_a_frozen_inbox_is_closed_and_harms_nobody() -> None:
    """Two agents; one reads nothing. It is dropped at its bound, the other gets every event."""
    with fresh("sqlite", INVENT_STREAM__QUEUE="64", INVENT_STREAM__QUEUE_BYTES="400000") as database:
        async with serving(database, Scripted(pieces=())) as app:
            await app.inbox()
            frozen = await Frozen.open(app, "/api/v1/stream", await app.agent("ana"))
            visitors = [await Visitor.come(app) for _ in range(10)]
            async with inbox_of(app, await app.agent("ben")) as healthy:
                await healthy.receive_json()
                loop = asyncio.get_running_loop()
                seen: list[tuple[float, dict[str, Any]]] = []
                reader = loop.create_task(keep(healthy, seen))
                until_gone = loop.create_task(_gone(app, "ana"))
                text = "x" * 19_000
                said = 0
                while not until_gone.done() and said < 800:
                    await asyncio.gather(*(one.say(text) for one in visitors))
                    said += 10
                    held = [agent.socket._bytes for agent in app.services.hub.agents]
                    assert all(size <= 440_000 for size in held)
                async with asyncio.timeout(15):
                    await until_gone
                last = (await visitors[0].say("the last one"))["id"]
                await until(lambda: asyncio.sleep(0, any(f["data"].get("id") == last for _, f in seen)))
                reader.cancel()
            found = [f for _, f in seen]
            created = [f for f in found if f["type"] == "message.created"]
            assert len(created) == said + 1
            seqs = [f["seq"] for f in found if "seq" in f]
            assert seqs == list(range(seqs[0], seqs[-1] + 1))
            data = await frozen.everything()
            assert TOO_SLOW.to_bytes(2, "big") in data[-40:]


async def _gone(app: App, name: str) -> None:
    async def gone() -> bool:
        return all(agent.name != name for agent in app.services.hub.agents)

    await until(gone, 60)


async def test_wrong_tokens_and_silence_are_closed_with_4401() -> None:
    with fresh("sqlite") as database:
        async with serving(database) as app:
            await app.inbox()
            for path in ("/api/v1/stream", "/web/site/stream"):
                async with app.session.ws_connect(app.url + path) as ws:
                    await ws.send_json({"type": "auth", "token": "wrong"})
                    message = await ws.receive()
                    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4401)


async def test_a_burst_of_events_closes_nobody_who_reads() -> None:
    """One commit with more events than a queue holds."""
    with fresh("sqlite") as database:
        async with serving(database) as app, inbox_of(app, app.admin) as ws:
            await ws.receive_json()

            def burst(session: Session) -> None:
                for number in range(3000):
                    announce(session, "knowledge.updated", f"p{number}", detail="page")

            await app.services.store.write(burst)
            found = await frames_until(ws, lambda frame: frame["data"].get("page_id") == "p2999")
            pages = [frame["data"]["page_id"] for frame in found if frame["type"] == "knowledge.updated"]
            assert pages == [f"p{number}" for number in range(3000)]
