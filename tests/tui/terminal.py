"""The inbox behind a real pseudo-terminal, as a person starts it; what it writes, byte by byte."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

COLUMNS, ROWS = 120, 40
START = "import sys; from invent_tui.app import run; sys.exit(run(sys.argv[1], sys.argv[2]))"


class Terminal:
    """A child behind a pseudo-terminal."""

    def __init__(self, *argv: str, term: str = "xterm-256color", before: str = "") -> None:
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            env = {**os.environ, "TERM": term, "LANG": "en_US.UTF-8", "COLORTERM": ""}
            os.execve(sys.executable, [sys.executable, "-c", before + START, *argv], env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def read(self, quiet: float, limit: float = 5.0, until: bytes = b"") -> tuple[bytes, float]:
        """What is written until nothing came for `quiet` seconds (or `until` appears), and when the last byte came."""
        data, last, end = b"", time.perf_counter(), time.perf_counter() + limit
        while time.perf_counter() < end:
            ready, _, _ = select.select([self.fd], [], [], quiet)
            if not ready:
                if until and until not in data:
                    continue
                break
            try:
                data += os.read(self.fd, 65536)
            except OSError:
                break
            last = time.perf_counter()
            if until and until in data:
                break
        return data, last

    def press(self, keys: bytes) -> float:
        """Type; gives the moment."""
        moment = time.perf_counter()
        os.write(self.fd, keys)
        return moment

    def pss(self) -> float:
        """Proportional memory in MB."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
