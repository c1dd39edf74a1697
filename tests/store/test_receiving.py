"""A customer's message is taken in once, whatever is sent again, when, and beside what."""

from __future__ import annotations

import asyncio
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col

from invent_server.conversations.receive import Received, receive_many
from invent_server.conversations.visitors import Claim, Visit, visit
from invent_server.store import tables as t
from invent_server.store.database import Store, open_store
from tests.support.clock import ManualClock
from tests.support.databases import fresh
from tests.support.rows import company, conversation, event_seqs, inbound, rows, say


async def test_repeats_in_any_order_are_one_message_each(store: Store) -> None:
    """Shuffled repeats, many at once: one row for each key, the same answer for each repeat."""
    made = await company(store)
    talks = [await conversation(store, made, f"customer {i}") for i in range(10)]
    chance = random.Random(3)
    keys = [f"k{i}" for i in range(150)]
    deliveries = [key for key in keys for _ in range(chance.randint(1, 5))]
    chance.shuffle(deliveries)
    results = await asyncio.gather(
        *(say(store, made, talks[int(key[1:]) % 10], key, f"text {key}") for key in deliveries)
    )
    answers: dict[str, set[str]] = {}
    for key, result in zip(deliveries, results, strict=True):
        assert result.message is not None
        assert result.message.text == f"text {key}"
        answers.setdefault(key, set()).add(result.message.id)
    assert all(len(ids) == 1 for ids in answers.values())
    assert sum(result.new for result in results) == len(keys)
    stored = await rows(store, t.Message)
    assert sorted(message.id for message in stored) == sorted(id_ for ids in answers.values() for id_ in ids)
    for talk in talks:
        assert sorted(m.seq for m in stored if m.conversation_id == talk) == list(range(1, 16))
    assert len(await rows(store, t.Receipt)) == len(keys)
    assert len(await rows(store, t.Work)) == len(talks)
    assert list(await event_seqs(store)) == list(range(1, len(await event_seqs(store)) + 1))


async def test_the_same_key_at_the_same_moment(store: Store) -> None:
    made = await company(store)
    talk = await conversation(store, made)
    for round_ in range(10):
        results = await asyncio.gather(*(say(store, made, talk, f"r{round_}") for _ in range(8)))
        assert sum(result.new for result in results) == 1
        assert len({result.message.id for result in results if result.message}) == 1
    assert len(await rows(store, t.Message)) == 10


async def test_a_new_customer_who_comes_twice_at_once_is_one(store: Store) -> None:
    made = await company(store)

    def come(session: Session) -> Visit:
        return visit(session, session.get_one(t.Inbox, made.inbox_id), Claim("new", name="Nia"), 86400)

    visits = await asyncio.gather(*(store.write(come) for _ in range(12)))
    assert len({one.customer_id for one in visits}) == 1
    assert len({one.conversation_id for one in visits}) == 1
    assert len(await rows(store, t.Identity)) == 1


async def test_a_conversation_that_is_gone_is_refused_and_its_neighbours_are_not(store: Store) -> None:
    made = await company(store)
    talk = await conversation(store, made)
    results = await asyncio.gather(
        say(store, made, talk, "a"),
        say(store, made, "no such conversation", "b"),
        say(store, made, talk, "c"),
    )
    assert [result.error is None for result in results] == [True, False, True]
    assert len(await rows(store, t.Message)) == 2


async def test_what_a_database_cannot_hold_is_mended_not_refused(store: Store) -> None:
    """NUL bytes and lone surrogates come from real senders; a message is never lost for them."""
    made = await company(store)
    talk = await conversation(store, made)
    texts = ["nul \x00 byte", "lone \ud800 surrogate", "emoji 👩‍👧", "x" * 20_000, "\u202e rtl"]
    results = await asyncio.gather(*(say(store, made, talk, f"t{i}", text) for i, text in enumerate(texts)))
    assert all(result.new for result in results)
    assert len(await rows(store, t.Message)) == len(texts)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=8), max_size=6))
def test_any_mix_of_batches_stores_each_key_once(batches: list[list[tuple[int, int]]]) -> None:
    """`receive_many` itself: known keys, repeats inside one batch, several conversations in one batch."""

    async def run() -> None:
        with fresh("sqlite") as database:
            store = open_store(database.settings(), ManualClock())
            await store.start()
            try:
                made = await company(store)
                talks = [await conversation(store, made, f"c{i}") for i in range(3)]
                first: dict[str, str] = {}
                for batch in batches:
                    items = [inbound(made, talks[talk], f"{talk}-{key}") for key, talk in batch]

                    def work(session: Session, items: list[object] = items) -> list[Received]:  # type: ignore[assignment]
                        return receive_many(session, items)  # type: ignore[arg-type]

                    for item, result in zip(items, await store.write(work), strict=True):
                        assert result.message is not None
                        assert result.new == (item.key not in first)
                        assert first.setdefault(item.key, result.message.id) == result.message.id
                stored = await rows(store, t.Message)
                assert {m.id for m in stored} == set(first.values())
                for talk in talks:
                    found = await rows(store, t.Message, col(t.Message.conversation_id) == talk)
                    assert sorted(m.seq for m in found) == list(range(1, len(found) + 1))
                    [row] = await rows(store, t.Conversation, col(t.Conversation.id) == talk)
                    assert (row.last_seq, row.customer_seq, row.unread) == (len(found),) * 3
            finally:
                await store.close()

    asyncio.run(run())
