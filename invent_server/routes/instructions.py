"""/api/v1/instructions: the seven sections as draft and as published versions; messages answered anew by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, Field
from sqlmodel import Session

from invent_server.assistant import past
from invent_server.assistant.past import Past
from invent_server.assistant.rules import Instructions
from invent_server.conversations.errors import not_found
from invent_server.instructions import drafts, versions
from invent_server.instructions.difference import difference
from invent_server.routes.table import Call, Query, Route
from invent_server.store import tables as t
from shared import commands as c
from shared import instructions as i
from shared import models as m
from shared.tasks import Tasks

log = structlog.get_logger(__name__)
T = TypeVar("T")
BASE = "/api/v1/instructions"
STREAM = "application/x-ndjson"
LOOK = 0.25
"""Seconds between two looks whether the asker is still there."""


class Of(Query):
    assistant: c.Slug = "default"


class History(Of):
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[int, Field(ge=0)] | None = None


Which = Annotated[str, Field(pattern=r"^(draft|published|\d{1,9})$")]


class Between(Of):
    old: Which = "published"
    new: Which = "draft"


def _limit(call: Call) -> int:
    models = call.services.settings.models
    return drafts.limit_of(models.num_ctx, models.num_predict)


async def get(call: Call) -> i.Instructions:
    return await call.read(lambda s: drafts.shown(s, versions.assistant(s, call.query.assistant), _limit(call)))


async def edit(call: Call) -> i.InstructionSection:
    body: c.EditInstructions = call.body
    section = next((name for name in i.SECTIONS if name == call.params["section"]), None)
    if section is None:
        raise not_found(f"section {call.params['section']!r}; there are {', '.join(i.SECTIONS)}")

    def write(session: Session) -> i.InstructionSection:
        owner = versions.assistant(session, body.assistant, lock=True)
        return drafts.edit(session, owner, section, body.text, body.revision, call.agent.name)

    return await call.services.store.write(write)


async def publish(call: Call) -> i.InstructionVersion:
    body: c.PublishInstructions = call.body

    def write(session: Session) -> i.InstructionVersion:
        owner = versions.assistant(session, body.assistant, lock=True)
        return drafts.publish(session, owner, call.agent.name, body.note, body.revision, _limit(call))

    return await call.write(write)


async def rollback(call: Call) -> i.InstructionVersion:
    body: c.RollBackInstructions = call.body

    def write(session: Session) -> i.InstructionVersion:
        owner = versions.assistant(session, body.assistant, lock=True)
        return drafts.roll_back(session, owner, body.version, call.agent.name, body.note, _limit(call))

    return await call.write(write)


async def history(call: Call) -> m.Page[i.InstructionVersion]:
    query: History = call.query

    def read(session: Session) -> m.Page[i.InstructionVersion]:
        found = versions.history(session, versions.assistant(session, query.assistant), query.limit, query.cursor)
        more = bool(found) and found[-1].version > 0
        return m.Page(items=found, next_cursor=str(found[-1].version) if more else None)

    return await call.read(read)


async def version(call: Call) -> i.InstructionVersion:
    number = call.params["number"]
    if not number.isdigit() or len(number) > 9:
        raise not_found(f"version {number}")
    return await call.read(lambda s: versions.shown(s, versions.assistant(s, call.query.assistant), int(number)))


async def diff(call: Call) -> i.InstructionDiff:
    query: Between = call.query

    def texts(session: Session, owner: t.Assistant, which: str) -> dict[i.Section, str]:
        if which == "draft":
            return drafts.texts(session, owner)
        return versions.sections(session, owner, owner.published if which == "published" else int(which))

    def read(session: Session) -> i.InstructionDiff:
        owner = versions.assistant(session, query.assistant)
        return difference(query.old, texts(session, owner, query.old), query.new, texts(session, owner, query.new))

    return await call.read(read)


# ------------------------------------------------------------------------------------------------------ answered anew


async def replay(call: Call) -> i.Replay | web.StreamResponse:
    body: c.ReplayInstructions = call.body

    def read(session: Session) -> Past:
        message = past.chosen(session, call.agent, body.message_id, body.conversation_id)
        talk = session.get_one(t.Conversation, message.conversation_id)
        owner = session.get_one(t.Assistant, talk.assistant_id)
        if body.version is not None:
            by = Instructions(body.version, versions.sections(session, owner, body.version))
        else:
            by = _draft(session, owner, body.sections)
        return past.past(session, message, by)

    found = await call.services.store.read(read)
    rehearsals = call.services.rehearsals
    if not _streams(call):

        async def unheard(piece: str) -> None:
            """The whole answer comes in one piece."""

        new = await _heard(call.request, rehearsals.replay(found, unheard))
        return i.Replay(
            message_id=found.message_id,
            conversation_id=found.conversation_id,
            question=found.question,
            old=found.old,
            new=new,
        )

    async def frames(lines: _Lines) -> None:
        began = i.ReplayBegan(
            message_id=found.message_id,
            conversation_id=found.conversation_id,
            question=found.question,
            old=found.old,
        )
        await lines.send(began)
        new = await rehearsals.replay(found, lambda piece: lines.send(i.ReplayToken(text=piece)))
        await lines.send(i.ReplayDone(new=new))

    return await _stream(call, frames)


async def evaluate(call: Call) -> i.EvaluationDone | web.StreamResponse:
    body: c.EvaluateInstructions = call.body

    def read(session: Session) -> list[tuple[Past, Past]]:
        owner = versions.assistant(session, body.assistant)
        published = Instructions(owner.published, versions.sections(session, owner, owner.published))
        draft = _draft(session, owner, body.sections)
        ids = past.answered(session, call.agent, owner.id, body.last)
        messages = [session.get_one(t.Message, id_) for id_ in ids]
        return [(past.past(session, one, published), past.past(session, one, draft)) for one in messages]

    cases = await call.services.store.read(read)
    frames = call.services.rehearsals.evaluate(cases)
    if _streams(call):

        async def tell(lines: _Lines) -> None:
            async for frame in frames:
                await lines.send(frame)

        return await _stream(call, tell)
    return await _heard(call.request, _last(frames))


async def _last(frames: AsyncIterator[i.EvaluationFrame]) -> i.EvaluationDone:
    async for frame in frames:
        if isinstance(frame, i.EvaluationDone):
            return frame
    raise AssertionError("an evaluation ends with its counts")


def _draft(session: Session, owner: t.Assistant, instead: dict[i.Section, str]) -> Instructions:
    return Instructions(None, {**drafts.texts(session, owner), **instead})


def _streams(call: Call) -> bool:
    return STREAM in call.request.headers.get("Accept", "")


class _Lines:
    """An answer of one JSON object a line."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response

    async def send(self, frame: BaseModel) -> None:
        await self._response.write(frame.model_dump_json().encode() + b"\n")


