"""The way of a message: every step in its place, for question and answer, by our id and by the channel's own."""

from __future__ import annotations

from typing import Any

from sqlmodel import col

from invent_server import timers
from invent_server.store import tables as t
from invent_server.store import tracing
from shared.waterfall import bar
from tests.delivery.test_webhooks import hook
from tests.support.app import App, serving
from tests.support.databases import Database
from tests.support.parts import until
from tests.support.receiver import SECRET, Delivery, receiving
from tests.support.rows import rows


async def traced(app: App, id_: str) -> dict[str, Any]:
    status, found = await app.call("GET", f"/api/v1/messages/{id_}/trace")
    assert status == 200, found
    return dict(found)


def names(trace: dict[str, Any]) -> list[str]:
    return [step["name"] for step in trace["steps"]]


async def answered(app: App) -> t.Message:
    async def sent() -> t.Message | None:
        found = await rows(app.services.store, t.Message, t.Message.delivery == "sent")
        return found[0] if found else None

    message: t.Message = await until(sent, 20)
    return message


async def test_question_and_answer_tell_one_way(database: Database) -> None:
    """A webhook with two refused sends: the request, the turn and each try, by three ids of the same thing."""
    async with receiving() as receiver, serving(database, INVENT_DELIVERY__RETRY="50ms,50ms,50ms") as app:
        statuses = iter([503, 429, 200])

        async def answer(delivery: Delivery) -> int:
            return next(statuses)

        receiver.answer = answer
        await app.inbox("far", "api", webhook_secret=SECRET, callback_url=receiver.url)
        await hook(app, id="order:77", text="Where is it?")
        reply = await answered(app)
        by_reply, by_key = await traced(app, reply.id), await traced(app, "order:77")
        by_question = await traced(app, by_reply["question"])
        assert {one["question"] for one in (by_reply, by_key, by_question)} == {by_key["message_id"]}
        assert {one["answer"] for one in (by_reply, by_key, by_question)} == {reply.id}
        assert by_question["steps"] == by_reply["steps"] == by_key["steps"]
        told = names(by_reply)
        assert told[:3] == ["received", "verified", "stored"]
        assert [name for name in told if "sent" in name] == ["not sent", "not sent", "sent"]
        assert told.index("claimed") < told.index("outcome") < told.index("queued") < told.index("sent")
        steps = {step["name"]: step for step in by_reply["steps"]}
        assert steps["received"]["detail"]["key"] == "order:77"
        assert steps["received"]["detail"]["raw_bytes"] == len(by_reply["raw"])
        assert "Where is it?" in by_reply["raw"]
        assert [step["detail"]["error"] for step in by_reply["steps"] if step["name"] == "not sent"] != [None, None]
        offsets = [step["offset_ms"] for step in by_reply["steps"]]
        assert offsets == sorted(offsets)
        assert offsets[0] == 0
        assert steps["sent"]["offset_ms"] + steps["sent"]["ms"] <= by_reply["total_ms"] + 0.01
        assert by_reply["outcome"] == "answer"


async def test_other_messages_and_foreign_ones(database: Database) -> None:
    async with serving(database) as app:
        await app.inbox("far", "api", webhook_secret=SECRET)
        await app.inbox("near", "api", webhook_secret=SECRET)
        await hook(app, id="k1")
        (question,) = await rows(app.services.store, t.Message, t.Message.author_kind == "customer")
        token = await app.agent("ana")
        assert (await app.call("PATCH", "/api/v1/agents/ana", {"inboxes": ["near"]}))[0] == 200
        assert (await app.call("GET", f"/api/v1/messages/{question.id}/trace", token=token))[0] == 404
        status, note = await app.call("POST", f"/api/v1/conversations/{question.conversation_id}/notes", {"text": "x"})
        assert status == 201
        found = await traced(app, note["id"])
        assert (names(found), found["question"], found["answer"]) == (["stored"], None, None)


async def test_prompts_and_raw_are_kept_for_their_time(database: Database) -> None:
    async with serving(database) as app:
        await app.inbox("far", "api", webhook_secret=SECRET)
        await hook(app, id="k1")
        (question,) = await rows(app.services.store, t.Message, t.Message.author_kind == "customer")
        (turn,) = await until(lambda: rows(app.services.store, t.Turn, t.Turn.state == "done"), 20)
        made = t.Prompt(
            turn_id=turn.id, conversation_id=turn.conversation_id, messages=[["user", "Why\x1b[2J?"]], created_at=1
        )
        await app.services.store.write(lambda session: session.add(made))
        assert (await traced(app, question.id))["prompt"] == [{"role": "user", "text": "Why�?"}]
        await app.services.store.write(lambda session: timers.sweep(session, app.services.settings))
        assert (await traced(app, question.id))["prompt"] == []
        assert await app.services.store.read(lambda session: tracing.find(session, "nope")) is None
        assert await rows(app.services.store, t.Prompt, col(t.Prompt.turn_id) == turn.id) == []


def test_a_bar_is_where_its_step_was() -> None:
    assert bar(0, 50, 100, 10) == "█████     "
    assert bar(50, 50, 100, 10) == "     █████"
    assert bar(99.9, 0, 100, 10) == "         ▏"
    assert bar(0, 0, 0, 4) == "▏   "
    assert bar(25, 30, 100, 10, ascii_only=True) == "  ###     "
    for whole in (0.0, 1.0, 7.3, 1000.0):
        for offset in (-1.0, 0.0, 0.5, 7.3, 2000.0):
            for length in (-1.0, 0.0, 0.1, 3.3, 5000.0):
                drawn = bar(offset, length, whole, 13)
                assert len(drawn) == 13
                assert drawn.strip()
