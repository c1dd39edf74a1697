"""Instructions over the API: draft, versions, what the next turn is given, and messages answered anew."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import select

from invent_server.store import tables as t
from tests.routes.conftest import Server, frames

pytestmark = pytest.mark.asyncio(loop_scope="module")
BASE = "/api/v1/instructions"


async def draft(server: Server) -> dict[str, Any]:
    status, found = await server.call("GET", BASE)
    assert status == 200
    return {one["section"]: one for one in found["sections"]} | {"": found}


async def edit(server: Server, section: str, text: str, **more: Any) -> tuple[int, Any]:
    return await server.call("PATCH", f"{BASE}/{section}", json={"text": text, **more})


async def published(server: Server, **texts: str) -> int:
    """Edit sections and publish; the new version's number."""
    for section, text in texts.items():
        assert (await edit(server, section, text))[0] == 200
    status, made = await server.call("POST", BASE + "/publish", json={"note": "as the test says"})
    assert status == 201, made
    return int(made["version"])


async def rows(server: Server) -> dict[str, int]:
    """How many rows each table has, and the newest event."""

    def read(session: Any) -> dict[str, int]:
        tables = (t.Message, t.Turn, t.Event, t.Outbox, t.Work, t.Receipt, t.InstructionVersion, t.InstructionDraft)
        return {one.__name__: session.exec(select(func.count()).select_from(one)).one() for one in tables}

    return await server.services.store.read(read)


async def test_a_new_company_begins_with_the_templates(server: Server) -> None:
    found = await draft(server)
    assert [one["section"] for one in found[""]["sections"]] == [
        "voice", "tone", "goals", "flow", "restrictions", "guidelines", "escalation",
    ]  # fmt: skip
    assert found[""]["version"]["version"] == 0
    assert all(one["text"] and not one["changed"] for one in found[""]["sections"])
    assert 0 < found[""]["tokens"] < found[""]["limit"]
    assert [rule["kind"] for rule in found["escalation"]["rules"]] == ["hand_over"]


async def test_edit_publish_diff_history_and_roll_back(server: Server) -> None:
    before = (await draft(server))["tone"]
    first = await published(server, tone="Warm.\nShort.")
    status, saved = await edit(server, "tone", "Warm.\nVery short.")
    assert (status, saved["changed"], saved["author"], saved["published"]) == (200, True, "admin", "Warm.\nShort.")
    status, found = await server.call("GET", BASE + "/diff")
    assert status == 200
    lines = [(one["mark"], one["text"]) for one in found["sections"][0]["lines"]]
    assert lines == [(" ", "Warm."), ("-", "Short."), ("+", "Very short.")]
    second = await published(server)
    assert second == first + 1
    status, one = await server.call("GET", f"{BASE}/versions/{first}")
    assert (status, one["sections"]["tone"], one["note"], one["author"]) == (
        200, "Warm.\nShort.", "as the test says", "admin",
    )  # fmt: skip
    await edit(server, "flow", "Mine, not published.")
    status, made = await server.call("POST", BASE + "/rollback", json={"version": first, "note": "back"})
    assert (status, made["version"], made["restored"], made["changed"]) == (201, second + 1, first, ["tone"])
    now = await draft(server)
    assert (now["tone"]["text"], now["tone"]["changed"]) == ("Warm.\nShort.", False)
    assert (now["flow"]["text"], now["flow"]["changed"]) == ("Mine, not published.", True), "an edit was lost"
    _, page = await server.call("GET", BASE + "/versions?limit=2")
    assert [one["version"] for one in page["items"]] == [second + 1, second]
    _, rest = await server.call("GET", f"{BASE}/versions?limit=200&cursor={page['next_cursor']}")
    assert rest["items"][-1]["version"] == 0
    assert rest["next_cursor"] is None
    assert before["text"] in json.dumps(
        (await server.call("GET", BASE + "/versions/0"))[1], ensure_ascii=False
    ).replace("\\n", "\n")


async def test_of_two_editors_the_second_is_told_and_loses_nothing(server: Server) -> None:
    revision = (await draft(server))["goals"]["revision"]
    tries = [edit(server, "goals", f"Text of {who}.", revision=revision) for who in "ab"]
    (one, first), (two, second) = await asyncio.gather(*tries)
    assert sorted((one, two)) == [200, 409]
    refused, kept = (second, first) if two == 409 else (first, second)
    assert refused["error"]["code"] == "stale"
    assert refused["error"]["details"]["text"] == kept["text"], "the refusal shows what stands there now"
    assert (await draft(server))["goals"]["text"] == kept["text"]
    status, _ = await edit(server, "voice", "Another section is free.")
    assert status == 200
    status, answer = await server.call("POST", BASE + "/publish", json={"revision": 0})
    assert (status, answer["error"]["code"]) == (409, "stale")


