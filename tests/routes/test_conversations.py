"""The agents' API: takeover and its refusals, replies, versions, idempotency, lists, filters, streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.routes.conftest import Server, frames

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def begun(server: Server, text: str = "hello") -> tuple[dict[str, Any], str]:
    visitor = await server.visitor(name="Ana")
    await server.say(visitor, text)
    return visitor, f"/api/v1/conversations/{visitor['conversation_id']}"


async def test_takeover_reply_handback_resolve(server: Server) -> None:
    visitor, path = await begun(server)
    marta = server.tokens["marta"]
    status, answer = await server.call("POST", path + "/messages", marta, json={"text": "hi"})
    assert (status, answer["error"]["code"]) == (409, "not_handler")
    status, talk = await server.call("POST", path + "/takeover", marta, json={})
    assert (status, talk["handler"], talk["assignee"]) == (200, "agent", "marta")
    status, answer = await server.call("POST", path + "/takeover", server.tokens["luis"], json={})
    assert (status, answer["error"]["code"], answer["error"]["details"]) == (409, "taken", {"assignee": "marta"})
    status, message = await server.call("POST", path + "/messages", marta, json={"text": "I am Marta"})
    assert (status, message["author"]["name"]) == (201, "marta")
    _, page = await server.call("GET", "/web/site/messages", visitor["token"])
    assert page["items"][-1]["text"] == "I am Marta"
    status, talk = await server.call("POST", path + "/handback", marta, json={})
    assert (status, talk["handler"], talk["assignee"]) == (200, "assistant", None)
    status, talk = await server.call("POST", path + "/resolve", marta, json={"reason": "done"})
    assert (status, talk["status"]) == (200, "closed")
    status, answer = await server.call("POST", path + "/messages", marta, json={"text": "late"})
    assert (status, answer["error"]["code"]) == (409, "closed")
    await server.say(visitor, "one more thing")
    await server.until(visitor["conversation_id"], status="open", handler="assistant")


async def test_takeover_in_mid_answer_withdraws_the_live_text(server: Server) -> None:
    server.responder.pieces, server.responder.pause = ["word "] * 200, 0.01
    visitor = await server.visitor()
    path = f"/api/v1/conversations/{visitor['conversation_id']}"
    async with server.socket("/web/site/stream?after=0", visitor["token"]) as ws:
        await server.say(visitor, "tell me everything")
        await asyncio.sleep(0.15)
        status, talk = await server.call("POST", path + "/takeover", json={})
        assert status == 200
        seen = await frames(ws, "token.end")
    assert [one["data"]["reason"] for one in seen if one["type"] == "token.end"] == ["takeover"]
    assert seen[-1]["type"] != "token"
    assert not [one for one in seen if one["type"] == "message" and one["data"]["author"]["kind"] == "assistant"]
    assert talk["draft"].startswith("word word")
    _, page = await server.call("GET", "/web/site/messages", visitor["token"])
    assert [one["author"]["kind"] for one in page["items"]] == ["customer"]


async def test_a_newer_message_supersedes_the_turn_and_one_answer_covers_all(server: Server) -> None:
    server.responder.pieces, server.responder.pause = ["a"] * 20, 0.02
    visitor = await server.visitor()
    for text in ("one", "two", "three"):
        await server.say(visitor, text)
        await asyncio.sleep(0.06)
    await server.until(visitor["conversation_id"], waiting_since=None)
    thread = await server.thread(visitor["conversation_id"])
    assert [one["author"]["kind"] for one in thread] == ["customer"] * 3 + ["assistant"]
    assert server.responder.turns[-1].unanswered == ("one", "two", "three")


async def test_a_failing_responder_ends_in_a_handoff(server: Server) -> None:
    server.responder.error = RuntimeError("boom")
    visitor = await server.visitor()
    await server.say(visitor, "hello")
    talk = await server.until(visitor["conversation_id"], handler="queue")
    assert talk["handoff_reason"] == "failed"
    assert (await server.thread(visitor["conversation_id"]))[-2]["author"]["kind"] == "assistant", (
        "the customer is told"
    )


async def test_handoff_keeps_the_wait_and_the_summary(server: Server) -> None:
    server.responder.outcome = "handoff"
    visitor = await server.visitor()
    sent = await server.say(visitor, "a person please")
    talk = await server.until(visitor["conversation_id"], handler="queue")
    assert (talk["waiting_since"], talk["summary"], talk["handoff_reason"]) == (sent["created_at"], "S", "scripted")


async def test_stale_versions(server: Server) -> None:
    visitor, path = await begun(server)
    await server.until(visitor["conversation_id"], waiting_since=None)
    await asyncio.sleep(0.2)
    _, talk = await server.call("GET", path)
    results = await asyncio.gather(
        *(
            server.call("POST", path + "/takeover", server.tokens[name], json={"version": talk["version"]})
            for name in ("marta", "luis")
        ),
    )
    codes = sorted(status for status, _ in results)
    assert codes == [200, 409]
    loser = next(body for status, body in results if status == 409)
    assert loser["error"]["code"] == "stale"
    assert loser["error"]["details"]["version"] > talk["version"]


async def test_idempotency_key(server: Server) -> None:
    _, path = await begun(server)
    headers = {"Idempotency-Key": f"k-{path}"}
    first = await server.call("POST", path + "/notes", json={"text": "n"}, headers=headers)
    second = await server.call("POST", path + "/notes", json={"text": "n"}, headers=headers)
    assert first == second
    status, _ = await server.call("POST", path + "/notes", json={"text": "other"}, headers=headers)
    assert status == 422
    thread = await server.thread(path.rsplit("/", 1)[1])
    assert [one["text"] for one in thread if one["kind"] == "note"] == ["n"]


async def test_filter_errors_name_the_position(server: Server) -> None:
    status, body = await server.call("GET", "/api/v1/conversations", params={"filter": "is:open foo:bar"})
    assert status == 422
    assert body["error"]["details"][0]["position"] == 8


async def test_pages_meet_no_conversation_twice(server: Server) -> None:
    for _ in range(7):
        visitor, _ = await begun(server)
        await server.until(visitor["conversation_id"], waiting_since=None)
    await asyncio.sleep(0.2)
    forward: list[str] = []
    for reverse in ("false", "true"):
        ids, cursor = [], None
        while True:
            query = {"limit": "3", "reverse": reverse} | ({"cursor": cursor} if cursor else {})
            _, page = await server.call("GET", "/api/v1/conversations", params=query)
            ids += [one["id"] for one in page["items"]]
            if not (cursor := page["next_cursor"]):
                break
        assert len(ids) == len(set(ids)) >= 7
        if reverse == "true":
            assert ids == forward[::-1]
        forward = ids


async def test_filters(server: Server) -> None:
    server.responder.outcome = "handoff"
    visitor, path = await begun(server, "where is parcel 55-XYZ?")
    id_ = visitor["conversation_id"]
    await server.until(id_, handler="queue")
    await server.call("PATCH", path, json={"tags": ["Refund", "vip"], "priority": "urgent"})

    async def found(filter_: str) -> bool:
        _, page = await server.call("GET", "/api/v1/conversations", params={"filter": filter_, "limit": "200"})
        return id_ in [one["id"] for one in page["items"]]

    for yes in ("is:waiting", "is:open", "tag:refund", "tag:none,vip", "priority:urgent", "channel:web", "inbox:site"):
        assert await found(yes), yes
        assert not await found("-" + yes), yes
    for no in ("is:mine", "is:closed", "tag:refun", "channel:mail", "assignee:me", "older:1h", "lang:fr"):
        assert not await found(no), no
    assert await found('55-xyz customer:ana newer:1h -text:"nothing like this" assignee:none')


async def test_restricted_agents_see_only_their_inboxes(server: Server) -> None:
    await server.call("POST", "/api/v1/channels", json={"kind": "web", "name": "other"})
    _, added = await server.call("POST", "/api/v1/agents", json={"name": "rita", "inboxes": ["other"]})
    visitor, path = await begun(server)
    rita = added["token"]
    assert (await server.call("GET", path, rita))[0] == 404
    assert (await server.call("POST", path + "/takeover", rita, json={}))[0] == 404
    assert (await server.call("GET", f"/api/v1/customers/{visitor['customer_id']}", rita))[0] == 404
    _, page = await server.call("GET", "/api/v1/conversations", rita)
    assert page["items"] == []
    async with server.socket("/api/v1/stream", rita) as ws:
        await ws.receive_json(timeout=5)
        await server.say(visitor, "private")
        seen = await frames(ws)
    assert {one["type"] for one in seen} <= {"presence", "knowledge.updated"}


async def test_agents_stream_replays_and_resyncs(server: Server) -> None:
    visitor, _ = await begun(server)
    await server.until(visitor["conversation_id"], waiting_since=None)
    _, _ = await server.call("GET", "/api/v1/conversations")
    seq = int(server.last_headers["X-Invent-Seq"])
    await server.say(visitor, "again")
    await asyncio.sleep(0.3)
    async with server.socket(f"/api/v1/stream?after={seq}", server.admin) as ws:
        seen = await frames(ws, "message.created")
    assert seen[0]["type"] == "hello"
    numbers = [one["seq"] for one in seen if "seq" in one]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == seq + 1
    async with server.socket("/api/v1/stream?after=99999999", server.admin) as ws:
        seen = await frames(ws, "resync")
    assert [one["type"] for one in seen][:2] == ["hello", "resync"]


async def test_disabled_agents_are_out_at_once(server: Server) -> None:
    _, added = await server.call("POST", "/api/v1/agents", json={"name": "gone"})
    async with server.socket("/api/v1/stream", added["token"]) as ws:
        await ws.receive_json(timeout=5)
        await server.call("PATCH", "/api/v1/agents/gone", json={"disabled": True})
        while not ws.closed:
            await ws.receive(timeout=5)
    assert (await server.call("GET", "/api/v1/me", added["token"]))[0] == 401
    status, _ = await server.call("PATCH", "/api/v1/agents/admin", json={"role": "agent"})
    assert status == 422, "somebody must stay admin"


async def test_erase_leaves_nothing(server: Server) -> None:
    visitor, path = await begun(server, "my secret is canary-77")
    customer = f"/api/v1/customers/{visitor['customer_id']}"
    await server.call("POST", customer + "/memories", json={"text": "canary-77", "type": "fact"})
    status, export = await server.call("POST", customer + "/export", json={})
    assert status == 200
    assert str(export).count("canary-77") >= 2
    assert (await server.call("POST", customer + "/erase", server.tokens["tom"], json={}))[0] == 403
    assert (await server.call("POST", customer + "/erase", json={}))[0] == 200
    assert (await server.call("GET", path))[0] == 404
    async with server.socket("/api/v1/stream?after=1", server.admin) as ws:
        assert "canary-77" not in str(await frames(ws))


async def test_secrets_are_never_shown(server: Server) -> None:
    _, page = await server.call("GET", "/api/v1/channels")
    site = next(one for one in page["items"] if one["name"] == "site")
    assert site["settings"]["identity_secret"] is True
    assert "s3cret" not in str(page)
    raw = await server.services.store.read(
        lambda session: session.connection().exec_driver_sql("SELECT settings FROM inbox").fetchall()
    )
    assert "s3cret" not in str(raw)


async def test_openapi_is_whole(server: Server) -> None:
    status, document = await server.call("GET", "/api/openapi.json", "")
    assert (status, document["openapi"]) == (200, "3.1.0")
    text = str(document)
    for name in ("Conversation", "Message", "Takeover"):
        assert name in document["components"]["schemas"]
    import re

    for reference in re.findall(r"#/components/schemas/([\w-]+)", text):
        assert reference in document["components"]["schemas"]
