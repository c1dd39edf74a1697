"""/api/v1/assistants and /api/v1/setup: whom the assistant speaks for, a question put to it, and first steps."""

from __future__ import annotations

import asyncio

import structlog

from invent_server import setting_up
from invent_server.assistant.fallback import broken
from invent_server.assistant.given import question
from invent_server.routes.table import Call, Route
from shared import commands as c
from shared import models as m
from shared.text import clean

log = structlog.get_logger(__name__)
ASSISTANTS = "/api/v1/assistants"
SETUP = "/api/v1/setup"


async def assistants(call: Call) -> m.Page[m.Assistant]:
    return await call.read(lambda s: m.Page(items=setting_up.assistants(s)))


async def patch(call: Call) -> m.Assistant:
    changed = await call.services.store.write(lambda s: setting_up.patch_assistant(s, call.params["name"], call.body))
    call.services.directory.forget()
    log.info("assistant changed", assistant=changed.slug, fields=sorted(call.body.model_fields_set), by=call.agent.name)
    return changed


async def try_(call: Call) -> m.Tried:
    """What a customer would be answered. Nothing is stored and nobody is called."""
    turn = await call.read(lambda s: question(s, call.params["name"], clean(call.body.text), call.body.language))
    try:
        async with asyncio.timeout(call.services.settings.assistant.deadline):
            result = await call.services.runner.responder(turn, _unheard)
    except TimeoutError:
        result = broken(turn, "deadline")
    return m.Tried(
        text=result.text,
        language=result.language,
        citations=list(result.citations),
        outcome=result.outcome,
        reason=result.reason,
        detail=result.detail,
    )


async def _unheard(piece: str) -> None:
    """Nobody listens while the answer is made."""


async def progress(call: Call) -> m.Setup:
    return await call.read(setting_up.progress)


async def done(call: Call) -> m.Setup:
    return await call.services.store.write(lambda s: setting_up.done(s, call.body.step))


ROUTES = [
    Route("GET", ASSISTANTS, "agent", assistants, "Assistants", answer=m.Page[m.Assistant]),
    Route(
        "PATCH",
        ASSISTANTS + "/{name}",
        "admin",
        patch,
        "Change an assistant",
        c.PatchAssistant,
        answer=m.Assistant,
        errors=("not_found",),
    ),
    Route(
        "POST",
        ASSISTANTS + "/{name}/try",
        "agent",
        try_,
        "What a customer would be answered",
        c.Try,
        answer=m.Tried,
        errors=("not_found",),
    ),
    Route("GET", SETUP, "admin", progress, "First steps", answer=m.Setup),
    Route("POST", SETUP, "admin", done, "A first step is done", c.SetupStep, answer=m.Setup),
]