async def test_refusals_name_what_is_wrong(server: Server) -> None:
    status, answer = await edit(server, "humour", "Funny.")
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert "voice" in answer["error"]["message"]
    status, answer = await edit(server, "tone", "x" * 4001)
    assert (status, answer["error"]["code"]) == (422, "invalid")
    assert "4,001" in answer["error"]["message"]
    await published(server, tone="As it is.")
    status, answer = await server.call("POST", BASE + "/publish", json={})
    assert (status, answer["error"]["code"]) == (422, "invalid")
    for section in ("voice", "tone", "goals", "flow"):
        assert (await edit(server, section, "palabras " * 400))[0] == 200
    status, answer = await server.call("POST", BASE + "/publish", json={})
    assert status == 422
    assert "tokens" in answer["error"]["message"]
    for section in ("voice", "tone", "goals", "flow"):
        await edit(server, section, "short")
    status, answer = await server.call("POST", BASE + "/rollback", json={"version": 999})
    assert status == 404
    status, answer = await server.call("GET", BASE + "?assistant=nobody")
    assert status == 404


async def test_agents_read_and_replay_but_do_not_change(server: Server) -> None:
    luis = server.tokens["luis"]
    assert (await server.call("GET", BASE, luis))[0] == 200
    assert (await server.call("PATCH", BASE + "/tone", luis, json={"text": "Mine."}))[0] == 403
    assert (await server.call("POST", BASE + "/publish", luis, json={}))[0] == 403
    visitor = await server.visitor()
    await server.say(visitor, "hello")
    await server.until(visitor["conversation_id"], waiting_since=None)
    body = {"conversation_id": visitor["conversation_id"], "sections": {"tone": "Mine."}}
    status, made = await server.call("POST", BASE + "/replay", luis, json=body)
    assert (status, made["new"]["text"]) == (200, "Hello there.")
    assert server.responder.turns[-1].instructions.texts["tone"] == "Mine."


async def test_the_next_turn_follows_what_is_published_and_says_so(server: Server) -> None:
    number = await published(server, guidelines="Always say ahoy.")
    await edit(server, "guidelines", "SECRET DRAFT")
    visitor = await server.visitor()
    await server.say(visitor, "hello")
    await server.until(visitor["conversation_id"], waiting_since=None)
    given = server.responder.turns[-1]
    assert given.instructions.texts["guidelines"] == "Always say ahoy."
    assert given.instructions.version == number
    assert "SECRET DRAFT" not in str(given)
    message = (await server.thread(visitor["conversation_id"]))[-1]
    _, trace = await server.call("GET", f"/api/v1/messages/{message['id']}/trace")
    outcome = next(step for step in trace["steps"] if step["name"] == "outcome")
    assert outcome["detail"]["instructions"] == number


async def test_a_replay_sees_the_history_up_to_the_message_and_leaves_no_trace(server: Server) -> None:
    visitor = await server.visitor(name="Ana")
    for text in ("first question", "second question"):
        await server.say(visitor, text)
        await server.until(visitor["conversation_id"], waiting_since=None)
    thread = await server.thread(visitor["conversation_id"])
    server.responder.pieces, server.responder.outcome = ["Something ", "else."], "handoff"
    async with server.socket("/web/site/stream?after=0", visitor["token"]) as ws:
        await frames(ws)  # until all that was said before has been delivered
        before = await rows(server)
        status, made = await server.call("POST", BASE + "/replay", json={"message_id": thread[2]["id"]})
        assert status == 200
        assert await frames(ws) == [], "the visitor heard of it"
    turn = server.responder.turns[-1]
    assert turn.unanswered == ("second question",)
    assert [line.text for line in turn.history] == ["first question", "Hello there."]
    assert turn.rehearsal
    assert (made["old"]["text"], made["old"]["outcome"]) == ("Hello there.", "answer")
    assert (made["new"]["text"], made["new"]["outcome"], made["new"]["version"]) == ("Something else.", "handoff", None)
    assert await rows(server) == before, "a replay wrote something"
    assert (await server.thread(visitor["conversation_id"]))[-1]["text"] == "Hello there."
    status, made = await server.call("POST", BASE + "/replay", json={"message_id": thread[0]["id"], "version": 0})
    assert (status, made["question"], made["new"]["version"]) == (200, "first question", 0)
    assert server.responder.turns[-1].history == ()


