"""Old state + events == a fresh fetch, for every event type: nothing changes that no event tells of."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

from tests.support.app import App, serving
from tests.support.clients import Visitor, inbox_of
from tests.support.databases import Database
from tests.support.folding import State, everything, fetched
from tests.support.receiver import SECRET, Receiver, receiving, signed
from tests.support.responders import Scripted

STEPS = 60
SEED = int(os.environ.get("INVENT_TEST_SEED", "1"))
SEEN = {
    "message.created",
    "message.updated",
    "conversation.updated",
    "customer.updated",
    "memory.updated",
    "knowledge.updated",
    "notice.updated",
}


class Crowd:
    """People who do one random thing after the other."""

    def __init__(self, app: App, receiver: Receiver, seed: int) -> None:
        self.app, self.receiver, self.chance = app, receiver, random.Random(seed)
        self.visitors: list[Visitor] = []
        self.jobs: list[str] = []
        self.sources: list[str] = []
        self.hooks = 0

    async def step(self) -> None:
        await self.chance.choice(
            [
                *(self.come, self.say, self.say, self.rename, self.webhook, self.command, self.command, self.command),
                *(self.reply, self.reply, self.remember, self.remember, self.learn, self.rate, self.erase),
            ]
        )()

    async def come(self) -> None:
        if len(self.visitors) < 6:
            self.visitors.append(await Visitor.come(self.app, name=f"Visitor {len(self.visitors)}"))

    async def say(self) -> None:
        if self.visitors:
            await self.chance.choice(self.visitors).say(f"question {self.chance.random()}")

    async def rename(self) -> None:
        if self.visitors:
            one = self.chance.choice(self.visitors)
            body = {"token": one.token, "name": f"Name {self.chance.randint(0, 99)}", "email": "a@b.example"}
            await self.app.call("POST", "/web/site/session", body, token="none")

    async def webhook(self) -> None:
        self.hooks += 1
        body = {"type": "message", "id": f"h{self.hooks}", "text": "from afar"}
        raw, headers = signed({**body, "customer": {"id": f"far {self.hooks % 3}", "name": f"Far {self.hooks}"}})
        async with self.app.session.post(f"{self.app.url}/webhooks/api/far", data=raw, headers=headers) as answer:
            assert answer.status == 200

    async def one(self, path: str) -> str | None:
        items = await everything(self.app, path)
        return str(self.chance.choice(items)["id"]) if items else None

    async def command(self) -> None:
        id_ = await self.one("/api/v1/conversations")
        if id_ is None:
            return
        verb, body = self.chance.choice(
            [
                ("takeover", {"force": True}),
                ("handback", {}),
                ("resolve", {"reason": "done"}),
                ("reopen", {}),
                ("snooze", {"until": "2099-01-01T00:00:00Z"}),
                ("assign", {"agent": self.chance.choice([None, "ana"])}),
                ("read", {}),
                ("notes", {"text": "a note"}),
                ("summary", {}),
            ]
        )
        await self.app.call("POST", f"/api/v1/conversations/{id_}/{verb}", body)
        change: dict[str, Any] = {"priority": self.chance.choice(["low", "urgent"]), "tags": ["a", "b"]}
        await self.app.call("PATCH", f"/api/v1/conversations/{id_}", change)

    async def reply(self) -> None:
        if id_ := await self.one("/api/v1/conversations"):
            await self.app.call("POST", f"/api/v1/conversations/{id_}/takeover", {"force": True})
            await self.app.call("POST", f"/api/v1/conversations/{id_}/messages", {"text": "from a person"})

    async def remember(self) -> None:
        customer = await self.one("/api/v1/customers")
        if customer is None:
            return
        path = f"/api/v1/customers/{customer}/memories"
        status, memory = await self.app.call("POST", path, {"text": f"likes {self.chance.random()}"})
        assert status == 201
        if self.chance.random() < 0.5:
            await self.app.call("PATCH", f"{path}/{memory['id']}", {"pinned": True, "text": "likes tea"})
        if self.chance.random() < 0.3:
            await self.app.call("DELETE", f"{path}/{memory['id']}")

    async def learn(self) -> None:
        body = {"kind": "text", "title": "Opening hours", "text": "We are open from nine to five."}
        status, made = await self.app.call("POST", "/api/v1/knowledge/sources", body)
        assert status == 202
        self.jobs.append(made["job"])
        self.sources.append(made["id"])

    async def rate(self) -> None:
        if self.visitors:
            one = self.chance.choice(self.visitors)
            await self.app.call("POST", "/web/site/csat", {"score": 4}, token=one.token)

    async def erase(self) -> None:
        if self.chance.random() < 0.3 and (customer := await self.one("/api/v1/customers")):
            await self.app.call("POST", f"/api/v1/customers/{customer}/erase", {})
            for one in self.visitors:
                status, _ = await self.app.call("POST", "/web/site/csat", {"score": 4}, token=one.token)
                if status == 404:
                    self.visitors.remove(one)
                    break


async def test_events_alone_make_the_state_that_a_fetch_gives(database: Database) -> None:
    state = State()
    kinds: set[str] = set()
    async with receiving() as receiver, serving(database, Scripted(pause=0.002), index=True) as app:

        async def answer(delivery: Any) -> int:
            return 404 if len(receiver.deliveries) % 2 else 200

        receiver.answer = answer
        await app.agent("ana")
        await app.inbox()
        await app.inbox("far", "api", webhook_secret=SECRET, callback_url=receiver.url)
        crowd = Crowd(app, receiver, SEED)
        async with inbox_of(app, app.admin) as ws:
            hello = await ws.receive_json()
            assert hello["type"] == "hello"
            assert hello["data"]["seq"] == 0

            async def follow() -> None:
                while True:
                    frame = await ws.receive_json()
                    kinds.add(frame["type"])
                    state.apply(frame)

            follower = asyncio.get_running_loop().create_task(follow())
            await crowd.come()
            for _ in range(STEPS):
                await crowd.step()
            await app.services.library.settled()
            last = -1
            while state.seqs[-1] != last or last != await _seq(app):
                last = state.seqs[-1]
                await asyncio.sleep(0.3)
            follower.cancel()
        assert state.seqs == list(range(1, last + 1))
        fresh = await fetched(app, crowd.jobs)
        assert state.differences(fresh) == []
        assert kinds >= SEEN, SEEN - kinds
        assert len(fresh.messages) > 20
        assert state.resyncs == 0


async def _seq(app: App) -> int:
    async with app.session.get(f"{app.url}/api/v1/me", headers={"Authorization": f"Bearer {app.admin}"}) as answer:
        return int(answer.headers["X-Invent-Seq"])
