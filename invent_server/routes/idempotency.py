"""`Idempotency-Key`: the same command with the same key is carried out once and answered alike, for 24 hours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlmodel import Session

from invent_server.conversations.errors import Refused
from invent_server.services import Services
from invent_server.store import tables as t
from invent_server.store.session import now

_running: dict[tuple[str, str], asyncio.Lock] = {}


async def once(
    services: Services, token_id: str, key: str, digest: str, answer: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The stored answer of this key, or the command's own, which is then stored. Refused 422 for another body."""
    if len(key) > 200:
        raise Refused("invalid", "Idempotency-Key is longer than 200 characters")
    name = (token_id, key)
    lock = _running.setdefault(name, asyncio.Lock())
    try:
        async with lock:
            known = await services.store.read(lambda session: session.get(t.Idempotency, name))
            if known is not None:
                if known.request != digest:
                    raise Refused("invalid", "this Idempotency-Key was used for another command")
                return web.Response(body=known.answer.encode(), status=known.status, content_type="application/json")
            response = await answer()
            if isinstance(response, web.Response) and response.status < 500:
                text = response.text or ""

                def keep(session: Session) -> None:
                    session.merge(
                        t.Idempotency(
                            token_id=token_id,
                            key=key,
                            request=digest,
                            status=response.status,
                            answer=text,
                            created_at=now(session),
                        )
                    )

                await services.store.write(keep)
            return response
    finally:
        if not lock.locked():
            _running.pop(name, None)