async def test_a_burst_is_replayed_as_one(server: Server) -> None:
    server.responder.pause = 0.05
    visitor = await server.visitor()
    for text in ("one", "two"):
        await server.say(visitor, text)
    await server.until(visitor["conversation_id"], waiting_since=None)
    thread = await server.thread(visitor["conversation_id"])
    for message in thread[:2]:
        status, made = await server.call("POST", BASE + "/replay", json={"message_id": message["id"]})
        assert (status, made["question"]) == (200, "one\ntwo")


async def test_replay_refuses_what_nobody_asked(server: Server) -> None:
    visitor = await server.visitor()
    id_ = visitor["conversation_id"]
    for body, status in (
        ({}, 422),
        ({"message_id": "none"}, 404),
        ({"conversation_id": "none"}, 404),
        ({"conversation_id": id_}, 422),
        ({"message_id": "a", "conversation_id": "b"}, 422),
        ({"message_id": "a", "sections": {"humour": "x"}}, 422),
        ({"message_id": "a", "sections": {"tone": "x" * 4001}}, 422),
    ):
        assert (await server.call("POST", BASE + "/replay", json=body))[0] == status, body
    await server.say(visitor, "hello")
    await server.until(id_, waiting_since=None)
    answer = (await server.thread(id_))[-1]
    assert (await server.call("POST", BASE + "/replay", json={"message_id": answer["id"]}))[0] == 422


async def streamed(server: Server, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    headers = {"Accept": "application/x-ndjson"}
    status, raw = await server.call("POST", BASE + path, json=body, headers=headers)
    assert status == 200
    return [json.loads(line) for line in raw.splitlines()]


async def test_a_replay_is_seen_as_it_is_written(server: Server) -> None:
    visitor = await server.visitor()
    await server.say(visitor, "hello")
    await server.until(visitor["conversation_id"], waiting_since=None)
    found = await streamed(server, "/replay", {"conversation_id": visitor["conversation_id"]})
    assert [one["type"] for one in found] == ["began", "token", "token", "done"]
    assert found[0]["old"]["text"] == "Hello there."
    assert [one["text"] for one in found[1:3]] == ["Hello ", "there."]
    server.responder.error = RuntimeError("boom")
    found = await streamed(server, "/replay", {"conversation_id": visitor["conversation_id"]})
    assert [one["type"] for one in found] == ["began", "error"]


async def test_whoever_leaves_stops_the_writing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await server.visitor()
    await server.say(visitor, "hello")
    await server.until(visitor["conversation_id"], waiting_since=None)
    server.responder.pieces, server.responder.pause = ["word "] * 1000, 0.05
    heads = {"Authorization": f"Bearer {server.admin}"}
    ended = asyncio.Event()
    whole = server.services.rehearsals.replay

    async def watched(*given: Any) -> Any:
        try:
            return await whole(*given)
        finally:
            ended.set()

    monkeypatch.setattr(server.services.rehearsals, "replay", watched)
    body = {"conversation_id": visitor["conversation_id"]}
    asking = asyncio.get_running_loop().create_task(server.client.post(BASE + "/replay", json=body, headers=heads))
    await asyncio.sleep(0.3)
    assert not ended.is_set()
    asking.cancel()
    async with asyncio.timeout(2):
        await ended.wait()


async def test_evaluation_counts_what_changes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await streamed(server, "/evaluate", {"last": 3})
    assert [one["type"] for one in found] == ["began", "case", "case", "case", "done"]
    assert found[-1] == {"type": "done", "total": 3, "same": 3, "reworded": 0, "changed": 0, "failed": 0}
    before = await rows(server)

    async def by_tone(turn: Any, emit: Any) -> Any:
        result = await server.responder(turn, emit)
        return replace(result, outcome="handoff") if turn.instructions.texts["tone"] == "Strict." else result

    monkeypatch.setattr(server.services.runner, "responder", by_tone)
    body = {"last": 2, "sections": {"tone": "Strict."}}
    status, counts = await server.call("POST", BASE + "/evaluate", json=body)
    assert (status, counts["changed"], counts["same"]) == (200, 2, 0)
    assert await rows(server) == before


async def test_open_screens_hear_of_edits_and_versions(server: Server) -> None:
    async with server.socket("/api/v1/stream", server.tokens["luis"]) as ws:
        await frames(ws, "hello")
        await edit(server, "voice", f"New words {asyncio.get_running_loop().time()}.")
        number = await published(server)
        seen = [
            one["data"] for one in await frames(ws, "instructions.updated") if one["type"] == "instructions.updated"
        ]
    assert seen[0]["section"] == "voice"
    assert seen[-1] == {"assistant": "default", "version": number, "section": None}
