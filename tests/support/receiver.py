"""A stand-in for the other side of the `api` channel: takes signed POSTs and remembers each with its moment."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret for tests, 32 bytes long").decode()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST that arrived."""

    at: float
    """time.monotonic(): the same clock in every process of this machine."""
    id: str
    body: dict[str, Any]


@dataclass
class Receiver:
    """`answer` gives the status of each delivery; default 200 at once."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answer: Callable[[Delivery], Awaitable[int]] | None = None
    bad_signatures: int = 0
    accepted: list[str] = field(default_factory=list)
    """Webhook-ids of deliveries that were answered with 2xx, whether or not the sender heard it."""

    def counts(self) -> Counter[str]:
        """How often each webhook-id came."""
        return Counter(one.id for one in self.deliveries)

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            Webhook(SECRET).verify(raw, {key.lower(): value for key, value in request.headers.items()})
        except Exception:  # whatever is wrong with it, it is not from the server
            self.bad_signatures += 1
            return web.Response(status=401)
        delivery = Delivery(time.monotonic(), request.headers["webhook-id"], orjson.loads(raw))
        self.deliveries.append(delivery)
        status = await self.answer(delivery) if self.answer else 200
        if status < 300:
            self.accepted.append(delivery.id)
        return web.Response(status=status)


def signed(body: dict[str, Any], id_: str | None = None) -> tuple[bytes, dict[str, str]]:
    """The bytes and headers of a webhook to POST /webhooks/api/{inbox}. `id_`: its webhook-id, if not the body's id."""
    raw = orjson.dumps(body)
    name = id_ or str(body["id"])
    moment = datetime.now(UTC)
    return raw, {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(name, moment, raw.decode()),
    }


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port until the end of the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/callback", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    try:
        yield receiver
    finally:
        await asyncio.shield(runner.cleanup())
