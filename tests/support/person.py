"""Somebody at a terminal: a command behind a pseudo-terminal, read as it is shown and answered by keys."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")


class Person:
    """A context: the command runs until it ends, or is killed at the end."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int = 100) -> None:
        self.shown = ""
        """All that was ever on the screen, without colours."""
        self.typed = 0
        """Lines that were entered."""
        self._mark = 0
        self._raw = b""
        self._code: int | None = None
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], list(command), {**environ, "TERM": "xterm-256color"})
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def __enter__(self) -> Person:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def sees(self, text: str, seconds: float = 30.0) -> None:
        """Wait until `text` is shown after what was seen before. Raises AssertionError."""
        until = time.monotonic() + seconds
        while (at := self.shown.find(text, self._mark)) < 0:
            if not self._read(until):
                raise AssertionError(f"{text!r} is not shown, but:\n{self.shown[-2500:]}")
        self._mark = at + len(text)

    def enters(self, line: str = "") -> None:
        """Type a line and press Enter."""
        self.typed += 1
        self.presses(line + "\r")

    def presses(self, keys: str) -> None:
        """Press keys, a moment after what was last seen: nobody is faster."""
        time.sleep(0.1)
        os.write(self._fd, keys.encode())

    def ends(self, seconds: float = 30.0) -> int:
        """Wait for the end; the exit code."""
        until = time.monotonic() + seconds
        while self._read(until):
            pass
        while self._code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                raise AssertionError(f"it does not end:\n{self.shown[-2500:]}")
            else:
                time.sleep(0.02)
        return self._code

    def _read(self, until: float) -> bool:
        """Take in what is written next; False: nothing comes any more, or not in time."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return False
        try:
            piece = os.read(self._fd, 65536)
        except OSError:
            return False
        self._raw += piece
        self.shown = _SEQUENCE.sub("", self._raw.decode("utf-8", "ignore")).replace("\r\n", "\n")
        return bool(piece)
