"""One ssh connection: who knocks, with which key. A wrong key, an unknown name and a disabled agent look the same."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Literal

import asyncssh
import structlog

from invent_server.ssh import access
from invent_server.ssh.session import InboxSession

if TYPE_CHECKING:
    from invent_server.ssh.door import Door
    from shared.settings import Ssh

log = structlog.get_logger(__name__)
TRIES = 6
"""Keys that a client may offer on one connection (as OpenSSH's MaxAuthTries)."""
SLOWER = 0.1
"""Seconds by which each wrong key makes the next answer slower."""
CHANNELS = 4
"""Inboxes on one connection (clients that share it)."""


class Knock(asyncssh.SSHServer):
    """A connection. Public keys only; no forwarding of any kind (asyncssh refuses what is not granted here)."""

    def __init__(self, door: Door, address: str) -> None:
        self._door = door
        self._address = address
        self._name = ""
        self._tried = 0
        self._entry: access.Entry | None = None
        self.inside = False
        """Logged in."""
        self._channels = 0
        self._used_at = 0.0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn

    def begin_auth(self, username: str) -> bool:
        self._name = username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether this key opens the inbox of `username`; the signature is checked afterwards."""
        if self._tried >= TRIES:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many keys")
            return False
        self._entry = await self._door.entry(username, key.get_fingerprint("sha256"))
        if self._entry is None:
            self._tried += 1
            await asyncio.sleep(SLOWER * self._tried)
        return self._entry is not None

    def auth_completed(self) -> None:
        self.inside = True
        self._used_at = asyncio.get_running_loop().time()
        self._door.connections.add(self)

    def session_requested(self) -> InboxSession | Literal[False]:
        entry = self._entry
        if entry is None or entry.name != self._conn.get_extra_info("username") or not self.inside:
            return False
        if self._channels >= CHANNELS or self._door.is_full():
            log.warning("ssh session refused: too many are open", agent_id=entry.agent_id, address=self._address)
            return False
        self._channels += 1
        return InboxSession(self._door, entry, self._address, self._channel_closed)

    def _channel_closed(self) -> None:
        self._channels -= 1
        self._used_at = asyncio.get_running_loop().time()

    def close_if_unused(self, seconds: float) -> None:
        """Nobody stays connected without an inbox (`ssh -N`)."""
        if not self._channels and asyncio.get_running_loop().time() - self._used_at > seconds:
            self.close()

    def close(self) -> None:
        self._conn.disconnect(asyncssh.DISC_BY_APPLICATION, "Closed by the server")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.inside and (self._tried or self._name):
            log.warning("ssh login refused", name=self._name[:64], address=self._address, keys=self._tried)
            self._door.refused(self._address)
        self._door.connections.discard(self)


class Handshake:
    """What is the same for all connections: host key and what may be asked for."""

    def __init__(self, host_key: bytes) -> None:
        self._key = asyncssh.import_private_key(host_key)

    async def serve(self, door: Door, connection: socket.socket, address: str, settings: Ssh) -> None:
        """Until the peer has logged in or is gone. Raises OSError."""
        knock = Knock(door, address)
        try:
            await asyncssh.run_server(
                connection,
                config=None,
                server_factory=lambda: knock,
                server_host_keys=[self._key],
                server_version="Invent",
                gss_host=None,
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                agent_forwarding=False,
                x11_forwarding=False,
                line_editor=False,
                encoding=None,
                compression_algs=None,
                login_timeout=max(1.0, settings.login),
                keepalive_interval=settings.keepalive,
                keepalive_count_max=3,
            )
        except asyncssh.Error as error:
            raise OSError(str(error)) from None
