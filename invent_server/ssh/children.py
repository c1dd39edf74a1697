"""Starts inboxes on pseudo-terminals: forked from one prepared process, or (`ssh.fork = false`) a fresh one for each.

Either way the same program (`invent_tui.remote`) gets orders over a socket pair: JSON with the session's number,
server, token and environment, and the terminal as a passed descriptor. So no secret is in argv or in an environment
that others can read. It answers with `[number, exit code]`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import structlog

log = structlog.get_logger(__name__)
PROGRAM = "invent_tui.remote"
KEPT = ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "TZDIR")
"""What a child sees of the server's environment: never a key or a token of the server."""
LARGEST = 65_536
FORKS = sys.platform == "linux"
"""Elsewhere (macOS) a fork of a process that has used system frameworks is unsafe, and each gets a fresh process."""


@dataclass(slots=True)
class Child:
    """One inbox. `ended` gives the exit code, negative after a signal, or None where nobody saw it."""

    number: int
    home: _Home
    ended: asyncio.Future[int | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, if it still runs."""
        if not self.ended.done():
            self.home.signal(self.number, number)


class _Home:
    """A started `invent_tui.remote` and our end of the socket to it."""

    def __init__(self, mode: str) -> None:
        kind = socket.SOCK_SEQPACKET if FORKS else socket.SOCK_STREAM
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        self._ours.setblocking(False)
        self._mode = mode
        self._children: dict[int, Child] = {}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM, mode, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                start_new_session=True,
            )
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._readable)
        self.alive = True

    def order(self, number: int, terminal: int, given: Mapping[str, object]) -> Child:
        """Begin an inbox on `terminal`. Raises OSError."""
        raw = orjson.dumps({"number": number, **given})
        socket.send_fds(self._ours, [raw], [terminal])
        child = self._children[number] = Child(number, self)
        return child

    def signal(self, number: int, which: int) -> None:
        try:
            if self._mode == "one":
                self._process.send_signal(which)
            else:
                self._ours.send(orjson.dumps({"number": number, "signal": which}))
        except OSError as error:
            log.warning("a session's process cannot be reached", error=str(error))

    def _readable(self) -> None:
        try:
            raw = self._ours.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._loop.remove_reader(self._ours)
            self._loop.call_later(0.05, self.close)  # by then it can be waited for
            return
        number, code = orjson.loads(raw)
        if (child := self._children.pop(number, None)) is not None and not child.ended.done():
            child.ended.set_result(code)

    def close(self) -> None:
        """Our end is closed: a prepared process ends its sessions and itself."""
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._ours)
        self._ours.close()
        code = self._process.poll() if self._mode == "one" else None
        for child in self._children.values():
            if not child.ended.done():
                child.ended.set_result(code)
        self._children.clear()

    def reap(self) -> bool:
        """The process has ended (and is no zombie any more)."""
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(5)


class Starter:
    """Makes inboxes. `prepare` is called early, so that nobody who connects has to wait for the imports."""

    def __init__(self, fork: bool) -> None:
        self._fork = fork and FORKS
        self._prepared: _Home | None = None
        self._homes: set[_Home] = set()
        self._number = 0

    def prepare(self) -> None:
        """Start the process that sessions are forked from, if it does not run. Raises OSError."""
        if self._fork and (self._prepared is None or not self._prepared.alive):
            self._prepared = self._home("many")

    def start(self, terminal: int, server: str, token: str, environ: Mapping[str, str]) -> Child:
        """An inbox on the descriptor `terminal`, which the caller may close then. Raises OSError."""
        self._number += 1
        given = {"server": server, "token": token, "environ": dict(environ)}
        self.prepare()
        home = self._prepared if self._prepared is not None else self._home("one")
        return home.order(self._number, terminal, given)

    def _home(self, mode: str) -> _Home:
        self.reap()
        home = _Home(mode)
        self._homes.add(home)
        return home

    def reap(self) -> None:
        """Forget the processes that have ended."""
        for home in [one for one in self._homes if one.reap()]:
            home.close()
            self._homes.discard(home)

    async def close(self, patience: float = 3.0) -> None:
        """End everything: politely, then not."""
        for home in self._homes:
            home.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while self._homes and loop.time() < until:
            await asyncio.sleep(0.02)
            self.reap()
        for home in self._homes:
            home.kill()
        self._homes.clear()
