"""Customers and agents as the server sees them: HTTP and a WebSocket each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from tests.support.app import App


@dataclass
class Visitor:
    """A customer's page. Every frame is kept with the moment of its arrival."""

    app: App
    inbox: str
    token: str
    conversation_id: str
    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    sent: int = 0

    @classmethod
    async def come(cls, app: App, inbox: str = "site", **claims: str) -> Visitor:
        """Begin a session."""
        status, made = await app.call("POST", f"/web/{inbox}/session", claims, token="none")
        assert status == 200, made
        return cls(app, inbox, made["token"], made["conversation_id"])

    async def say(self, text: str = "hello", client_id: str | None = None) -> dict[str, Any]:
        """Write; gives the stored message."""
        self.sent += 1
        body = {"text": text, "client_id": client_id or f"c{self.sent}"}
        status, message = await self.app.call("POST", f"/web/{self.inbox}/messages", body, self.token)
        assert status in (200, 201), message
        return dict(message)

    async def messages(self, after: int = 0) -> list[dict[str, Any]]:
        status, page = await self.app.call("GET", f"/web/{self.inbox}/messages?after={after}", token=self.token)
        assert status == 200, page
        return list(page["items"])

    @asynccontextmanager
    async def listening(self, after: int | None = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An open socket whose frames are kept in `frames`; it is past its hello."""
        query = "" if after is None else f"?after={after}"
        url = f"{self.app.url}/web/{self.inbox}/stream{query}"
        async with self.app.session.ws_connect(url, headers={"Authorization": f"Bearer {self.token}"}) as ws:
            hello = await ws.receive_json(timeout=10)
            assert hello["type"] == "hello", hello
            self.frames.append((asyncio.get_running_loop().time(), hello))
            reader = asyncio.get_running_loop().create_task(keep(ws, self.frames))
            try:
                yield ws
            finally:
                reader.cancel()

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [frame["data"] for _, frame in self.frames if frame["type"] == type_]


async def keep(ws: aiohttp.ClientWebSocketResponse, into: list[tuple[float, dict[str, Any]]]) -> None:
    """Keep every frame with the moment of its arrival until the socket ends."""
    clock: Callable[[], float] = asyncio.get_running_loop().time
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            into.append((clock(), orjson.loads(message.data)))


@asynccontextmanager
async def inbox_of(app: App, token: str, after: int | None = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """An agent's socket, before its first frame."""
    query = "" if after is None else f"?after={after}"
    headers = {"Authorization": f"Bearer {token}"}
    async with app.session.ws_connect(f"{app.url}/api/v1/stream{query}", headers=headers) as ws:
        yield ws


async def frames_until(
    ws: aiohttp.ClientWebSocketResponse, done: Callable[[dict[str, Any]], bool], seconds: float = 10
) -> list[dict[str, Any]]:
    """Frames up to the one that is wanted, which is the last."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(seconds):
        while True:
            frame = await ws.receive_json()
            found.append(frame)
            if done(frame):
                return found