async def _stream(call: Call, work: Callable[[_Lines], Awaitable[None]]) -> web.StreamResponse:
    """Answer line by line; whatever breaks after the first is told as a line."""
    response = web.StreamResponse(headers={"Content-Type": STREAM, "Cache-Control": "no-store"})
    await response.prepare(call.request)
    lines = _Lines(response)
    try:
        await _heard(call.request, work(lines))
    except ConnectionResetError:
        return response
    except Exception as error:
        log.exception("answering anew broke", error=repr(error))
        await lines.send(i.Failure(message="an internal error; the server's log says more"))
    await response.write_eof()
    return response


async def _heard(request: web.Request, work: Awaitable[T]) -> T:
    """The result of `work`, which ends when the asker has gone: a model must not write for nobody."""

    async def whole() -> T:
        return await work

    tasks = Tasks(lambda error: None)
    task = tasks.start(whole())
    try:
        while not task.done():
            await asyncio.wait([task], timeout=LOOK)
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the asker has gone")
        result: T = task.result()
        return result
    finally:
        await tasks.close()


_E = ("unauthorized", "forbidden", "not_found", "invalid")

ROUTES = [
    Route("GET", BASE, "agent", get, "Draft and published sections", query=Of, answer=i.Instructions, errors=_E),
    Route(
        "PATCH",
        BASE + "/{section}",
        "manager",
        edit,
        "Change a section of the draft",
        c.EditInstructions,
        answer=i.InstructionSection,
        errors=(*_E, "stale"),
    ),
    Route(
        "POST",
        BASE + "/publish",
        "manager",
        publish,
        "Publish the draft",
        c.PublishInstructions,
        answer=i.InstructionVersion,
        status=201,
        errors=(*_E, "stale"),
    ),
    Route(
        "POST",
        BASE + "/rollback",
        "manager",
        rollback,
        "Publish an old version anew",
        c.RollBackInstructions,
        answer=i.InstructionVersion,
        status=201,
        errors=_E,
    ),
    Route(
        "GET",
        BASE + "/versions",
        "agent",
        history,
        "What was published",
        query=History,
        answer=m.Page[i.InstructionVersion],
        errors=_E,
    ),
    Route(
        "GET",
        BASE + "/versions/{number}",
        "agent",
        version,
        "One version with its texts",
        query=Of,
        answer=i.InstructionVersion,
        errors=_E,
    ),
    Route("GET", BASE + "/diff", "agent", diff, "What differs", query=Between, answer=i.InstructionDiff, errors=_E),
    Route(
        "POST",
        BASE + "/replay",
        "agent",
        replay,
        "Answer a message anew by the draft (Accept: application/x-ndjson: as it is written)",
        c.ReplayInstructions,
        answer=i.Replay,
        errors=_E,
    ),
    Route(
        "POST",
        BASE + "/evaluate",
        "manager",
        evaluate,
        "Answer the last messages by draft and published version (Accept: application/x-ndjson: case by case)",
        c.EvaluateInstructions,
        answer=i.EvaluationDone,
        errors=_E,
    ),
]
