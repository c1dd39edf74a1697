"""The ssh port: listens, lets in few at a time, counts, and ends sessions whose agent may no longer be here.

Until somebody can connect this is an open port and nothing more: the process that inboxes are forked from comes with
the first key, asyncssh and the host key with the first connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from invent_server.services import Services
from invent_server.ssh import access
from invent_server.ssh.children import Starter
from invent_server.store.errors import StoreUnavailable
from invent_server.store.secrets import write_private
from shared.tasks import Tasks

if TYPE_CHECKING:
    from invent_server.ssh.connection import Handshake, Knock
    from invent_server.ssh.session import InboxSession

log = structlog.get_logger(__name__)
HOST_KEY = "ssh_host_ed25519_key"
KEYMAPS = "keymaps"
PACE = 0.02
"""Seconds between two connections that are taken: each begins with some milliseconds of cryptography on our loop."""
LOOK = 20.0
"""Seconds between two looks at the sessions: who is idle, who may not be here any more. Tokens are renewed, too."""
SETTLE = 2.0
"""Seconds after the start in which others need the processor more."""
HANGS_UP = 1.0
"""Seconds that clients get to read the last word before their connections are closed."""
STOPS = 3.0
"""Seconds in which the inboxes' processes must have ended when the server stops."""


class PortTaken(Exception):
    """Somebody else listens there."""


def _failed(error: BaseException) -> None:
    log.error("a part of the ssh port broke", error=repr(error))


