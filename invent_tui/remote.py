"""The inbox for somebody who is connected by ssh: `python -m invent_tui.remote one|many SOCKET-FD`.

Orders come over the socket, each with a terminal as a passed descriptor. `one`: this process becomes the inbox of the
first order. `many`: everything is imported once, and each order gets a fork of this process, which shares its memory.
A fork is made before any thread, event loop or connection exists here. When the socket closes, all sessions end.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import termios
import time
import traceback
from typing import Any

LARGEST = 65_536
PATIENCE = 7.0
"""Seconds in which an inbox whose terminal is gone must end; then the kernel ends it."""
HEAVY = ("invent_tui.app", "invent_tui.client", "invent_tui.screens.dialogs", "textual.drivers.linux_driver", "aiohttp")


def main(mode: str, descriptor: int) -> int:
    """See the module."""
    orders = socket.socket(fileno=descriptor)
    if mode == "one":
        order, terminal = _receive(orders)
        return _inbox(order, terminal) if order else 0
    for name in HEAVY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or the collector would write to every page, and nothing would stay shared
    return _Prepared(orders).run()


class _Prepared:
    """The process that sessions are forked from. It has one thread and does nothing else."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._sessions: dict[int, int] = {}
        """Process id -> number of the session."""
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def run(self) -> int:
        """Serve until the socket is closed."""
        while True:
            ready, _, _ = select.select([self._orders.fileno(), self._woken], [], [])
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap(os.WNOHANG)
            if self._orders.fileno() in ready:
                order, terminal = _receive(self._orders)
                if order is None:
                    return self._end()
                if "signal" in order:
                    self._signal(order["number"], order["signal"])
                else:
                    self._begin(order, terminal)

    def _begin(self, order: dict[str, Any], terminal: int) -> None:
        child = os.fork()
        if child:
            os.close(terminal)
            self._sessions[child] = order["number"]
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._woken, self._wake):
                os.close(descriptor)
            self._orders.close()
            code = _inbox(order, terminal)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(code)

    def _signal(self, number: int, which: int) -> None:
        for child, known in self._sessions.items():
            if known == number:
                os.kill(child, which)  # it has not been waited for, so the id is still its own

    def _reap(self, how: int) -> None:
        while self._sessions:
            try:
                child, status = os.waitpid(-1, how)
            except ChildProcessError:
                return
            if child == 0:
                return
            number = self._sessions.pop(child, None)
            with contextlib.suppress(OSError):  # the server is gone, or does not read
                self._orders.send(json.dumps([number, os.waitstatus_to_exitcode(status)]).encode())

    def _end(self) -> int:
        """The server is gone. Its terminals have hung up already; who does not end by that is ended."""
        for which, seconds in ((signal.SIGHUP, PATIENCE), (signal.SIGKILL, 5.0)):
            for child in self._sessions:
                os.kill(child, which)
            until = time.monotonic() + seconds
            while self._sessions and time.monotonic() < until:
                select.select([self._woken], [], [], 0.2)
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap(os.WNOHANG)
        return 0


def _receive(orders: socket.socket) -> tuple[dict[str, Any] | None, int]:
    """The next order and its terminal (-1: none came with it)."""
    try:
        raw, passed, _, _ = orders.recvmsg(
            LARGEST, socket.CMSG_SPACE(array.array("i").itemsize), socket.MSG_CMSG_CLOEXEC
        )
    except OSError:
        raw, passed = b"", []
    found = array.array("i")
    for _, _, data in passed:
        found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return (json.loads(raw) if raw else None), (found[0] if found else -1)


def _inbox(order: dict[str, Any], terminal: int) -> int:
    """Become the inbox on `terminal`, with nothing of the former environment but what is needed to run."""
    if os.getpid() != os.getsid(0):
        os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a server under nohup ignores it, and so would its children
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for standard in (0, 1, 2):
        os.dup2(terminal, standard)
    if terminal > 2:
        os.close(terminal)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZDIR") if name in os.environ}
    os.environ.clear()
    os.environ.update({**kept, **order["environ"]})
    from invent_tui.app import run

    return run(order["server"], order["token"], remote=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
