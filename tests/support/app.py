"""The whole server in this process, on a real port, with an engine of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import aiohttp
from aiohttp import web

from invent_server.app import make_app
from invent_server.assistant.types import Responder
from invent_server.knowledge.library import Library
from invent_server.services import SERVICES, Services
from invent_server.store import migrate
from shared.clock import Clock
from tests.support.databases import Database
from tests.support.responders import Scripted


@dataclass
class App:
    """A running server, its parts, and a client session to call it with."""

    url: str
    services: Services
    session: aiohttp.ClientSession
    admin: str
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON of a request, by the admin unless another token is given."""
        given = {"Authorization": f"Bearer {token or self.admin}", **headers}
        async with self.session.request(method, self.url + path, json=body, headers=given) as answer:
            data = await answer.json() if answer.content_type == "application/json" else await answer.read()
            return answer.status, data

    async def agent(self, name: str) -> str:
        """An agent of that name, made at the first call; the token."""
        if name not in self.tokens:
            status, made = await self.call("POST", "/api/v1/agents", {"name": name})
            assert status == 201, made
            self.tokens[name] = made["token"]
        return self.tokens[name]

    async def inbox(self, name: str = "site", kind: str = "web", **settings: str) -> None:
        status, made = await self.call("POST", "/api/v1/channels", {"kind": kind, "name": name, "settings": settings})
        assert status == 201, made


@asynccontextmanager
async def serving(
    database: Database,
    responder: Responder | None = None,
    clock: Clock | None = None,
    *,
    index: bool = False,
    **settings: str,
) -> AsyncIterator[App]:
    """A server on `database` until the end of the block. `index`: with the index process, which few tests need."""
    loaded = database.settings(**settings)
    await asyncio.to_thread(migrate.ensure, loaded)
    application = make_app(loaded, "node-test", responder=responder or Scripted(), clock=clock)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    with nullcontext() if index else mock.patch.object(Library, "start"):
        await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        port = runner.addresses[0][1]
        admin = (loaded.data_dir / "admin-token").read_text("utf-8").strip()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            yield App(f"http://127.0.0.1:{port}", application[SERVICES], session, admin)
    finally:
        await runner.cleanup()
