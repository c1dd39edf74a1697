"""The real OpenSSH client behind a pseudo-terminal, and keys for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

COLUMNS, ROWS = 120, 40
SSH = shutil.which("ssh")


def needed(*programs: str) -> None:
    """Skip where a program is missing; in CI that is an error."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        reason = f"{', '.join(missing)} not installed (apt install openssh-client tmux)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair of ssh-keygen."""

    file: Path

    @property
    def public(self) -> str:
        return self.file.with_suffix(".pub").read_text()


def make_key(folder: Path, name: str, *how: str) -> Key:
    """A new key pair, Ed25519 if nothing else is said."""
    file = folder / name
    command = ["ssh-keygen", "-q", "-N", "", "-C", f"{name}@test", "-f", str(file), *(how or ("-t", "ed25519"))]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return Key(file)


def command(port: int, name: str, key: Key, *words: str, options: tuple[str, ...] = ()) -> list[str]:
    """An ssh command line that neither asks nor remembers anything."""
    settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes")
    flags = [part for one in (*settings, "BatchMode=yes", "IdentityAgent=none") for part in ("-o", one)]
    return [
        SSH or "ssh",
        "-F",
        "none",
        *flags,
        "-i",
        str(key.file),
        "-p",
        str(port),
        *options,
        f"{name}@127.0.0.1",
        *words,
    ]


class Screen:
    """A running ssh client; what it shows, byte by byte."""

    def __init__(self, argv: list[str], *, columns: int = COLUMNS, rows: int = ROWS, **environ: str) -> None:
        self.started = time.perf_counter()
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
            os.execve(argv[0], argv, env | environ)
        self.code: int | None = None

    def until(self, wanted: bytes, seconds: float = 20.0) -> float:
        """Read until `wanted` appears (in what comes from now on); seconds since the start. Raises TimeoutError."""
        found = b""
        limit = time.perf_counter() + seconds
        while wanted not in found:
            if time.perf_counter() > limit:
                raise TimeoutError(f"{wanted!r} does not appear in {found[-2000:]!r}")
            if not (data := self.read(0.05)) and self.over():
                raise TimeoutError(f"ended without {wanted!r}: {found[-2000:]!r}")
            found += data
        return time.perf_counter() - self.started

    def read(self, quiet: float) -> bytes:
        """What comes until nothing came for `quiet` seconds, at most a chunk."""
        if self.fd < 0 or not select.select([self.fd], [], [], quiet)[0]:
            return b""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if not data:
            self._wait()
        self.seen += data
        return data

    def drain(self, quiet: float = 0.3, limit: float = 5.0) -> bytes:
        """Everything until nothing came for `quiet` seconds."""
        found, end = b"", time.perf_counter() + limit
        while time.perf_counter() < end and (data := self.read(quiet)):
            found += data
        return found

    def press(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def over(self) -> bool:
        """The client has ended."""
        return self.code is not None

    def _wait(self) -> None:
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
            self.fd = -1

    def ended(self, seconds: float = 15.0) -> int:
        """Read to the end; the exit code. Raises TimeoutError."""
        limit = time.perf_counter() + seconds
        while not self.over():
            self.read(0.1)
            if time.perf_counter() > limit:
                raise TimeoutError(f"the client does not end: {self.seen[-500:]!r}")
        assert self.code is not None
        return self.code

    def kill(self, number: int = signal.SIGKILL) -> None:
        """The client is killed: the server sees the line go down."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self._wait()
