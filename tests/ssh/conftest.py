"""One server with an ssh port and the demo company, and an agent who has a key."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.bench.live import Server, serving
from tests.bench.ssh import free_port
from tests.support.ssh_client import Key, Screen, command, make_key, needed

PAINTED = b"Grupo Ortiz"
"""A customer of the demo who waits: the list is on the screen."""


@dataclass
class House:
    """The server, as an ssh client sees it."""

    server: Server
    port: int
    keys: Path
    key: Key
    screens: list[Screen] = field(default_factory=list)

    def open(self, name: str = "ana", key: Key | None = None, *, columns: int = 120, rows: int = 40) -> Screen:
        """An inbox over ssh."""
        return self.run(command(self.port, name, key or self.key), columns=columns, rows=rows)

    def run(self, argv: list[str], *, columns: int = 120, rows: int = 40, **environ: str) -> Screen:
        screen = Screen(argv, columns=columns, rows=rows, **environ)
        self.screens.append(screen)
        return screen

    def agent(self, name: str, **how: str) -> Key:
        """A colleague with a key of his own."""
        self.server.call("POST", "/api/v1/agents", {"name": name, **how})
        key = make_key(self.keys, name)
        self.server.call("POST", f"/api/v1/agents/{name}/keys", {"key": key.public})
        return key

    def inboxes(self) -> list[int]:
        """Processes of sessions (not the one that they are forked from)."""
        return inboxes(self.server.process.pid)

    def nobody(self, seconds: float = 12.0) -> None:
        """Wait until no session's process is left."""
        until_true(lambda: not self.inboxes(), seconds, lambda: f"left: {self.inboxes()}")


def inboxes(server: int) -> list[int]:
    """Processes of a server's sessions."""
    found = []
    for child in psutil.Process(server).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = child.cmdline()
            if "invent_tui.remote" in line and ("one" in line or child.ppid() != server):
                found.append(child.pid)
    return found


def until_true(done: Callable[[], bool], seconds: float, problem: Callable[[], str] = lambda: "") -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, problem()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    needed("ssh", "ssh-keygen")
    keys = tmp_path_factory.mktemp("keys")
    port = free_port()
    settings = {"INVENT_SSH_PORT": str(port), "INVENT_LIMITS__LOGIN": "0", "INVENT_SECRET_KEY": "k" * 32}
    with serving(demo=True, settings=settings) as server:
        house = House(server, port, keys, make_key(keys, "admins"))
        house.key = house.agent("ana")
        yield house


@pytest.fixture
def house(served: House) -> Iterator[House]:
    """The server; clients are ended after the test, and nothing of them may be left."""
    try:
        yield served
    finally:
        for screen in served.screens:
            screen.kill()
        served.screens.clear()
    served.nobody()


def environ_of(pid: int) -> dict[str, str]:
    """The environment with which a process was started."""
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    return dict(part.split("=", 1) for part in os.fsdecode(raw).split("\0") if "=" in part)
