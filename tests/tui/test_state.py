"""The reducer: old state + events == fresh fetch, whatever the order; nothing moves under the cursor."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invent_tui.rows import LIMIT, Rows
from invent_tui.state import Change, State
from shared import models as m
from shared.events import Frame, parse
from shared.filters import parse as parse_filter
from tests.tui.company import company
from tests.tui.data import MINUTE, Data, at

FILTERS = ["is:waiting", "is:mine,closed", "-channel:web", "priority:urgent"]


def frame(data: dict[str, Any]) -> Frame:
    found = parse(json.dumps(data))
    assert found is not None
    return found


def frames(data: Data, start: int = 0) -> list[Frame]:
    return [frame(one) for _, one in data.events[start:]]


def entered(data: Data, limit: int = 8, source: str = "") -> State:
    """A state as it is after the first fetch."""
    state = State()
    me = m.Me(agent=data.agent, version="", seq=data.seq, engine="extractive")
    state.enter(me)
    rows = Rows(data.agent.name, parse_filter(source))
    rows.reset(data.page(source, limit))
    state.take_rows(rows, data.now)
    state.take_counts(data.counted(source), data.seq)
    state.seq = data.seq
    return state


def expected(data: Data, rows: Rows, source: str = "") -> list[str]:
    """The part of the server's list that the window covers."""
    listed = data.ordered(source)
    head, tail = rows._head, rows._tail
    return [
        chat_id for spot, chat_id in listed if not (head and spot < head.place) and not (tail and spot > tail.place)
    ]


def churn(data: Data, dice: random.Random, steps: int) -> None:
    """What happens in a busy hour."""
    for _ in range(steps):
        chat_id = dice.choice(sorted(data.chats))
        act, number = dice.randrange(8), dice.randrange(60)
        if act == 0:
            data.say(chat_id, f"message {dice.random()}")
        elif act == 1:
            data.change(chat_id, handler="queue", waiting_since=at(data.now - number * MINUTE), status="open")
        elif act == 2:
            data.change(chat_id, handler="agent", assignee=dice.choice(["marta", "tom"]), status="open")
        elif act == 3:
            data.change(chat_id, status="closed", waiting_since=None)
        elif act == 4:
            data.change(chat_id, handler="assistant", assignee=None, status="open", waiting_since=None)
        elif act == 5:
            data.change(chat_id, priority=dice.choice(["urgent", "normal"]))
        elif act == 6:
            data.say(chat_id, "answer", "assistant")
        elif len(data.chats) > 5:
            data.erase(chat_id)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(3, 20), st.booleans())
