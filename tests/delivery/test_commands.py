"""A command with an Idempotency-Key is carried out once, even if the server dies before it has answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import col

from invent_server.routes import table
from invent_server.store import tables as t
from tests.support.app import App, serving
from tests.support.clients import Visitor
from tests.support.databases import Database
from tests.support.rows import rows


async def talk_of(app: App) -> tuple[str, str]:
    """A conversation that the admin has, and its customer."""
    await app.inbox()
    visitor = await Visitor.come(app, name="Zoe")
    await visitor.say()
    path = f"/api/v1/conversations/{visitor.conversation_id}"
    status, talk = await app.call("POST", f"{path}/takeover", {})
    assert status == 200
    return path, talk["customer"]["id"]


async def texts(app: App) -> list[str]:
    found = await rows(app.services.store, t.Message, col(t.Message.author_kind) == "agent")
    return sorted(message.text for message in found if message.kind != "event")


async def test_a_command_whose_answer_was_lost_is_not_carried_out_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(database) as app:
        path, customer = await talk_of(app)
        answer = table._answer
        monkeypatch.setattr(table, "_answer", _lost(answer))
        commands: list[tuple[str, dict[str, Any]]] = [
            (f"{path}/messages", {"text": "a reply"}),
            (f"{path}/notes", {"text": "a note"}),
            (f"/api/v1/customers/{customer}/memories", {"text": "a fact"}),
            ("/api/v1/conversations", {"inbox": "site", "customer": customer, "text": "written first"}),
        ]
        for number, (where, body) in enumerate(commands):
            status, _ = await app.call("POST", where, body, None, **{"Idempotency-Key": f"k{number}"})
            assert status == 500
        monkeypatch.setattr(table, "_answer", answer)
        for number, (where, body) in enumerate(commands):
            again = [await app.call("POST", where, body, None, **{"Idempotency-Key": f"k{number}"}) for _ in range(2)]
            assert again[0] == again[1]
            assert again[0][0] == 201
            assert again[0][1]["id"]
            status, _ = await app.call(
                "POST", where, {**body, "text": "other"}, None, **{"Idempotency-Key": f"k{number}"}
            )
            assert status == 422
        assert await texts(app) == ["a note", "a reply", "written first"]
        assert len(await rows(app.services.store, t.Memory)) == 1


def _lost(answer: Any) -> Any:
    async def lost(route: Any, call: Any) -> web.StreamResponse:
        await answer(route, call)
        raise ConnectionResetError("the server dies here")

    return lost


async def test_the_same_command_many_times_at_once(database: Database) -> None:
    """On two servers of one database, too: the key is taken once."""
    async with serving(database) as app:
        path, _ = await talk_of(app)
        async with serving(database) as other:
            other.admin = app.admin
            calls = [
                (app, other)[number % 2 if database.dialect == "postgresql" else 0].call(
                    "POST", f"{path}/messages", {"text": "once"}, None, **{"Idempotency-Key": "k"}
                )
                for number in range(12)
            ]
            answers = await asyncio.gather(*calls)
        assert {status for status, _ in answers} == {201}
        assert len({message["id"] for _, message in answers}) == 1
        assert await texts(app) == ["once"]
