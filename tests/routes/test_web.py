"""What a visitor's page relies on: sessions, identity, doubles, origins, limits, live text, resume."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io

import pytest

from shared.settings import Rate
from tests.routes.conftest import Server, frames

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_line_is_stored_answered_and_streamed(server: Server) -> None:
    visitor = await server.visitor(name="Ana", locale="es-ES")
    assert visitor["locale"] == "es"
    async with server.socket("/web/site/stream?after=0", visitor["token"]) as ws:
        hello = await ws.receive_json(timeout=5)
        assert hello == {"type": "hello", "data": {"seq": 0, "conversation_id": visitor["conversation_id"]}}
        sent = await server.say(visitor, "hola")
        seen = await frames(ws, "token.end")
    kinds = [one["type"] for one in seen]
    assert kinds.count("token") == 2
    assert [one["data"]["text"] for one in seen if one["type"] == "token"] == ["Hello ", "there."]
    assert [one["data"]["offset"] for one in seen if one["type"] == "token"] == [0, 6]
    ends = [one["data"]["reason"] for one in seen if one["type"] == "token.end"]
    assert ends == ["done"]
    messages = [one["data"] for one in seen if one["type"] == "message"]
    assert [(one["seq"], one["author"]["kind"], one["text"]) for one in messages] == [
        (sent["seq"], "customer", "hola"),
        (sent["seq"] + 1, "assistant", "Hello there."),
    ]
    assert {one["data"]["message_id"] for one in seen if one["type"] == "token"} == {messages[1]["id"]}
    assert "outcome" not in messages[1]
    assert messages[1]["delivery"]["state"] == "sent"


async def test_the_same_client_id_is_stored_once(server: Server) -> None:
    visitor = await server.visitor()
    bodies = [{"text": "one", "client_id": "same"}] * 8
    answers = await asyncio.gather(
        *(server.call("POST", "/web/site/messages", visitor["token"], json=body) for body in bodies)
    )
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({body["id"] for _, body in answers}) == 1


async def test_a_resumed_session_goes_on_with_its_conversation(server: Server) -> None:
    visitor = await server.visitor()
    await server.say(visitor, "first")
    again = await server.visitor(token=visitor["token"])
    assert again["conversation_id"] == visitor["conversation_id"]
    other = await server.visitor(token=visitor["token"] + "x")
    assert other["conversation_id"] != visitor["conversation_id"], "a forged token resumes nothing"


async def test_verified_identity_finds_the_same_customer(server: Server) -> None:
    digest = hmac.new(b"s3cret", b"u-1", hashlib.sha256).hexdigest()
    first = await server.visitor(user_id="u-1", user_hash=digest, name="Eva")
    second = await server.visitor(user_id="u-1", user_hash=digest)
    assert first["customer_id"] == second["customer_id"]
    for body in (
        {"user_id": "u-1"},
        {"user_hash": digest},
        {"user_id": "u-1", "user_hash": "0" * 64},
        {"user_id": "u-2", "user_hash": digest},
        {"user_id": "u-1", "user_hash": "ñ"},
    ):
        status, answer = await server.call("POST", "/web/site/session", "", json=body)
        assert (status, answer["error"]["code"]) == (403, "identity_invalid"), body


async def test_origins(server: Server) -> None:
    for origin, expected in ((None, 200), ("https://evil.example", 403), ("null", 403)):
        headers = {"Origin": origin} if origin else {}
        status, _ = await server.call("POST", "/web/site/session", "", json={}, headers=headers)
        assert status == expected, origin
    own = str(server.client.make_url("/")).rstrip("/")
    assert (await server.call("POST", "/web/site/session", "", json={}, headers={"Origin": own}))[0] == 200
    await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"allowed_origins": "https://shop.example"}})
    headers = {"Origin": "https://shop.example"}
    status, _ = await server.call("POST", "/web/site/session", "", json={}, headers=headers)
    assert status == 200
    assert server.last_headers["Access-Control-Allow-Origin"] == "https://shop.example"
    await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"allowed_origins": ""}})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "", "client_id": "a"}, 422),
        ({"text": "   \n", "client_id": "a"}, 422),
        ({"text": "x" * 20_001, "client_id": "a"}, 422),
        ({"text": "x"}, 422),
        ({"text": "x", "client_id": "a", "extra": 1}, 422),
        ({"text": 5, "client_id": "a"}, 422),
        ([], 422),
    ],
)
async def test_bad_bodies_are_explained(server: Server, body: object, status: int) -> None:
    visitor = await server.visitor()
    got, answer = await server.call("POST", "/web/site/messages", visitor["token"], json=body)
    assert got == status, answer
    assert answer["error"]["details"]


async def test_malformed_and_oversized_requests(server: Server) -> None:
    visitor = await server.visitor()
    token = visitor["token"]
    status, answer = await server.call("POST", "/web/site/messages", token, data=b"{not json")
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    status, answer = await server.call("POST", "/web/site/messages", token, data=io.BytesIO(b"x" * 1_200_000))
    assert (status, answer["error"]["code"]) == (413, "too_large")
    status, _ = await server.call("POST", "/web/nowhere/session", "", json={})
    assert status == 404


async def test_lone_surrogates_and_nul_are_taken(server: Server) -> None:
    visitor = await server.visitor(name="\ud800\x00x")
    raw = b'{"text": "a\\ud800b\\u0000c", "client_id": "s"}'
    status, answer = await server.call("POST", "/web/site/messages", visitor["token"], data=raw)
    assert (status, answer["text"]) == (201, "a\ufffdb\u2400c")


async def test_resume_sends_what_was_missed_once(server: Server) -> None:
    visitor = await server.visitor()
    first = await server.say(visitor, "one")
    await server.until(visitor["conversation_id"], waiting_since=None)
    async with server.socket(f"/web/site/stream?after={first['seq']}", visitor["token"]) as ws:
        seen = await frames(ws, "message")
    assert [one["data"]["seq"] for one in seen if one["type"] == "message"] == [first["seq"] + 1]
    async with server.socket("/web/site/stream", visitor["token"]) as ws:
        seen = await frames(ws)
    assert [one["type"] for one in seen] == ["hello"]


async def test_a_bad_first_frame_is_refused(server: Server) -> None:
    async with server.client.ws_connect("/web/site/stream") as ws:
        await ws.send_json({"type": "auth", "token": "nonsense"})
        await ws.receive(timeout=5)
        assert ws.close_code == 4401


async def test_notes_never_reach_the_visitor(server: Server) -> None:
    server.responder.outcome = "handoff"
    visitor = await server.visitor()
    async with server.socket("/web/site/stream?after=0", visitor["token"]) as ws:
        await server.say(visitor, "a person please")
        await server.until(visitor["conversation_id"], handler="queue")
        path = f"/api/v1/conversations/{visitor['conversation_id']}"
        status, _ = await server.call("POST", path + "/notes", json={"text": "secret note"})
        assert status == 201
        seen = await frames(ws, "status")
    assert "secret note" not in str(seen)
    _, page = await server.call("GET", "/web/site/messages", visitor["token"])
    assert [one["kind"] for one in page["items"]] == ["text", "text"]
    assert any(one["type"] == "status" and one["data"]["handler"] == "queue" for one in seen)


async def test_fast_writers_are_told_to_slow_down(server: Server) -> None:
    visitor = await server.visitor()
    limiter = server.services.visitor_messages
    limiter._rate, limiter._step = Rate(2, 60.0), 30.0
    try:
        for number in range(3):
            body = {"text": "x", "client_id": f"n{number}"}
            status, _ = await server.call("POST", "/web/site/messages", visitor["token"], json=body)
        assert status == 429
        assert int(server.last_headers["Retry-After"]) >= 1
    finally:
        limiter._rate, limiter._step = Rate(0, 60.0), 0.0


async def test_csat(server: Server) -> None:
    visitor = await server.visitor()
    await server.say(visitor, "thanks")
    assert (await server.call("POST", "/web/site/csat", visitor["token"], json={"score": 5}))[0] == 200
    await server.until(visitor["conversation_id"], csat=5)
    assert (await server.call("POST", "/web/site/csat", visitor["token"], json={"score": 6}))[0] == 422
