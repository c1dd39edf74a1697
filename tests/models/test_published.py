"""What reaches the model for a customer: what is published, from its next turn on, and never a draft."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from invent_server.assistant import given
from invent_server.assistant.rules import Instructions
from invent_server.instructions import drafts, versions
from tests.models.conftest import until
from tests.models.test_server import QUESTION, answer, app
from tests.ollama_double import Double
from tests.support.app import App
from tests.support.clients import Visitor

__all__ = ["app"]
BASE = "/api/v1/instructions"
DRAFT, PUBLISHED = "DRAFT-OF-NOBODY", "PUBLISHED-FOR-ALL"


async def edit(app: App, text: str) -> None:
    status, made = await app.call("PATCH", f"{BASE}/guidelines", {"text": text})
    assert status == 200, made


async def customers_prompt(app: App, double: Double) -> str:
    """A new customer asks; what the model was sent for it."""
    before = len(double.calls())
    visitor = await Visitor.come(app)
    await visitor.say(QUESTION)
    await answer(visitor)
    assert len(double.calls()) == before + 1
    return json.dumps(double.calls()[-1].body["messages"])


async def a_draft_stays_away(app: App, double: Double) -> None:
    """The check itself, so that a control can show that it fails when a draft gets through."""
    await edit(app, PUBLISHED)
    assert (await app.call("POST", f"{BASE}/publish", {}))[0] == 201
    await edit(app, DRAFT)
    sent = await customers_prompt(app, double)
    assert DRAFT not in sent, "an unpublished draft reached the model for a customer"
    assert PUBLISHED in sent


async def test_the_next_turn_uses_what_is_published_and_no_draft(app: App, double: Double) -> None:
    assert PUBLISHED not in await customers_prompt(app, double)
    await a_draft_stays_away(app, double)
    assert (await app.call("POST", f"{BASE}/publish", {}))[0] == 201
    assert DRAFT in await customers_prompt(app, double), "the next turn did not use the new version"
    assert (await app.call("POST", f"{BASE}/rollback", {"version": 1}))[0] == 201
    sent = await customers_prompt(app, double)
    assert PUBLISHED in sent
    assert DRAFT not in sent


async def test_control_a_server_that_takes_drafts_is_caught(
    app: App, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(session: Any, who: Any) -> Instructions:
        return Instructions(None, drafts.texts(session, versions.assistant(session, "default")))

    monkeypatch.setattr(given, "published", careless)
    with pytest.raises(AssertionError, match="unpublished draft"):
        await a_draft_stays_away(app, double)


async def replayed(app: App, body: dict[str, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(app.call("POST", f"{BASE}/replay", body))


async def test_a_replay_makes_way_for_no_chore_and_customers_go_first(app: App, double: Double) -> None:
    visitor = await Visitor.come(app)
    asked = await visitor.say(QUESTION)
    await answer(visitor)
    double.rule({"text": "You have 30 days [1]."}, {"delay": 0.2})
    body = {"message_id": asked["id"], "sections": {"tone": "REPLAYED"}}
    under_way = [await replayed(app, body) for _ in range(3)]
    await until(lambda: len(double.calls()) == 2)
    late = await Visitor.come(app)
    await late.say(QUESTION)
    await answer(late)
    for task in under_way:
        status, made = await task
        assert status == 200
        assert made["new"]["engine"] == "ollama:chat:4b"
    order = ["REPLAYED" in json.dumps(call.body) for call in double.calls()[1:]]
    assert order == [True, False, True, True], "the customer waited behind agents' tries"


async def test_who_leaves_frees_the_model(app: App, double: Double) -> None:
    visitor = await Visitor.come(app)
    asked = await visitor.say(QUESTION)
    await answer(visitor)
    double.rule({"text": ["You", " have"]}, {"delay": 0.1}, {"stall": True})
    task = await replayed(app, {"message_id": asked["id"]})
    await until(lambda: len(double.calls()) == 2 and double.calls()[1].began is not None)
    task.cancel()
    await until(lambda: double.calls()[1].disconnected, seconds=2)
