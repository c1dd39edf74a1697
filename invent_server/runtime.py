"""One running server on one data directory: lock, database, application, addresses, `server.json`, signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType

import orjson
from aiohttp import web

from invent_server.app import make_app
from invent_server.services import SERVICES, Services
from invent_server.store import migrate
from invent_server.store.errors import StoreError
from invent_server.store.secrets import write_private
from shared.ids import new_id
from shared.settings import Settings

LOCK, ADDRESS, NODE = "server.lock", "server.json", "node-id"


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class DirectoryLock:
    """The data directory belongs to one server at a time (flock: it ends with the process, whatever happens)."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK
        self._file: int | None = None

    def __enter__(self) -> DirectoryLock:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert self._file is not None
            os.close(self._file)
            raise StartError(
                f"another Invent server uses {self._path.parent}; stop it, or name another with INVENT_DATA_DIR"
            ) from None
        except OSError as error:
            raise StartError(
                f"the data directory {self._path.parent} cannot be used: {error.strerror};"
                " name another with INVENT_DATA_DIR"
            ) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)


def node_id(data_dir: Path) -> str:
    """This directory's name among nodes; it stays the same, so that a restart knows its own leftovers."""
    path = data_dir / NODE
    if not path.exists():
        write_private(path, new_id())
    return path.read_text("utf-8").strip()


@contextlib.asynccontextmanager
async def running(settings: Settings, *, private: bool = False) -> AsyncIterator[tuple[web.AppRunner, Services]]:
    """A started application without an address yet. Raises StartError or StoreError."""
    with DirectoryLock(settings.data_dir):
        await asyncio.to_thread(migrate.ensure, settings)
        app = make_app(settings, node_id(settings.data_dir), private=private)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        try:
            await runner.setup()
            yield runner, app[SERVICES]
        finally:
            await runner.cleanup()


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Bind and serve; the port in use (another than asked only for port 0). Raises StartError."""
    site = web.TCPSite(runner, host, port, backlog=1024, reuse_address=True)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"port {port} on {host} is in use; give another with --port (0 = a free one)") from None
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    addresses = runner.addresses
    return int(addresses[0][1])


async def serve(
    settings: Settings, version: str, prepare: Callable[[Services], Awaitable[None]], announce: Callable[[str], None]
) -> None:
    """Run a server until SIGTERM or SIGINT, then drain. `prepare` runs before it is ready (loading the demo)."""
    async with running(settings) as (runner, services):
        services.ready["sockets"] = False
        await prepare(services)
        port = await listen(runner, settings.http.host, settings.http.port)
        host = settings.http.host if settings.http.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104
        url = f"http://{'[' + host + ']' if ':' in host else host}:{port}"
        address = settings.data_dir / ADDRESS
        write_private(address, orjson.dumps({"pid": os.getpid(), "url": url, "version": version}).decode())
        services.ready["sockets"] = True
        announce(url)
        try:
            await _until_stopped()
        finally:
            address.unlink(missing_ok=True)


async def _until_stopped() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def live_server(data_dir: Path) -> str | None:
    """The address of the server that holds this directory now; None if there is none."""
    try:
        with DirectoryLock(data_dir):
            return None
    except StartError:
        pass
    try:
        address = orjson.loads((data_dir / ADDRESS).read_bytes())
    except (OSError, ValueError):
        return None
    url: str = address["url"]
    return url


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next free port above it."""
    for port in range(wanted, min(wanted + 100, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise StartError(f"no free port between {wanted} and {wanted + 100} on {host}")


__all__ = ["StartError", "StoreError", "free_port", "listen", "live_server", "node_id", "running", "serve"]
