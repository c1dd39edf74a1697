"""Coming back: an inbox gets exactly what it missed, a visitor each message once; an unknown place gets a resync."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from sqlalchemy import delete
from sqlmodel import col

from invent_server.store import tables as t
from tests.support.app import App, serving
from tests.support.clients import Visitor, frames_until, inbox_of
from tests.support.databases import Database
from tests.support.parts import until
from tests.support.responders import Scripted
from tests.support.rows import rows


async def follow(
    app: App, drops: int, begin: asyncio.Semaphore, end: asyncio.Future[int], chance: random.Random
) -> list[int]:
    """An inbox that loses its connection at random moments; the numbers of the events that it got."""
    seqs: list[int] = []
    after: int | None = None
    while True:
        async with inbox_of(app, app.admin, after) as ws:
            hello = await ws.receive_json()
            assert hello["type"] == "hello"
            if after is None:
                after = hello["data"]["seq"]
                begin.release()
            for _ in range(chance.randint(0, 12)):
                if end.done() and drops <= 0 and after >= end.result():
                    return seqs
                try:
                    frame = await ws.receive_json(timeout=0.02)
                except TimeoutError:
                    continue
                assert frame["type"] != "resync"
                if "seq" in frame:
                    seqs.append(frame["seq"])
                    after = frame["seq"]
        drops -= 1


async def last(app: App) -> int:
    async with app.session.get(f"{app.url}/api/v1/me", headers={"Authorization": f"Bearer {app.admin}"}) as answer:
        return int(answer.headers["X-Invent-Seq"])


async def test_inboxes_that_drop_miss_nothing_and_double_nothing(database: Database) -> None:
    async with serving(database, Scripted(pause=0.001)) as app:
        await app.inbox()
        loop = asyncio.get_running_loop()
        end: asyncio.Future[int] = loop.create_future()
        begin = asyncio.Semaphore(0)
        begun = await last(app)
        followers = [loop.create_task(follow(app, 6, begin, end, random.Random(seed))) for seed in range(5)]
        for _ in followers:
            await begin.acquire()
        visitors = [await Visitor.come(app, name=f"v{i}") for i in range(5)]
        for _ in range(8):
            await asyncio.gather(*(one.say() for one in visitors))
            await asyncio.sleep(0.02)
        await until(lambda: _answered(app))
        end.set_result(await last(app))
        for seqs in await asyncio.gather(*followers):
            assert seqs == list(range(seqs[0], end.result() + 1))
            assert begun < seqs[0] <= begun + 12


async def _answered(app: App) -> bool:
    """Nothing is left to do for the assistant or the delivery."""
    open_ = [
        *await rows(app.services.store, t.Work),
        *await rows(app.services.store, t.Outbox, col(t.Outbox.state).in_(("queued", "sending"))),
    ]
    return not open_


async def test_a_place_that_is_not_known_gets_a_resync(database: Database) -> None:
    async with serving(database) as app:
        await app.inbox()
        visitor = await Visitor.come(app, name="Ana")
        for _ in range(5):
            await visitor.say()
        await until(lambda: _answered(app))
        end = await last(app)

        def forget(session: Any) -> None:
            session.connection().execute(delete(t.Event).where(col(t.Event.seq) <= 6))

        await app.services.store.write(forget)
        for place, known in (("0", False), ("5", False), ("6", True), ("end", True), ("next", False), ("far", False)):
            after = {"end": end, "next": end + 1, "far": 10**9}[place] if place.isalpha() else int(place)
            async with inbox_of(app, app.admin, after) as ws:
                assert (await ws.receive_json())["type"] == "hello"
                await visitor.say()
                found = await frames_until(ws, lambda frame: frame["type"] == "message.created")
                resync = [frame for frame in found if frame["type"] == "resync"]
                assert bool(resync) != known, (after, found)
                if known:
                    assert next(frame["seq"] for frame in found if "seq" in frame) == after + 1
                else:
                    assert resync[0]["data"]["seq"] >= end
                    assert next(frame["seq"] for frame in found if "seq" in frame) == resync[0]["data"]["seq"] + 1
            await until(lambda: _answered(app))
            end = await last(app)


async def test_what_a_get_has_shown_is_never_too_new_to_resume_from(database: Database) -> None:
    """The number of a GET may be ahead of what was fanned out: no resync for that."""
    async with serving(database) as app:
        await app.inbox()
        visitor = await Visitor.come(app)
        for _ in range(8):
            await visitor.say()
            async with inbox_of(app, app.admin, await last(app)) as ws:
                await ws.receive_json()
                await visitor.say()
                found = await frames_until(ws, lambda frame: frame["type"] == "message.created")
                assert [frame for frame in found if frame["type"] == "resync"] == []


async def test_a_visitor_who_drops_gets_each_message_once(database: Database) -> None:
    """Its page goes on from its last message; what was changed comes again with the same seq and takes its place."""
    chance = random.Random(4)
    async with serving(database, Scripted(pieces=("a ", "b "), pause=0.001)) as app:
        await app.inbox()
        visitor = await Visitor.come(app, name="Ana")
        page: dict[int, str] = {}
        order: list[int] = []
        for round_ in range(8):
            after = max(page, default=0)
            visitor.frames.clear()
            async with visitor.listening(after):
                for number in range(chance.randint(0, 3)):
                    await visitor.say(f"{round_}-{number}", f"k{round_}-{number}")
                await asyncio.sleep(chance.uniform(0, 0.05))
            for message in visitor.of("message"):
                assert message["seq"] > after
                if message["seq"] not in page:
                    order.append(message["seq"])
                    page[message["seq"]] = message["text"]
        await until(lambda: _answered(app))
        visitor.frames.clear()
        async with visitor.listening(max(page, default=0)):
            await until(lambda: _complete(visitor, page))
        assert order == sorted(order)
        shown = {m["seq"]: m["text"] for m in await visitor.messages()}
        assert page | {m["seq"]: m["text"] for m in visitor.of("message")} == shown


async def _complete(visitor: Visitor, page: dict[int, str]) -> bool:
    have = set(page) | {m["seq"] for m in visitor.of("message")}
    return have == {m["seq"] for m in await visitor.messages()}


async def test_an_inbox_of_another_team_never_gets_a_foreign_event(database: Database) -> None:
    """Live and replayed: events of inboxes that an agent may not see do not reach him, numbers rise all the same."""
    async with serving(database) as app:
        await app.inbox("site")
        await app.inbox("other")
        status, made = await app.call("POST", "/api/v1/agents", {"name": "ben", "inboxes": ["other"]})
        assert status == 201
        mine, foreign = await Visitor.come(app, "other", name="Mine"), await Visitor.come(app, "site", name="Foreign")

        async def both() -> str:
            await foreign.say("secret of the site")
            return str((await mine.say("for ben"))["id"])

        for after in (None, 0):
            async with inbox_of(app, made["token"], after) as ws:
                if after is None:
                    await ws.receive_json()
                wanted = await both()
                found = await frames_until(ws, lambda frame, id_=wanted: frame["data"].get("id") == id_)  # type: ignore[misc]
                assert "secret" not in str(found)
                assert "Foreign" not in str(found)
                assert foreign.conversation_id not in str(found)
                seqs = [frame["seq"] for frame in found if "seq" in frame]
                assert seqs == sorted(set(seqs))


async def test_what_happened_while_no_inbox_was_open_is_not_forgotten(database: Database) -> None:
    """Only a visitor listens for a while: what others wrote then is replayed to every inbox, early and late."""
    async with serving(database) as app:
        await app.inbox()
        listener, writer = await Visitor.come(app, name="Listens"), await Visitor.come(app, name="Writes")

        async def replayed(after: int) -> list[int]:
            end = await last(app)
            async with inbox_of(app, app.admin, after) as ws:
                found = await frames_until(ws, lambda frame: frame.get("seq") == end)
            return [frame["seq"] for frame in found if "seq" in frame]

        async def writes(who: Visitor) -> None:
            await who.say()
            await until(lambda: _answered(app))

        async with listener.listening():
            async with inbox_of(app, app.admin) as ws:
                begun = (await ws.receive_json())["data"]["seq"]
                await writes(writer)
            await until(lambda: asyncio.sleep(0, not app.services.hub.agents))
            await writes(writer)
            await writes(listener)
            await writes(writer)
            async with inbox_of(app, app.admin) as ws:
                await ws.receive_json()
                await writes(writer)
                for after in range(begun, await last(app)):
                    assert await replayed(after) == list(range(after + 1, await last(app) + 1))
