"""The API as commands call it: a server that is named, a live one, or one of this command's own.

If no server runs, the same application is started in this process on a private UNIX socket (no webhooks, nothing sent
to outside channels, no timed jobs), the command goes through it, and it is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import orjson
from aiohttp import web

from invent_server.cli.output import Failed
from shared import settings as shared_settings

T = TypeVar("T")
TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)
START_WAIT = 30.0


class Api:
    """Requests to one server. Every refusal of the server becomes Failed with its own words."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str | None) -> None:
        self._session = session
        self.base = base
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **query: Any) -> Any:
        given = {key: _text(value) for key, value in query.items() if value is not None}
        return await self.call("GET", path, params=given)

    async def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        return await self.call("POST", path, json=body or {}, headers=headers)

    async def patch(self, path: str, body: Any) -> Any:
        return await self.call("PATCH", path, json=body)

    async def delete(self, path: str) -> Any:
        return await self.call("DELETE", path)

    async def all(self, path: str, **query: Any) -> list[Any]:
        """Every item of a list that comes in pages."""
        items: list[Any] = []
        cursor = None
        while True:
            page = await self.get(path, cursor=cursor, **query)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    async def call(self, method: str, path: str, **how: Any) -> Any:
        headers = {**self._headers, **(how.pop("headers", None) or {})}
        try:
            async with self._session.request(method, self.base + path, headers=headers, **how) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Failed(f"the server at {self.base} does not answer: {error or type(error).__name__}") from None
        if answer.status >= 400:
            raise Failed(_reason(answer.status, raw))
        return orjson.loads(raw) if raw else None

    @contextlib.asynccontextmanager
    async def socket(self, path: str, token: str | None = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket with this client's token, or another one."""
        headers = {"Authorization": f"Bearer {token}"} if token else self._headers
        async with self._session.ws_connect(self.base + path, headers=headers, heartbeat=25) as ws:
            yield ws


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reason(status: int, raw: bytes) -> str:
    try:
        error = orjson.loads(raw)["error"]
        return f"{error['message']} ({error['code']})"
    except (ValueError, KeyError, TypeError):
        return f"the server answered {status}"


def run(work: Callable[[Api], Awaitable[T]], server: str | None = None, token: str | None = None) -> T:
    """Run `work` with an Api. Raises Failed."""

    async def whole() -> T:
        async with connect(server, token) as api:
            return await work(api)

    return asyncio.run(whole())


def load_settings(flags: dict[str, dict[str, object]] | None = None) -> shared_settings.Settings:
    """The settings in force. Raises Failed."""
    try:
        return shared_settings.load(flags)
    except shared_settings.SettingsError as error:
        raise Failed(str(error)) from None


@contextlib.asynccontextmanager
async def connect(server: str | None = None, token: str | None = None) -> AsyncIterator[Api]:
    """The server to talk to; see the module. Raises Failed."""
    server = server or os.environ.get("INVENT_SERVER")
    token = token or os.environ.get("INVENT_TOKEN")
    if server:
        async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session:
            yield Api(session, server.rstrip("/"), token or admin_token(shared_settings.data_dir()))
        return
    settings = load_settings()
    from invent_server.lock import live_server

    if url := live_server(settings.data_dir):
        async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session:
            yield Api(session, url, token or admin_token(settings.data_dir))
        return
    async with _own_server(settings) as socket_path:
        connector = aiohttp.UnixConnector(path=socket_path)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, trust_env=False) as session:
            yield Api(session, "http://invent", token or admin_token(settings.data_dir))


def admin_token(data_dir: Path) -> str | None:
    """The admin's token of a local server."""
    try:
        return (data_dir / "admin-token").read_text("utf-8").strip()
    except OSError:
        return None


@contextlib.asynccontextmanager
async def _own_server(settings: shared_settings.Settings) -> AsyncIterator[str]:
    from invent_server.runtime import StartError, StoreError, running

    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="invent-"))
        deadline = asyncio.get_running_loop().time() + START_WAIT
        while True:
            try:
                runner, _ = await stack.enter_async_context(running(settings, private=True))
                break
            except StartError as error:
                # Another command may hold the directory for a moment.
                if "another Invent server" not in str(error) or asyncio.get_running_loop().time() > deadline:
                    raise Failed(str(error)) from None
                await asyncio.sleep(0.1)
            except StoreError as error:
                raise Failed(str(error)) from None
        path = os.path.join(folder, "api.sock")
        await web.UnixSite(runner, path).start()
        yield path
