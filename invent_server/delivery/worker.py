"""Sends what stands in the outbox: per conversation in order, across conversations side by side."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from invent_server.channels.base import Channel, Outgoing, Refused, Result, Unknown
from invent_server.delivery import outbox
from invent_server.delivery.outbox import Claimed
from invent_server.metrics import SENDS
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.database import Store
from invent_server.store.errors import StoreUnavailable
from invent_server.store.secrets import Secrets
from invent_server.store.session import Hints
from shared.settings import Delivery
from shared.tasks import Tasks

log = structlog.get_logger(__name__)
POLL = 1.0


class Worker:
    """One per node. `channels` by kind; a kind that is missing here (a private command line server) is left alone."""

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], secrets: Secrets, settings: Delivery, node: str
    ) -> None:
        self._store = store
        self._channels = channels
        self._secrets = secrets
        self._settings = settings
        self._node = node
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._active: set[str] = set()
        self._wake = asyncio.Event()
        self._tasks = Tasks(lambda error: log.error("send failed", error=repr(error)))
        store.on_commit.append(self._committed)

    async def recover(self) -> None:
        """At start: what this node's former run was sending."""
        await self._store.write(lambda session: outbox.doubt(session, self._node, reborn=True))

    def _committed(self, hints: Hints, events: bool) -> None:
        for message_id in hints.outbox:
            self._begin(message_id)

    async def run(self) -> None:
        """Find what is due (retries, other nodes' leftovers) for ever."""
        while True:
            try:
                await self._store.write(lambda session: outbox.doubt(session, self._node, reborn=False))
                for message_id in await self._store.read(lambda s: outbox.due(s, self._settings.concurrency)):
                    self._begin(message_id)
            except StoreUnavailable as error:
                log.warning("outbox unreadable", error=str(error))
            self._wake.clear()
            try:
                async with asyncio.timeout(POLL):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Let sends under way end within their timeout, then stop."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._tasks.join()
        except TimeoutError:
            log.warning("sends were cut off")
        await self._tasks.close()

    def _begin(self, message_id: str) -> None:
        if message_id not in self._active:
            self._active.add(message_id)
            self._tasks.start(self._send(message_id), name=f"send {message_id}")

    async def _send(self, message_id: str) -> None:
        try:
            async with self._slots:
                claimed = await self._store.insist(
                    lambda session: outbox.claim(session, message_id, self._node, self._settings.lease)
                )
                if claimed is None:  # perhaps it is held for a moment
                    asyncio.get_running_loop().call_later(self._settings.settle + 0.01, self._wake.set)
                    return
                result = await self._try(claimed)
                pauses = [pause * random.uniform(0.5, 1.5) for pause in self._settings.retry]  # noqa: S311 - jitter
                state = await self._store.insist(lambda session: outbox.record(session, claimed, result, pauses))
            SENDS.labels(state or "lost").inc()
            if state == "sent" and claimed.token != claimed.message_id:  # what was born `sending` kept nobody waiting
                self._wake.set()
        except StoreUnavailable as error:
            log.warning("send not recorded", message_id=message_id, error=str(error))
        finally:
            self._active.discard(message_id)

    async def _try(self, claimed: Claimed) -> Result:
        prepared = await self._store.read(lambda session: _outgoing(session, claimed))
        if prepared is None:
            return Refused("the message or its customer is gone")
        kind, settings, recipient, customer_id, message, in_reply_to = prepared
        channel = self._channels.get(kind)
        if channel is None:
            return Unknown(f"no channel of kind {kind} runs here")
        outgoing = Outgoing(
            wire.message(message),
            claimed.inbox_id,
            self._secrets.reveal(settings, channel.secrets),
            recipient,
            customer_id,
            in_reply_to,
        )
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await channel.send(outgoing)
        except TimeoutError:
            return Unknown(f"{kind} gave no answer within {self._settings.timeout:g} s")


# Made once: building a statement takes longer than running it.
_IDENTITY: Any = (
    select(t.Identity.external_id)
    .where(t.Identity.customer_id == bindparam("customer"), t.Identity.inbox_id == bindparam("inbox"))
    .order_by(col(t.Identity.created_at).desc())
    .limit(1)
)
_ASKED: Any = (
    select(t.Receipt.key)
    .join(t.Message, col(t.Message.id) == col(t.Receipt.message_id))
    .where(
        t.Message.conversation_id == bindparam("conversation"),
        t.Message.seq < bindparam("seq"),
        t.Receipt.conversation_id == bindparam("conversation"),  # the index finds receipts by conversation only
    )
    .order_by(col(t.Message.seq).desc())
    .limit(1)
)


def _outgoing(
    session: Session, claimed: Claimed
) -> tuple[str, dict[str, object], str, str, t.Message, str | None] | None:
    message = session.get(t.Message, claimed.message_id)
    talk = session.get(t.Conversation, claimed.conversation_id)
    inbox = session.get(t.Inbox, claimed.inbox_id)
    if message is None or talk is None or inbox is None:
        return None
    ids = {"customer": talk.customer_id, "inbox": inbox.id, "conversation": talk.id, "seq": message.seq}
    identity = session.exec(_IDENTITY, params=ids).first()
    asked = session.exec(_ASKED, params=ids).first()
    in_reply_to = asked.split(":", 1)[1] if asked else None
    return inbox.kind, inbox.settings, identity or "", talk.customer_id, message, in_reply_to
