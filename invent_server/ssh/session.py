"""One ssh session: a terminal, an inbox on it, and the bytes between them. Only a shell on a terminal is granted."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import asyncssh
import structlog

from invent_server.ssh.access import Entry
from invent_server.ssh.children import Child
from invent_server.ssh.terminal import RESET, Terminal
from shared.i18n import texts

if TYPE_CHECKING:
    from invent_server.ssh.door import Door

log = structlog.get_logger(__name__)
_TERM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_VALUE = re.compile(r"[A-Za-z0-9._@:+-]{0,64}")
_LOOKS = ("COLORTERM", "NO_COLOR", "INVENT_GLYPHS", "INVENT_THEME")
"""What a client may say about its terminal; everything else that it sends is dropped."""
LAST_WORDS = 1.0
"""Seconds in which the exit code of an inbox that has ended is waited for."""
PATIENCE = 7.0
"""Seconds in which an inbox whose client is gone must have ended."""
POLITE = 3.0
"""Seconds that an inbox gets to leave by itself when its session is ended."""


class InboxSession(asyncssh.SSHServerSession[bytes]):
    """A channel of a connection whose agent is known."""

    def __init__(self, door: Door, entry: Entry, address: str, on_close: Callable[[], None]) -> None:
        self.door, self.entry, self.address, self._on_close = door, entry, address, on_close
        self.began = self.typed_at = asyncio.get_running_loop().time()
        self.token_id = ""
        self.tr = texts("server", entry.language)
        self._term: str | None = None
        self._size = (80, 24)
        self._terminal: Terminal | None = None
        self._child: Child | None = None
        self._hung_up = asyncio.Event()
        """No child has the terminal open any more, or the client is gone."""
        self._done = asyncio.Event()
        self._ending = False
        self._farewell = ""

    # ------------------------------------------------------------------ what the client asks for

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self._term = term_type if _TERM.fullmatch(term_type) else ""
        self._size = term_size[:2]
        return True

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        if not self._term or self._term == "dumb":
            name = self._term or ("" if self._term is None else "?")
            self._refuse(
                self.tr("Invent opens an inbox and needs a terminal for it; connect with: ssh -t")
                if not name
                else self.tr("Invent cannot draw on this terminal (TERM={name}); use another", name=name)
            )
            return
        self.door.sessions.add(self)
        self.door.tasks.start(self._run(self._term), name=f"ssh {self.entry.name}")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.typed_at = asyncio.get_running_loop().time()
        if self._terminal is not None:
            self._terminal.type(data)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self._size = (width, height)
        if self._terminal is not None:
            self._terminal.resize(width, height)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._terminal is not None:
            self._terminal.pause()

    def resume_writing(self) -> None:
        if self._terminal is not None and not self._ending:
            self._terminal.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is gone, whoever closed it: so is the terminal."""
        self._ending = True
        if self._terminal is not None:
            self._terminal.close()
        self._hung_up.set()
        self._on_close()

    # ------------------------------------------------------------------ its life

    def _refuse(self, line: str) -> None:
        self._chan.write_stderr(line.encode() + b"\r\n")
        self._chan.exit(1)

    async def _run(self, term: str) -> None:
        """From the token to the exit code."""
        try:
            token = await self.door.begin(self)
            if token is None or self._chan.is_closing():
                self._chan.close()
                return
            terminal = self._terminal = Terminal(*self._size, self._output, self._hung_up.set)
            terminal.on_full = self._typing_waits
            try:
                self._child = self.door.starter.start(terminal.child, self.door.url, token, self._environ(term))
            except OSError as error:
                terminal.close()
                log.error("no inbox for an ssh session", error=str(error))
                self._refuse(self.tr("The inbox cannot be opened now; try again in a minute"))
                return
            terminal.started()
            await self._hung_up.wait()
            await self._over(self._child)
        finally:
            self._done.set()
            await self.door.end(self)

    async def _over(self, child: Child) -> None:
        """The terminal is closed, by the child's end or by the client's. A child may finish what it holds."""
        code = await _within(LAST_WORDS, child)
        if not self._chan.is_closing():
            if code is None or code < 0:
                self._chan.write(RESET)
            if self._farewell:
                self._chan.write(self._farewell.encode() + b"\r\n")
            self._chan.exit(code if code is not None and 0 <= code < 256 else 1)
        await _within(PATIENCE, child)
        child.kill()

    def _output(self, data: bytes) -> None:
        if not self._ending:
            self._chan.write(data)

    def _typing_waits(self, full: bool) -> None:
        (self._chan.pause_reading if full else self._chan.resume_reading)()

    def _environ(self, term: str) -> dict[str, str]:
        """The inbox's whole environment: how the client's terminal looks, the agent's language and keys."""
        sent = self._chan.get_environment()
        found = {name: sent[name] for name in _LOOKS if name in sent and _VALUE.fullmatch(sent[name])}
        locale = sent.get("LC_ALL") or sent.get("LC_CTYPE") or sent.get("LANG") or "C.UTF-8"
        charset = "UTF-8" if "utf" in locale.lower().replace("-", "") else "ISO-8859-1"
        found |= {"TERM": term, "LANG": f"{self.entry.language}.{charset}"}
        if (keymap := self.door.keymap(self.entry.name)) is not None:
            found["INVENT_KEYMAP"] = str(keymap)
        return found

    # ------------------------------------------------------------------ ended by us

    def cut(self, line: str) -> None:
        """End it at once: nothing more of the inbox is shown, and it is killed."""
        self._ending = True
        if self._child is not None:
            self._child.kill()
        if self._terminal is not None:
            self._terminal.close()
        if not self._chan.is_closing():
            self._chan.write(RESET + line.encode() + b"\r\n")
            self._chan.exit(1)
        self._hung_up.set()

    async def leave(self, line: str) -> None:
        """Ask the inbox to leave, which puts the terminal right; then say why."""
        self._farewell = line
        if self._child is not None:
            self._child.kill(signal.SIGHUP)
        try:
            async with asyncio.timeout(POLITE):
                await self._done.wait()
        except TimeoutError:
            self.cut(line)


async def _within(seconds: float, child: Child) -> int | None:
    """The exit code of a child that ends in that time."""
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(child.ended)
    except TimeoutError:
        return None
