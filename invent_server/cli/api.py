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
from urllib.parse import quote

import aiohttp
import orjson

from invent_server.cli.output import Failed, Unreachable
from shared import settings as shared_settings
from shared.text import storable

T = TypeVar("T")
TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)
OWN = "http://invent"
"""The base address of a server of the command's own, behind its socket."""
START_WAIT = 30.0
READY_WAIT = 60.0
READY_POLL = 0.1


def path(*parts: str) -> str:
    """`/api/v1/...` of parts that people gave: whatever stands in them stays one part. Raises Failed."""
    for part in parts:
        if not part.strip() or part in (".", ".."):
            raise Failed(f"{part!r} names nothing")
    return "/api/v1/" + "/".join(quote(storable(part), safe="") for part in parts)


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
        return [item async for item in self.each(path, **query)]

    async def each(self, path: str, **query: Any) -> AsyncIterator[Any]:
        """The items of a list that comes in pages, each page fetched when it is needed."""
        cursor = None
        while True:
            page = await self.get(path, cursor=cursor, **query)
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if not cursor:
                return

    async def some(self, limit: int, path: str, **query: Any) -> tuple[list[Any], bool]:
        """At most `limit` items of a list that comes in pages, and whether there are more."""
        found: list[Any] = []
        async for item in self.each(path, limit=min(limit + 1, 200), **query):
            if len(found) == limit:
                return found, True
            found.append(item)
        return found, False

    async def parts(self) -> dict[str, bool]:
        """The parts of the server, and whether each is ready. Raises Failed."""
        _, raw = await self._exchange("GET", "/readyz", {})
        try:
            parts: dict[str, bool] = orjson.loads(raw)["parts"]
        except (ValueError, KeyError, TypeError):
            raise Failed(f"what answers at {self.base} is no Invent server") from None
        return parts

    async def vectors(self) -> dict[str, Any]:
        """How the vectors of the index do; empty where the server does not tell. Raises Failed."""
        _, raw = await self._exchange("GET", "/readyz", {})
        found = orjson.loads(raw).get("vectors")
        return found if isinstance(found, dict) else {}

    async def ready(self) -> None:
        """Wait until the server can search and answer (its own one has just started). Raises Failed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_WAIT
        while not all((parts := await self.parts()).values()):
            if loop.time() > deadline:
                away = ", ".join(part for part, well in parts.items() if not well)
                raise Failed(f"the server is not ready: {away}; see `invent doctor`")
            await asyncio.sleep(READY_POLL)

    async def call(self, method: str, path: str, **how: Any) -> Any:
        status, raw = await self._exchange(method, path, how)
        if status >= 400:
            raise Failed(_reason(status, raw))
        try:
            return orjson.loads(raw) if raw else None
        except ValueError:
            raise Failed(f"what answers at {self.base} is no Invent server") from None

    async def _exchange(self, method: str, path: str, how: dict[str, Any]) -> tuple[int, bytes]:
        headers = {**self._headers, **(how.pop("headers", None) or {})}
        try:
            async with self._session.request(method, self.base + path, headers=headers, **how) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> Unreachable:
        reason = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
            reason = os.strerror(error.os_error.errno)
        return Unreachable(f"the server at {self.base} does not answer: {reason}")

    @contextlib.asynccontextmanager
    async def socket(self, path: str, token: str | None = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket with this client's token, or another one."""
        headers = {"Authorization": f"Bearer {token}"} if token else self._headers
        try:
            ws = await self._session.ws_connect(self.base + path, headers=headers, heartbeat=25)
        except aiohttp.WSServerHandshakeError as error:
            raise Failed(f"the server at {self.base} refuses the connection: {error.status}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._silent(error) from None
        async with ws:
            yield ws


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else storable(str(value))


def _reason(status: int, raw: bytes) -> str:
    try:
        error = orjson.loads(raw)["error"]
        hint = "; give yours with INVENT_TOKEN" if status == 401 else ""
        return f"{error['message']} ({error['code']}){hint}"
    except (ValueError, KeyError, TypeError):
        return f"the server answered {status}" + ("; see its log" if status >= 500 else "; is it an Invent server?")


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
        if not server.startswith(("http://", "https://")):
            raise Failed(f"{server!r} is no address of a server; write for example http://127.0.0.1:8080")
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
            yield Api(session, OWN, token or admin_token(settings.data_dir))


def admin_token(data_dir: Path) -> str | None:
    """The admin's token of a local server."""
    try:
        return (data_dir / "admin-token").read_text("utf-8").strip()
    except OSError:
        return None


@contextlib.asynccontextmanager
async def _own_server(settings: shared_settings.Settings) -> AsyncIterator[str]:
    from aiohttp import web

    from invent_server import logs
    from invent_server.runtime import StartError, StoreError, running

    logs.set_up(settings.log.model_copy(update={"level": "error"}))  # its output is the command's
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
