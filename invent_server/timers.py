"""What happens by the clock: snoozes end, absent agents give chats back, old rows go."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from invent_server.conversations import attaching, control
from invent_server.services import Services
from invent_server.store import tables as t
from invent_server.store.errors import StoreUnavailable
from invent_server.store.order import AGENT
from invent_server.store.session import now
from shared.clock import SECOND
from shared.settings import Settings

log = structlog.get_logger(__name__)
EVERY = 1.0
SWEEP = 600.0


async def run(services: Services) -> None:
    """For ever; a failing round is logged and tried again."""
    next_sweep = 0.0
    loop = asyncio.get_running_loop()
    while True:
        try:
            if await services.store.read(lambda session: _snoozed(session, services.clock.now())):
                await services.store.write(control.back_from_snooze)
            await _away(services)
            if loop.time() >= next_sweep:
                next_sweep = loop.time() + SWEEP
                await services.store.write(lambda session: sweep(session, services.settings))
                await _strays(services)
        except StoreUnavailable as error:
            log.warning("timers wait for the database", error=str(error))
        await asyncio.sleep(EVERY)


def _snoozed(session: Session, moment: int) -> bool:
    due = select(t.Conversation.id).where(col(t.Conversation.snoozed_until) <= moment).limit(1)
    return session.exec(due).first() is not None


async def _away(services: Services) -> None:
    away = services.settings.handoff.away
    present = {agent.agent_id for agent in services.hub.agents}

    def absent(session: Session) -> list[str]:
        limit = services.clock.now() - round(away * SECOND)
        waiting = session.exec(
            select(t.Conversation.assignee_id)
            .where(
                t.Conversation.need == AGENT,  # what the index knows: the longest waiting of the agents' chats
                t.Conversation.need_at <= limit,
                t.Conversation.handler == "agent",
                t.Conversation.status == "open",
                col(t.Conversation.waiting_since) <= limit,
            )
            .distinct()
        )
        return [agent_id for agent_id in waiting if agent_id is not None and agent_id not in present]

    if ids := await services.store.read(absent):
        await services.store.write(lambda session: control.back_to_queue(session, ids, away))


async def _strays(services: Services) -> None:
    """Remove contents of files that no row knows (a crash between the two)."""
    known = set(await services.store.read(lambda session: list(session.exec(select(t.File.id)))))
    await asyncio.to_thread(services.blobs.tidy, known)


def sweep(session: Session, settings: Settings) -> None:
    """Remove what has been kept long enough: events, receipts, raw webhooks, idempotency keys, unsent files."""
    attaching.drop_unsent(session)
    moment = now(session)

    def before(seconds: float) -> int:
        return moment - round(seconds * SECOND)

    connection = session.connection()
    connection.execute(delete(t.Event).where(col(t.Event.at) < before(settings.stream.retention)))
    connection.execute(delete(t.Receipt).where(col(t.Receipt.received_at) < before(settings.retention.receipts)))
    connection.execute(
        update(t.Receipt)
        .where(col(t.Receipt.received_at) < before(settings.retention.raw), col(t.Receipt.raw).is_not(None))
        .values(raw=None)
    )
    connection.execute(delete(t.Prompt).where(col(t.Prompt.created_at) < before(settings.retention.prompts)))
    connection.execute(
        delete(t.Idempotency).where(col(t.Idempotency.created_at) < before(settings.retention.idempotency))
    )
