"""A pseudo-terminal between a child and an event loop, with back-pressure both ways: no buffer without a bound."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable

CHUNK = 65_536
TYPED = 65_536
"""Bytes of typing that may wait for a child that does not read; beyond that the peer is not read any more."""
LARGEST = 1000
"""Columns or rows; no screen has more, and a picture of 65535 x 65535 would take 17 GB."""

RESET = (
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[<u"
    b"\x1b[?1049l\x1b[?7h\x1b[?25h\x1b[0m\r"
)
"""What puts a terminal right after a program that could not: mouse, focus, paste, keyboard, screen, wrap, cursor."""


class Terminal:
    """Our side of it. `on_output` gets what the child writes, `on_end` is called when no child has it open any more."""

    def __init__(self, columns: int, rows: int, on_output: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_output, self._on_end = on_output, on_end
        self._ours, self.child = pty.openpty()
        """`child`: the other side, until `started`."""
        os.set_blocking(self._ours, False)
        self._quiet()
        self._typed = bytearray()
        self._reading = self._writing = False
        self._loop = asyncio.get_running_loop()
        self.on_full: Callable[[bool], None] = lambda full: None
        """Told when too much typing waits (True) and when there is room again (False)."""
        self._full = False
        self.open = True
        self.resize(columns, rows)

    def _quiet(self) -> None:
        """Typing before the inbox is up is neither shown nor taken for signals; it waits."""
        modes = termios.tcgetattr(self.child)
        modes[3] &= ~(termios.ECHO | termios.ISIG | termios.ICANON)
        termios.tcsetattr(self.child, termios.TCSANOW, modes)

    def started(self) -> None:
        """The child has its own copy of `child`."""
        os.close(self.child)
        self.child = -1
        self.resume()

    def resize(self, columns: int, rows: int) -> None:
        """The peer's window has this size now."""
        if self.open:
            size = [min(max(1, number), LARGEST) for number in (rows or 24, columns or 80)]
            fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def pause(self) -> None:
        """Take no more output: the child waits at its next write."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._ours)

    def resume(self) -> None:
        """Take output again."""
        if self.open and not self._reading:
            self._reading = True
            self._loop.add_reader(self._ours, self._readable)

    def type(self, data: bytes) -> None:
        """What the peer typed."""
        if self.open:
            self._typed += data
            self._flush()

    def _readable(self) -> None:
        try:
            data = os.read(self._ours, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last child has closed it
            data = b""
        if data:
            self._on_output(data)
        else:
            self.close()
            self._on_end()

    def _flush(self) -> None:
        try:
            while self._typed:
                del self._typed[: os.write(self._ours, self._typed[:CHUNK])]
        except BlockingIOError:
            pass
        except OSError:
            self._typed.clear()
        if bool(self._typed) != self._writing:
            self._writing = bool(self._typed)
            if self._writing:
                self._loop.add_writer(self._ours, self._flush)
            else:
                self._loop.remove_writer(self._ours)
        if (full := len(self._typed) > TYPED) != self._full:
            self._full = full
            self.on_full(full)

    def close(self) -> None:
        """Hang up: the kernel sends SIGHUP to the child."""
        if not self.open:
            return
        self.pause()
        if self._writing:
            self._loop.remove_writer(self._ours)
        self.open = False
        os.close(self._ours)
        if self.child >= 0:
            os.close(self.child)