def test_events_and_an_old_state_equal_a_fresh_fetch(dice: random.Random, limit: int, more: bool) -> None:
    data = company()
    state = entered(data, limit)
    if more and state.rows.after:
        state.rows.append(data.page("", limit, state.rows.after))
        state.take_rows(state.rows, data.now)
    churn(data, dice, 25)
    events = frames(data)
    events += dice.sample(events, len(events) // 3)
    dice.shuffle(events)
    for event in events:
        state.apply(event, data.now)
    assert state.rows.order == expected(data, state.rows)
    assert [state.rows.chats[one] for one in state.rows.order] == [data.chats[one] for one in state.rows.order]


@settings(max_examples=40, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(["is:waiting", "is:mine,closed", "-channel:web", "priority:urgent"]),
)
def test_a_filtered_list_follows_the_events(dice: random.Random, source: str) -> None:
    data = company()
    state = entered(data, 200, source)
    churn(data, dice, 20)
    for event in frames(data):
        state.apply(event, data.now)
    assert state.rows.order == expected(data, state.rows, source)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_page_that_was_on_its_way_brings_no_old_news_back(dice: random.Random) -> None:
    data = company()
    state = entered(data, 6)
    page = data.page("", 6, state.rows.after)
    churn(data, dice, 15)
    for event in frames(data):
        state.apply(event, data.now)
    state.rows.append(page)
    state.take_rows(state.rows, data.now)
    known = [one for one in state.rows.order if one in data.chats]
    assert state.rows.order == known
    assert all(state.rows.chats[one].version == data.chats[one].version for one in known)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_messages_in_any_order_make_the_same_thread(dice: random.Random) -> None:
    data = company()
    chat = data.chats["co-000005"]
    state = entered(data)
    state.open(chat)
    state.take_page(chat.id, m.Page[m.Message](items=data.messages[chat.id][::-1]), data.seq)
    for number in range(6):
        message = data.say(chat.id, f"line {number}", dice.choice(["customer", "assistant", "agent"]))
        if dice.random() < 0.5:
            data.update_message(message, delivery={"state": "read"})
    events = frames(data) * 2
    dice.shuffle(events)
    for event in events:
        state.apply(event, data.now)
    thread = state.thread
    assert thread is not None
    assert [thread.messages[one] for one in thread.order] == data.messages[chat.id]


def test_a_page_older_than_an_event_does_not_undo_it() -> None:
    data = company()
    state = entered(data)
    chat = data.chats["co-000005"]
    state.open(chat)
    old, seq = list(data.messages[chat.id]), data.seq
    data.update_message(old[0], text="edited")
    for event in frames(data):
        state.apply(event, data.now)
    state.take_page(chat.id, m.Page[m.Message](items=old[::-1]), seq)
    assert state.thread is not None
    assert state.thread.messages[old[0].id].text == "edited"


def test_the_row_under_the_cursor_stays_until_the_cursor_leaves() -> None:
    data = company()
    state = entered(data, 50)
    first, second = state.rows.order[:2]
    state.rows.hold(first, data.now)
    data.change(first, status="closed")
    for event in frames(data):
        state.apply(event, data.now)
    assert state.rows.order[0] == first
    assert state.rows.chats[first].status == "closed"
    assert state.rows.hold(second, data.now)
    assert state.rows.order[0] == second
    assert state.rows.order == expected(data, state.rows)


def test_a_row_that_no_longer_passes_the_filter_goes_when_the_cursor_leaves() -> None:
    data = company()
    state = entered(data, 50, "is:waiting")
    first, second = state.rows.order
    state.rows.hold(first, data.now)
    data.change(first, handler="agent", assignee="marta")
    for event in frames(data):
        state.apply(event, data.now)
    assert first in state.rows.order
    state.rows.hold(second, data.now)
    assert state.rows.order == [second]


def test_words_in_a_filter_are_for_the_server_to_judge() -> None:
    data = company()
    state = entered(data, 50, "invoice")
    assert state.rows.order == ["co-000001"]
    data.say("co-000002", "and the invoice?")
    for event in frames(data):
        state.apply(event, data.now)
    assert state.rows.order == ["co-000001"]
    assert state.rows.doubtful


def test_a_far_walk_keeps_the_window_small_and_finds_the_way_back() -> None:
    data = Data()
    for number in range(3000):
        data.add(f"c{number}", "hello")
    rows = Rows("marta")
    rows.reset(data.page("", 200))
    while rows.after:
        rows.append(data.page("", 200, rows.after))
        assert len(rows.order) <= LIMIT + 200
    everything = [chat_id for _, chat_id in data.ordered()]
    assert rows.order == everything[-len(rows.order) :]
    assert rows.offset == 3000 - len(rows.order)
    while rows.before:
        rows.prepend(data.page("", 200, rows.before, back=True))
    assert rows.order == everything[: len(rows.order)]
    assert rows.offset == 0
    assert rows.after is not None


def test_from_the_end_upwards() -> None:
    data = Data()
    for number in range(450):
        data.add(f"c{number}", "hello")
    everything = [chat_id for _, chat_id in data.ordered()]
    rows = Rows("marta")
    rows.reset(data.page("", 200, back=True), reverse=True, matching=450)
    assert rows.order == everything[-200:]
    assert (rows.offset, rows.after) == (250, None)
    rows.prepend(data.page("", 200, rows.before, back=True))
    assert rows.order == everything[50:]


def test_counts_follow_what_is_known_and_ask_when_it_is_not() -> None:
    data = company()
    state = entered(data, 50)
    data.change("co-000007", handler="agent", assignee="marta")
    before = state.counts
    for event in frames(data):
        state.apply(event, data.now)
    assert before is not None
    assert state.counts is not None
    assert (state.counts.mine, state.counts.assistant) == (before.mine + 1, before.assistant - 1)
    assert not state.counts_doubtful
    start = len(data.events)
    data.change("co-000001", handler="assistant")
    for event in frames(data, start):
        state.apply(event, data.now)
    assert state.counts_doubtful  # who waits longest now is for the server to say


def test_live_text_is_joined_by_offset_and_ends_as_it_should() -> None:
    data = company()
    state = entered(data)
    state.open(data.chats["co-000005"])

    def token(offset: int, text: str, message: str = "m1") -> Change:
        body = {"conversation_id": "co-000005", "message_id": message, "offset": offset, "text": text}
        return state.apply(frame({"type": "token", "data": body}), data.now)

    def end(reason: str, message: str = "m1") -> Change:
        body = {"conversation_id": "co-000005", "message_id": message, "reason": reason}
        return state.apply(frame({"type": "token.end", "data": body}), data.now)

    thread = state.thread
    assert thread is not None
    assert Change.LIVE in token(0, "Hello ")
    token(10, "d!")
    token(6, "worl")
    assert thread.live["m1"].text == "Hello world!"
    token(0, "Hello world! And")
    assert thread.live["m1"].text == "Hello world! And"
    assert state.writing == {"co-000005": "m1"}
    assert end("superseded") == Change.LIVE | Change.CHAT | Change.ROWS
    assert not thread.live
    assert token(16, " late") & Change.LIVE == Change.NONE
    end("superseded")
    token(0, "Second", "m2")
    end("done", "m2")
    assert thread.live["m2"].text == "Second"
    data.say("co-000005", "Second answer", "assistant", id="m2")
    for event in frames(data):
        state.apply(event, data.now)
    assert not thread.live
    assert thread.messages["m2"].text == "Second answer"


def test_a_chat_opened_while_the_assistant_writes_shows_all_of_it() -> None:
    data = company()
    state = entered(data)
    for offset, text in ((0, "All of "), (7, "it")):
        body = {"conversation_id": "co-000005", "message_id": "m1", "offset": offset, "text": text}
        state.apply(frame({"type": "token", "data": body}), data.now)
    state.open(data.chats["co-000005"])
    assert state.thread is not None
    assert state.thread.live["m1"].text == "All of it"
    state.line_lost()
    assert not state.thread.live
    assert not state.writing


def test_an_unknown_event_and_a_resync() -> None:
    data = company()
    state = entered(data)
    assert parse(b'{"type": "weather.updated", "seq": 4, "data": {}}') is None
    change = state.apply(frame({"type": "resync", "data": {"seq": 7}}), data.now)
    assert Change.STALE in change
    assert state.seq == 7


@pytest.mark.parametrize("erased", [True, False])
def test_customers_and_memories_of_the_open_chat(erased: bool) -> None:
    data = company()
    state = entered(data)
    state.open(data.chats["co-000005"])
    state.customer = data.customers["cu-lucia"]
    state.take_memories(data.memories["cu-lucia"], data.seq)
    assert [one.pinned for one in state.memories] == [True, False, False]
    memory = data.remember("cu-lucia", "Likes blue.")
    data.emit("memory.updated", memory.model_dump(mode="json"))
    if erased:
        data.emit("memory.updated", {"id": memory.id, "deleted": True})
    events = frames(data)
    for event in reversed(events * 2):
        state.apply(event, data.now)
    assert any(one.id == memory.id for one in state.memories) is not erased
    state.take_memories(data.memories["cu-lucia"][:3], 0)
    assert any(one.id == memory.id for one in state.memories) is not erased


def test_presence_and_typing_name_the_others_only() -> None:
    data = company()
    state = entered(data)
    state.open(data.chats["co-000005"])
    agents = [{"name": "marta", "conversation_id": "co-000005"}, {"name": "tom", "conversation_id": "co-000005"}]
    state.apply(frame({"type": "presence", "data": {"agents": agents}}), data.now)
    assert state.viewers == {"co-000005": ["tom"]}
    typing = {"conversation_id": "co-000005", "who": "customer", "on": True}
    assert state.apply(frame({"type": "typing", "data": typing}), data.now) == Change.CHAT
    assert state.thread is not None
    assert state.thread.typing == {"Lucía Fernández"}
