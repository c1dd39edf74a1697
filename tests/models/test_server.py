"""A whole server with the double behind it: commands, engine names, a takeover in mid-answer, the model's death."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from invent_server.assistant.generative import Generative
from tests.assistant.worlds import Search
from tests.models.conftest import until
from tests.ollama_double import Double
from tests.support.app import App, serving
from tests.support.clients import Visitor
from tests.support.databases import fresh
from tests.support.parts import until as eventually

QUESTION = "How many days do I have to return an item?"


@pytest_asyncio.fixture
async def app(double: Double) -> AsyncIterator[App]:
    """A server whose assistant writes with the double and searches a small world."""
    quick = {
        "OLLAMA_HOST": double.url,
        "INVENT_CHAT_MODEL": "chat:4b",
        "INVENT_MODELS__FIRST": "500ms",
        "INVENT_MODELS__SILENCE": "500ms",
        "INVENT_MODELS__BREAKER": "50ms",
    }
    with fresh("sqlite", **quick) as database:
        async with serving(database) as made:
            services = made.services
            services.runner.responder = Generative(
                Search(evidence=0.95), services.models.chat, services.settings.assistant
            )
            await made.inbox()
            await until(lambda: services.models.chat.ready)
            yield made


async def answer(visitor: Visitor) -> dict[str, Any]:
    """The assistant's newest line, once it is there."""

    async def found() -> dict[str, Any] | None:
        lines = [one for one in await visitor.messages() if one["author"]["kind"] == "assistant"]
        return lines[-1] if lines else None

    line: dict[str, Any] = await eventually(found)
    return line


async def test_written_answer_with_its_engine_in_the_trace(app: App) -> None:
    visitor = await Visitor.come(app)
    asked = await visitor.say(QUESTION)
    line = await answer(visitor)
    assert line["text"].endswith("[1]")
    assert [one["title"] for one in line["citations"]] == ["Returns"]
    _, trace = await app.call("GET", f"/api/v1/messages/{asked['id']}/trace")
    end = next(step["detail"] for step in trace["steps"] if step["name"] == "outcome")
    assert end["engine"] == "ollama:chat:4b"
    model = next(step for step in trace["steps"] if step["name"] == "model")
    assert model["detail"]["name"] == "chat:4b"
    assert 0 <= model["detail"]["waited_ms"] <= model["ms"]
    assert 0 < model["detail"]["first_token_ms"] <= model["ms"]
    assert QUESTION in trace["prompt"][-1]["text"]
    sizes = next(step["detail"] for step in trace["steps"] if step["name"] == "prompted")
    assert sizes["characters"] == sum(len(part["text"]) for part in trace["prompt"])
    assert "messages" not in sizes
    assert (await app.call("GET", "/api/v1/me"))[1]["engine"] == "ollama:chat:4b"


async def test_takeover_closes_the_connection_to_the_model(app: App, double: Double) -> None:
    double.rule({"text": ["You", " have", " 30"]}, {"delay": 0.4}, {"text": [" days"]}, {"stall": True})
    visitor = await Visitor.come(app)
    token = await app.agent("marta")
    await visitor.say(QUESTION)
    await until(lambda: bool(double.calls()) and double.calls()[0].began is not None)
    await asyncio.sleep(0.05)
    began = asyncio.get_running_loop().time()
    status, talk = await app.call("POST", f"/api/v1/conversations/{visitor.conversation_id}/takeover", {}, token)
    assert (status, talk["handler"]) == (200, "agent")
    await until(lambda: double.calls()[0].disconnected, seconds=1)
    assert asyncio.get_running_loop().time() - began < 1
    assert all(one["author"]["kind"] == "customer" for one in await visitor.messages())


@pytest.mark.parametrize("step", [{"drop": True}, {"stall": True}, {"error_mid": "out of memory"}])
async def test_half_an_answer_never_stands(app: App, double: Double, step: dict[str, Any]) -> None:
    double.rule({"text": "You have 30 days and then"}, step)
    visitor = await Visitor.come(app)
    async with visitor.listening():
        await visitor.say(QUESTION)
        line = await answer(visitor)
    assert "and then" not in line["text"]
    assert line["text"].startswith("You have 30 days to return an item.")
    assert [one["text"] for one in await visitor.messages()] == [QUESTION, line["text"]]


async def test_commands_of_the_api(app: App, double: Double) -> None:
    status, found = await app.call("GET", "/api/v1/models")
    assert (status, found["chat"], found["ready"], found["problem"]) == (200, "chat:4b", True, "")
    assert {one["name"]: one["chat"] for one in found["items"]}["embed:latest"] is False
    status, measured = await app.call("POST", "/api/v1/models/check", {})
    assert (status, measured["model"]) == (200, "chat:4b")
    assert measured["prompt_tokens"] > 100
    status, refused = await app.call("POST", "/api/v1/models/use", {"name": "thinker:4b"})
    assert (status, refused["error"]["code"]) == (422, "invalid")
    for name, problem in (("new:1b", ""), ("unknown:1b", "manifest")):
        status, _ = await app.call("POST", "/api/v1/models/pull", {"name": name})
        assert status == 202

        async def ended(name: str = name) -> dict[str, Any] | None:
            pulls = (await app.call("GET", "/api/v1/models"))[1]["pulls"]
            return next((one for one in pulls if one["name"] == name and one["ended"]), None)

        assert problem in (await eventually(ended))["problem"]
