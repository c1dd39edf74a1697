"""One application per module, on a temporary directory, with a scripted responder: HTTP and sockets for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from invent_server.app import make_app
from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.services import SERVICES, Services
from invent_server.store import migrate
from shared import settings as shared_settings


@dataclass
class Scripted:
    """A responder that says its pieces one by one. A test may make it slow, wrong, or hand off."""

    name: str = "scripted"
    pieces: list[str] = field(default_factory=lambda: ["Hello ", "there."])
    pause: float = 0.0
    outcome: Any = "answer"
    error: Exception | None = None
    turns: list[TurnInput] = field(default_factory=list)

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        self.turns.append(turn)
        if self.error is not None:
            raise self.error
        for piece in self.pieces:
            await emit(piece)
            await asyncio.sleep(self.pause)
        return TurnResult(self.outcome, "scripted", "as the test says", "".join(self.pieces), "en", summary="S")


@dataclass
class Server:
    """A running application as tests use it."""

    client: TestClient[Any, Any]
    services: Services
    responder: Scripted
    admin: str
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, token: str | None = None, **how: Any) -> tuple[int, Any]:
        """Status and JSON body of a request, as the admin unless another token (or "") is given."""
        bearer = self.admin if token is None else token
        headers = {**how.pop("headers", {}), **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        async with self.client.request(method, path, headers=headers, **how) as answer:
            raw = await answer.read()
            self.last_headers = answer.headers
            return answer.status, (await answer.json() if raw and answer.content_type == "application/json" else raw)

    async def visitor(self, **body: Any) -> dict[str, Any]:
        status, session = await self.call("POST", "/web/site/session", "", json=body)
        assert status == 200, session
        return dict(session)

    async def say(self, visitor: dict[str, Any], text: str, client_id: str = "") -> dict[str, Any]:
        body = {"text": text, "client_id": client_id or f"c-{asyncio.get_running_loop().time()}"}
        status, message = await self.call("POST", "/web/site/messages", visitor["token"], json=body)
        assert status in (200, 201), message
        return dict(message)

    async def until(self, conversation_id: str, **wanted: Any) -> dict[str, Any]:
        """Wait until the conversation looks as wanted."""
        async with asyncio.timeout(10):
            while True:
                _, talk = await self.call("GET", f"/api/v1/conversations/{conversation_id}")
                if all(talk[key] == value for key, value in wanted.items()):
                    return dict(talk)
                await asyncio.sleep(0.02)

    async def thread(self, conversation_id: str) -> list[dict[str, Any]]:
        _, page = await self.call("GET", f"/api/v1/conversations/{conversation_id}/messages")
        return list(page["items"])

    def socket(self, path: str, token: str) -> Any:
        return self.client.ws_connect(path, headers={"Authorization": f"Bearer {token}"})


async def frames(
    ws: aiohttp.ClientWebSocketResponse, until: str | None = None, quiet: float = 0.4
) -> list[dict[str, Any]]:
    """Frames until one of type `until` has come and then none for `quiet` seconds (without `until`: only that)."""
    found: list[dict[str, Any]] = []
    while True:
        missing = until is not None and all(one["type"] != until for one in found)
        try:
            found.append(await ws.receive_json(timeout=10 if missing else quiet))
        except TimeoutError:
            assert not missing, f"no {until} among {[one['type'] for one in found]}"
            return found


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"INVENT_DATA_DIR": str(folder), "INVENT_LIMITS__SESSIONS_PER_IP": "0", "INVENT_LIMITS__LOGIN": "0", **more}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    settings = shared_settings.load(environ=environment(folder, INVENT_LIMITS__VISITOR_MESSAGES="0"))
    await asyncio.to_thread(migrate.ensure, settings)
    responder = Scripted()
    app = make_app(settings, "node-test", responder=responder)
    async with TestClient(TestServer(app)) as client:
        admin = (folder / "admin-token").read_text().strip()
        made = Server(client, app[SERVICES], responder, admin)
        body = {"kind": "web", "name": "site", "settings": {"identity_secret": "s3cret"}}
        status, answer = await made.call("POST", "/api/v1/channels", json=body)
        assert status == 201, answer
        for name, role in (("marta", "agent"), ("tom", "manager"), ("luis", "agent")):
            _, added = await made.call("POST", "/api/v1/agents", json={"name": name, "role": role})
            made.tokens[name] = added["token"]
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def calm(server: Server) -> AsyncIterator[None]:
    """Each test begins with the same responder."""
    yield
    server.responder.__dict__.update(Scripted(turns=server.responder.turns).__dict__)
    server.responder.turns.clear()
