"""The inboxes, kept in memory for a second: each inbound message asks for its own, and they change once a month."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlmodel import Session, select

from invent_server.store import tables as t
from invent_server.store.database import Store

TTL = 1.0


@dataclass(frozen=True, slots=True)
class InboxInfo:
    """An inbox with its settings as stored (secrets encrypted)."""

    id: str
    name: str
    kind: str
    enabled: bool
    mode: str
    settings: dict[str, object]
    company: str = ""
    """Whose it is, as customers know it."""


class Directory:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._inboxes: dict[str, InboxInfo] = {}
        self._until = 0.0

    async def inbox(self, name: str) -> InboxInfo | None:
        """The inbox of that name."""
        if time.monotonic() >= self._until:
            self._inboxes = await self._store.read(_inboxes)
            self._until = time.monotonic() + TTL
        return self._inboxes.get(name)

    def forget(self) -> None:
        """An inbox was changed here."""
        self._until = 0.0


def _inboxes(session: Session) -> dict[str, InboxInfo]:
    return {
        row.name: InboxInfo(row.id, row.name, row.kind, row.enabled, row.mode, row.settings, company)
        for row, company in session.exec(select(t.Inbox, t.Assistant.company).join(t.Assistant))
    }