class Door:
    """The open port. `url`: the server's own address, for the inboxes."""

    def __init__(self, services: Services, url: str) -> None:
        self._services = services
        self._settings = services.settings.ssh
        self.url = url
        self.starter = Starter(self._settings.fork)
        self.tasks = Tasks(_failed)
        self.sessions: set[InboxSession] = set()
        self.connections: set[Knock] = set()
        """Those that have logged in."""
        self._waiting: Counter[str] = Counter()
        """Those that have not, by address."""
        self._listener: socket.socket | None = None
        self._handshake: Handshake | None = None
        self._loading = asyncio.Lock()

    # ------------------------------------------------------------------ open and close

    async def open(self, host: str, port: int) -> int:
        """Listen; the port in use. Raises PortTaken, OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((host, port))
            listener.listen(64)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                raise PortTaken from None
            raise
        self._listener = listener
        await self._services.store.write(lambda session: access.clear(session, self._services.node))
        self._services.hub.on_refresh.append(self._changed)
        self.tasks.start(self._accept(listener), name="ssh port")
        self.tasks.start(self._watch(), name="ssh sessions")
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every session, with a word to each."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        leaving = [
            session.leave(session.tr("The server stops; connect again in a moment")) for session in self.sessions
        ]
        await asyncio.gather(*leaving)
        with contextlib.suppress(TimeoutError):  # a client hangs up when it has read the last word
            async with asyncio.timeout(HANGS_UP):
                while self.connections:  # noqa: ASYNC110 - they tell nobody that they are gone
                    await asyncio.sleep(0.02)
        for knock in tuple(self.connections):
            knock.close()
        await self.tasks.close()
        listener.close()
        await self.starter.close(STOPS)

    # ------------------------------------------------------------------ connections

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:  # no descriptor is free, or the peer has gone already
                log.warning("ssh connection not taken", error=str(error))
                await asyncio.sleep(0.5)
                continue
            address = _plain(str(peer[0]))
            if self._may_knock(address):
                self._waiting[address] += 1
                self.tasks.start(self._serve(connection, address), name=f"ssh from {address}")
            else:
                connection.close()
            await asyncio.sleep(PACE)

    def _may_knock(self, address: str) -> bool:
        """Room for one more who has not logged in, from this address."""
        most = self._settings.connections
        if self._services.logins.wait(address):
            log.info("ssh connection refused: too many failed logins", address=address)
            return False
        if self._waiting.total() >= most or self._waiting[address] >= max(1, most * 2 // 3):
            log.info("ssh connection refused: too many at once", address=address)
            return False
        return True

    async def _serve(self, connection: socket.socket, address: str) -> None:
        """Handshake and login; from then on asyncssh drives the connection."""
        try:
            loaded = await self._load()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loaded.serve(self, connection, address, self._settings)
        except OSError as error:  # asyncssh's own errors are of this kind, or told in Knock.connection_lost
            log.info("ssh connection failed", address=address, error=str(error))
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]

    async def _load(self) -> Handshake:
        """What a connection needs, made with the first one. Beside the loop: the import takes 200 ms."""
        async with self._loading:
            if self._handshake is None:
                self._handshake = await asyncio.to_thread(_handshake, self._services.settings.data_dir)
        return self._handshake

    # ------------------------------------------------------------------ what a connection asks

    async def entry(self, name: str, fingerprint: str) -> access.Entry | None:
        """The agent of that name if the key opens the door."""
        try:
            found = await self._services.store.read(lambda session: access.entry(session, name, fingerprint))
        except StoreUnavailable as error:
            log.warning("ssh login not looked up", error=str(error))
            return None
        if found is not None:
            self.starter.prepare()
        return found

    def is_full(self) -> bool:
        """No further session."""
        return len(self.sessions) >= self._settings.sessions or self._listener is None

    def refused(self, address: str) -> None:
        """Somebody tried and was not let in."""
        self._services.logins.hit(address)

    def keymap(self, name: str) -> Path | None:
        """An agent's own keys: DATA_DIR/keymaps/NAME.toml."""
        path = self._services.settings.data_dir / KEYMAPS / f"{name}.toml"
        return path if path.is_file() else None

    async def begin(self, session: InboxSession) -> str | None:
        """A session's token. None: the key or the agent went meanwhile."""
        node = self._services.node
        began = await self._services.store.write(
            lambda database: access.begin(database, session.entry, session.address, node)
        )
        if began is None:
            return None
        token, session.token_id = began
        self._log("ssh session began", session)
        return token

    async def end(self, session: InboxSession) -> None:
        """A session is over, its inbox, too."""
        self.sessions.discard(session)
        if session.token_id:
            seconds = asyncio.get_running_loop().time() - session.began
            self._log("ssh session ended", session, seconds=round(seconds))
            await self._services.store.insist(lambda database: access.end(database, session.token_id))

    def _log(self, what: str, session: InboxSession, **more: object) -> None:
        entry = session.entry
        log.info(what, agent_id=entry.agent_id, key=entry.fingerprint, address=session.address, **more)

    # ------------------------------------------------------------------ who may stay

    def _changed(self, agent_id: str) -> None:
        if any(session.entry.agent_id == agent_id for session in self.sessions):
            self.tasks.start(self._look(), name="ssh rights")

    async def _watch(self) -> None:
        await asyncio.sleep(SETTLE)
        while True:
            self.starter.reap()
            for knock in tuple(self.connections):
                knock.close_if_unused(self._settings.login)
            try:
                await self._look_after()
            except (StoreUnavailable, OSError) as error:
                log.warning("ssh sessions not looked after", error=str(error))
            await asyncio.sleep(LOOK)

    async def _look_after(self) -> None:
        if await self._services.store.read(access.anybody):
            self.starter.prepare()  # somebody may come
        if self.sessions:
            await self._look()
            tokens = [session.token_id for session in self.sessions if session.token_id]
            await self._services.store.write(lambda database: access.renew(database, tokens))

    async def _look(self) -> None:
        """Cut the sessions of agents who may not be here any more; let the idle ones leave."""
        keys = {session.entry.key_id for session in self.sessions}
        welcome = await self._services.store.read(lambda database: access.welcome(database, keys))
        now = asyncio.get_running_loop().time()
        for session in tuple(self.sessions):
            tr = session.tr
            if session.entry.key_id not in welcome:
                session.cut(tr("Your access has been withdrawn"))
            elif self._settings.idle and now - session.typed_at > self._settings.idle:
                self.tasks.start(
                    session.leave(tr("Nothing was typed for a long time; connect again when you are back"))
                )


def _plain(address: str) -> str:
    """One spelling for each peer: an IPv4 address that came by an IPv6 socket is the IPv4 address."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _handshake(data_dir: Path) -> Handshake:
    from invent_server.ssh.connection import Handshake

    return Handshake(host_key(data_dir))


def host_key(data_dir: Path) -> bytes:
    """This server's key, by which clients recognise it; made at first use. Raises OSError."""
    path = data_dir / HOST_KEY
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        made = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        write_private(path, made.decode().rstrip("\n"))
    return path.read_bytes()
