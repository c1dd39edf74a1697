"""What the page asks for beside messages: ratings, how it stands, earlier chats, read marks, who may frame it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from tests.routes.conftest import Server, frames

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def person(server: Server, visitor: dict[str, Any]) -> str:
    path = f"/api/v1/conversations/{visitor['conversation_id']}"
    assert (await server.call("POST", path + "/takeover", json={}))[0] == 200
    return path


async def test_one_rating_for_each_closing(server: Server) -> None:
    visitor = await server.visitor()
    token = visitor["token"]
    await server.say(visitor, "thanks")
    path = await person(server, visitor)
    for score in (4, 2):
        assert (await server.call("POST", path + "/resolve", json={}))[0] == 200
        _, standing = await server.call("GET", "/web/site/status", token)
        assert (standing["status"], standing["rate"]) == ("closed", True)
        body = {"score": score, "comment": "  quick\x1b[31m  "}
        assert (await server.call("POST", "/web/site/csat", token, json=body))[0] == 200
        status, answer = await server.call("POST", "/web/site/csat", token, json={"score": 1})
        assert (status, answer["error"]["code"]) == (409, "exists")
        _, standing = await server.call("GET", "/web/site/status", token)
        assert standing["rate"] is False
        assert (await server.until(visitor["conversation_id"], csat=score))["csat"] == score
        await server.say(visitor, f"one more thing {score}")
        await server.until(visitor["conversation_id"], status="open")
    events = [one["text"] for one in await server.thread(visitor["conversation_id"]) if one["reason"] == "csat"]
    assert [one.partition(":")[2].strip()[:6] for one in events] == ["4 of 5", "2 of 5"]
    assert all("quick" in one and "\x1b" not in one for one in events)


async def test_whoever_never_wrote_is_asked_nothing(server: Server) -> None:
    visitor = await server.visitor()
    path = await person(server, visitor)
    await server.call("POST", path + "/resolve", json={})
    _, standing = await server.call("GET", "/web/site/status", visitor["token"])
    assert standing["rate"] is False


async def test_nobody_there_is_said_and_an_address_is_asked_for(server: Server) -> None:
    server.responder.outcome = "handoff"
    visitor = await server.visitor(locale="es")
    await server.say(visitor, "una persona")
    await server.until(visitor["conversation_id"], handler="queue")
    said = (await server.thread(visitor["conversation_id"]))[1]["text"]
    assert said.startswith("Hello there.\n\nNobody is here right now;"), "in the language of the answer"
    assert "email address" in said
    _, standing = await server.call("GET", "/web/site/status?lang=es", visitor["token"])
    assert (standing["away"], standing["email"], standing["note"]) == (True, False, "")
    await server.visitor(token=visitor["token"], email="ana@shop.example")
    _, standing = await server.call("GET", "/web/site/status", visitor["token"])
    assert standing["email"] is True
    async with server.socket("/api/v1/stream", server.tokens["marta"]) as ws:
        await frames(ws)
        _, standing = await server.call("GET", "/web/site/status", visitor["token"])
        assert standing["away"] is False, "somebody has the inbox open"
        other = await server.visitor()
        await server.say(other, "a person")
        await server.until(other["conversation_id"], handler="queue")
        assert (await server.thread(other["conversation_id"]))[1]["text"] == "Hello there."


async def test_hours_decide_where_they_are_given(server: Server) -> None:
    from datetime import UTC, datetime, timedelta

    server.responder.outcome = "handoff"
    closed = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")[
        (datetime.now(UTC) + timedelta(days=3)).weekday()
    ]
    settings = {"hours": f"{closed} 9-18", "timezone": "UTC"}
    status, answer = await server.call("PATCH", "/api/v1/channels/site", json={"settings": settings})
    assert status == 200, answer
    visitor = await server.visitor()
    await server.say(visitor, "a person")
    await server.until(visitor["conversation_id"], handler="queue")
    said = (await server.thread(visitor["conversation_id"]))[1]["text"]
    assert "Nobody is here" not in said
    assert "email address" in said
    _, standing = await server.call("GET", "/web/site/status?lang=es", visitor["token"])
    assert standing["away"] is True
    assert "9:00" in standing["note"]
    await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"hours": "24/7"}})
    _, standing = await server.call("GET", "/web/site/status", visitor["token"])
    assert standing["away"] is False
    await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"hours": "", "timezone": ""}})


async def test_earlier_chats_are_shown_to_whose_they_are(server: Server) -> None:
    visitor = await server.visitor(name="Ana")
    await server.say(visitor, "long ago")
    path = await person(server, visitor)
    await server.call("POST", path + "/notes", json={"text": "secret note"})
    await server.call("POST", path + "/resolve", json={})

    def age(session: Any) -> None:
        session.connection().exec_driver_sql(
            "UPDATE conversation SET closed_at = closed_at - 90000000000, created_at = created_at - 90000000000"
            f" WHERE id = '{visitor['conversation_id']}'"
        )

    await server.services.store.write(age)
    again = await server.visitor(token=visitor["token"])
    assert again["conversation_id"] != visitor["conversation_id"]
    _, page = await server.call("GET", "/web/site/history", again["token"])
    assert page["items"][0]["text"] == "long ago"
    assert "secret" not in str(page)
    stranger = await server.visitor()
    _, page = await server.call("GET", "/web/site/history", stranger["token"])
    assert page["items"] == []


async def test_merged_customers_do_not_read_each_others_chats(server: Server) -> None:
    one, two = await server.visitor(), await server.visitor()
    await server.say(one, "mine alone")

    def merge(session: Any) -> None:
        for table in ("identity", "conversation"):
            session.connection().exec_driver_sql(
                f"UPDATE {table} SET customer_id = '{two['customer_id']}' WHERE customer_id = '{one['customer_id']}'"
            )

    await server.services.store.write(merge)
    _, page = await server.call("GET", "/web/site/history", two["token"])
    assert page["items"] == []


async def test_read_marks_go_both_ways(server: Server) -> None:
    visitor = await server.visitor()
    sent = await server.say(visitor, "are you there?")
    path = await person(server, visitor)
    status, reply = await server.call("POST", path + "/messages", json={"text": "yes"})
    assert status == 201
    async with server.socket("/web/site/stream?after=0", visitor["token"]) as ws:
        seen = await frames(ws, "status")
        assert seen[-1]["data"]["read"] == sent["seq"], "who answers has read"
        for seq in (True, "3", None, -1, 10**12, reply["seq"]):
            await ws.send_json({"type": "read", "data": {"seq": seq}})
        seen = await frames(ws)
        assert [one for one in seen if one["type"] == "message"] == []
    found = {one["id"]: one for one in await server.thread(visitor["conversation_id"])}
    assert found[reply["id"]]["delivery"]["state"] == "read"
    second = await server.say(visitor, "thank you")
    async with server.socket("/web/site/stream", visitor["token"]) as ws:
        await frames(ws)
        assert (await server.call("POST", path + "/read", json={}))[0] == 200
        seen = await frames(ws, "status")
        assert seen[-1]["data"]["read"] == second["seq"]


async def test_a_change_of_a_message_reaches_the_page(server: Server) -> None:
    from invent_server.conversations import changes
    from invent_server.store import tables as t
    from invent_server.store.session import announce

    visitor = await server.visitor()
    await server.say(visitor, "hello")
    path = await person(server, visitor)
    _, reply = await server.call("POST", path + "/messages", json={"text": "it costs 10"})

    def edit(session: Any) -> None:
        row = changes.load(session, visitor["conversation_id"])
        message = session.get_one(t.Message, reply["id"])
        message.text = "it costs 12"
        session.add(message)
        announce(session, changes.UPDATED, message.id, conversation_id=row.id, inbox_id=row.inbox_id)

    async with server.socket("/web/site/stream", visitor["token"]) as ws:
        await frames(ws)
        await server.services.store.write(edit)
        [changed] = [one["data"] for one in await frames(ws, "message") if one["type"] == "message"]
    assert (changed["id"], changed["seq"], changed["text"]) == (reply["id"], reply["seq"], "it costs 12")


async def test_an_anonymous_chat_becomes_that_of_the_first_who_signs_in(server: Server) -> None:
    def proof(user: str) -> dict[str, str]:
        return {"user_id": user, "user_hash": hmac.new(b"s3cret", user.encode(), hashlib.sha256).hexdigest()}

    visitor = await server.visitor()
    await server.say(visitor, "before I sign in")
    eva = await server.visitor(token=visitor["token"], **proof("eva"), name="Eva")
    assert (eva["customer_id"], eva["conversation_id"]) == (visitor["customer_id"], visitor["conversation_id"])
    leo = await server.visitor(token=eva["token"], **proof("leo"))
    assert leo["customer_id"] != eva["customer_id"], "a second user at the same desk"
    late = await server.visitor(token=visitor["token"], **proof("mia"))
    assert late["customer_id"] != eva["customer_id"], "the chat has an owner by now"


@pytest.mark.parametrize(
    ("listed", "ancestors"),
    [
        ("", "'self'"),
        ("https://shop.example", "'self' https://shop.example"),
        ("HTTPS://Shop.Example/ , http://localhost:3000", "'self' https://shop.example http://localhost:3000"),
        ("*", "*"),
    ],
)
async def test_only_listed_sites_frame_the_page(server: Server, listed: str, ancestors: str) -> None:
    await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"allowed_origins": listed}})
    status, _ = await server.call("GET", "/embed/site", "")
    assert status == 200
    policy = server.last_headers["Content-Security-Policy"]
    assert f"frame-ancestors {ancestors};" in policy
    await server.call("GET", "/chat/site", "")
    assert "frame-ancestors 'none';" in server.last_headers["Content-Security-Policy"]
    allowed = "*" in listed
    status, _ = await server.call("GET", "/web/site/widget", "", headers={"Origin": "https://evil.example"})
    assert status == (200 if allowed else 403)
    await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"allowed_origins": ""}})


@pytest.mark.parametrize("listed", ["shop.example", "https://shop.example/path", "https://a b", "https://x; img-src *"])
async def test_what_is_no_origin_is_refused(server: Server, listed: str) -> None:
    status, answer = await server.call("PATCH", "/api/v1/channels/site", json={"settings": {"allowed_origins": listed}})
    assert (status, answer["error"]["code"]) == (422, "invalid")
    assert "https://shop.example" in answer["error"]["message"]
