"""`Idempotency-Key`: the same command with the same key is carried out once and answered alike, for 24 hours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from invent_server.conversations.errors import Refused
from invent_server.services import Services
from invent_server.store import tables as t
from invent_server.store.session import now

_running: dict[tuple[str, str], asyncio.Lock] = {}


@dataclass(slots=True)
class Once:
    """A command with a key. What makes something new keeps its answer in the same transaction (Call.write): if the
    server dies before it has answered, the command is not carried out a second time."""

    token_id: str
    key: str
    digest: str
    status: int
    kept: bool = False

    def keep(self, session: Session, answer: str, status: int | None = None) -> None:
        """Store the answer; the database refuses a second one."""
        session.add(
            t.Idempotency(
                token_id=self.token_id,
                key=self.key,
                request=self.digest,
                status=status or self.status,
                answer=answer,
                created_at=now(session),
            )
        )
        self.kept = True


async def carried_out(
    services: Services, once: Once, answer: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The stored answer of this key, or the command's own, which is then stored. Refused 422 for another body."""
    if len(once.key) > 200:
        raise Refused("invalid", "Idempotency-Key is longer than 200 characters")
    name = (once.token_id, once.key)
    lock = _running.setdefault(name, asyncio.Lock())
    try:
        async with lock:
            if (known := await _known(services, once)) is not None:
                return known
            try:
                response = await answer()
            except IntegrityError:  # another server has carried it out at this moment
                if (known := await _known(services, once)) is not None:
                    return known
                raise
            if isinstance(response, web.Response) and response.status < 500 and not once.kept:
                text, status = response.text or "", response.status
                await services.store.write(lambda session: once.keep(session, text, status))
            return response
    finally:
        if not lock.locked():
            _running.pop(name, None)


async def _known(services: Services, once: Once) -> web.Response | None:
    row = await services.store.read(lambda session: session.get(t.Idempotency, (once.token_id, once.key)))
    if row is None:
        return None
    if row.request != once.digest:
        raise Refused("invalid", "this Idempotency-Key was used for another command")
    return web.Response(body=row.answer.encode(), status=row.status, content_type="application/json")
