"""The order of the inbox: by need. Two stored numbers, indexed, so that 100,000 conversations sort for nothing."""

from __future__ import annotations

from typing import Protocol

from invent_server.store.tables.conversations import HIDDEN

WAITING_URGENT, WAITING, AGENT, ASSISTANT, SNOOZED, CLOSED = range(6)
_FAR = 4 * 10**15
"""Beyond any time of ours (the year 2096): `_FAR - t` sorts the latest first and after everything that waits."""


class Placed(Protocol):
    """What decides a conversation's place."""

    handler: str
    status: str
    priority: str
    last_seq: int
    waiting_since: int | None
    last_at: int | None


def place(row: Placed) -> tuple[int, int]:
    """`need` (the group) and `need_at` (ascending inside it) of a conversation."""
    latest_first = _FAR - (row.last_at or 0)
    if row.last_seq == 0:
        return HIDDEN, latest_first
    if row.status == "closed":
        return CLOSED, latest_first
    if row.status == "snoozed":
        return SNOOZED, latest_first
    if row.handler == "queue":
        return (WAITING_URGENT if row.priority == "urgent" else WAITING), row.waiting_since or latest_first
    if row.handler == "agent":
        return AGENT, row.waiting_since or latest_first
    return ASSISTANT, latest_first
