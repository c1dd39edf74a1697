"""/api/v1/models: the model server, which model writes answers, fetching one, measuring it."""

from __future__ import annotations

from invent_server.conversations.errors import Refused
from invent_server.models.chat_model import can_chat
from invent_server.models.errors import ModelError, ModelMissing, ModelRefused
from invent_server.models.room import Pulling
from invent_server.routes.table import Call, Route
from shared import commands as c
from shared import models as m

MODELS = "/api/v1/models"


async def models(call: Call) -> m.Models:
    room = call.services.models
    problem, version = room.chat.problem, ""
    try:
        found = await room.ollama.installed(room.settings.probe)
        version = await room.ollama.version(room.settings.probe)
    except ModelError as error:
        found, problem = [], str(error)
    return m.Models(
        host=room.ollama.base,
        version=version,
        chat=room.chat.name,
        ready=room.chat.ready,
        problem=problem,
        embed=room.settings.embed,
        items=[
            m.InstalledModel(
                name=str(one["name"]),
                size=one["size"] if isinstance(one.get("size"), int) else 0,
                chat=can_chat(one),
                remote=bool(one.get("remote_model") or one.get("remote_host")),
            )
            for one in found
        ],
        pulls=[_pull(one) for one in room.pulls.values()],
    )


async def use(call: Call) -> m.Models:
    try:
        await call.services.models.chat.use(call.body.name)
    except ModelError as error:
        raise _refused(error) from None
    return await models(call)


async def pull(call: Call) -> m.Pull:
    return _pull(call.services.models.pull(call.body.name))


async def check(call: Call) -> m.ModelCheck:
    room = call.services.models
    if not room.chat.ready:
        raise Refused("not_found", room.chat.problem or "no model is ready")
    try:
        found = await room.check()
    except ModelError as error:
        raise _refused(error) from None
    done = found.finished
    return m.ModelCheck(
        model=room.chat.name,
        context=room.chat.context,
        first_ms=round(found.first * 1000, 1),
        prompt_tokens=done.prompt_tokens,
        prompt_tokens_per_second=_rate(done.prompt_tokens, done.prompt_seconds),
        answer_tokens_per_second=_rate(done.answer_tokens, done.answer_seconds),
        embed=room.settings.embed,
        dimensions=found.dimensions,
    )


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0


def _pull(one: Pulling) -> m.Pull:
    return m.Pull(
        name=one.name, status=one.status, done=one.done, total=one.total, ended=one.ended, problem=one.problem
    )


def _refused(error: ModelError) -> Refused:
    if isinstance(error, ModelMissing):
        return Refused("not_found", str(error))
    return Refused("invalid" if isinstance(error, ModelRefused) else "unavailable", str(error))


ROUTES = [
    Route("GET", MODELS, "admin", models, "The model server and its models", answer=m.Models),
    Route("POST", MODELS + "/use", "admin", use, "Write answers with this model", c.ModelName, answer=m.Models),
    Route("POST", MODELS + "/pull", "admin", pull, "Fetch a model", c.ModelName, answer=m.Pull, status=202),
    Route("POST", MODELS + "/check", "admin", check, "Measure the model", c.Nothing, answer=m.ModelCheck),
]
