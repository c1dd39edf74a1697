"""One running server on one data directory: lock, database, application, addresses, `server.json`, signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import structlog
from aiohttp import web

from invent_server.app import make_app
from invent_server.lock import ADDRESS, DirectoryLock, StartError
from invent_server.services import SERVICES, Services
from invent_server.ssh.door import Door, PortTaken
from invent_server.store import migrate
from invent_server.store.errors import StoreError
from invent_server.store.secrets import write_private
from shared.ids import new_id
from shared.settings import Settings

log = structlog.get_logger(__name__)
NODE = "node-id"

PARENT_EVERY = 1.0
"""Seconds between two looks whether the parent still lives."""

SWITCH = 0.001
"""Seconds after which a thread that reads or writes gives the interpreter to the event loop when that wants it."""


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
    settings: Settings,
    version: str,
    prepare: Callable[[Services], Awaitable[None]],
    announce: Callable[[str], None],
    parent: int | None = None,
) -> None:
    """Run a server until SIGTERM or SIGINT, then drain. `prepare` runs before it is ready (loading the demo).

    `parent`: the process that it belongs to; when that is gone, however it ended, the server stops too.
    """
    settle()
    async with running(settings) as (runner, services):
        services.ready["sockets"] = False
        await prepare(services)
        port = await listen(runner, settings.http.host, settings.http.port)
        host = settings.http.host if settings.http.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104
        url = f"http://{'[' + host + ']' if ':' in host else host}:{port}"
        address = settings.data_dir / ADDRESS
        write_private(address, orjson.dumps({"pid": os.getpid(), "url": url, "version": version}).decode())
        services.ready["sockets"] = True
        gc.freeze()
        announce(url)
        door = await _ssh(services, url)
        try:
            await _until_stopped(parent)
        finally:
            address.unlink(missing_ok=True)
            await door.close()


async def _ssh(services: Services, url: str) -> Door:
    """The ssh port, if it is wanted and free; without it the server is no less a server."""
    settings, door = services.settings, Door(services, url)
    port, host = settings.ssh.port, settings.ssh.host or settings.http.host
    if port == 0:
        return door
    try:
        services.ssh_port = await door.open(host, port)
    except PortTaken:
        log.warning(f"ssh is off: port {port} on {host} is in use; give another with --ssh-port (0 = off)")
    except OSError as error:
        log.warning(f"ssh is off: cannot listen on {host}:{port}: {error.strerror or error}")
    else:
        log.info(f"ssh is on: ssh -p {services.ssh_port} NAME@{host}", keys="invent agents key NAME add FILE")
    return door


def settle() -> None:
    """Set the interpreter up for serving: `gc.disable()` may have been called before the imports.

    What has been made so far stays until the end, so the collector need never look at it again.
    """
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(SWITCH)


async def _until_stopped(parent: int | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while parent is None or os.getppid() == parent:
        try:
            async with asyncio.timeout(None if parent is None else PARENT_EVERY):
                await stop.wait()
            return
        except TimeoutError:
            continue


__all__ = ["StartError", "StoreError", "listen", "node_id", "running", "serve"]
