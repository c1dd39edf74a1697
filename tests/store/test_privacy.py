"""Export and erasure know every table, and after an erasure nothing of the customer is left."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlmodel import Session, SQLModel, col

from invent_server.channels.base import Outgoing, Result, Retry
from invent_server.conversations import remembering, writing
from invent_server.conversations.receive import receive_many
from invent_server.store import privacy
from invent_server.store import tables as t
from shared import commands as c
from tests.support.app import serving
from tests.support.clients import Visitor
from tests.support.databases import Database, fresh
from tests.support.parts import Line, actor, node, until
from tests.support.rows import company, conversation, inbound, rows

CANARY = "Quetzalcoatl"


def test_the_registry_names_every_table() -> None:
    """A new table must be said to hold customer data, or not to, and why."""
    mapped = {mapper.class_ for mapper in SQLModel._sa_registry.mappers}
    assert set(privacy.PERSONAL) | set(privacy.NOT_PERSONAL) == mapped
    assert not set(privacy.PERSONAL) & set(privacy.NOT_PERSONAL)
    assert all(privacy.NOT_PERSONAL.values())


def test_whatever_points_to_personal_rows_is_personal_and_goes_first() -> None:
    """By the foreign keys of the metadata: erasure in this order breaks none of them."""
    order = [table.__table__ for table in privacy.PERSONAL]  # type: ignore[attr-defined]
    for number, table in enumerate(order):
        for key in table.foreign_keys:
            if key.column.table in order:
                assert order.index(key.column.table) > number, (table.name, key.column.table.name)
    others = [table.__table__ for table in privacy.NOT_PERSONAL]  # type: ignore[attr-defined]
    for table in others:
        assert not any(key.column.table in order for key in table.foreign_keys), table.name


async def busy(outgoing: Outgoing) -> Result:
    return Retry("as the test says")


async def fill(store: Any, made: Any, customer: str, mark: str) -> str:
    """A customer with something in every personal table; the customer's id."""
    talk = await conversation(store, made, customer)
    item = inbound(made, talk, f"key {mark}", f"help, says {mark}", raw=f'{{"from": "{mark}"}}', client_id=mark)
    await store.write_batched(receive_many, item)
    [row] = await rows(store, t.Conversation, col(t.Conversation.id) == talk)
    ana = actor(made, "ana")
    memory = c.PostMemory(text=f"likes {mark}")
    await store.write(lambda s: remembering.add(s, ana, row.customer_id, memory))
    return str(row.customer_id)


async def test_after_an_erasure_nothing_is_left(database: Database) -> None:
    """Rows of both dialects; the neighbour's stay."""
    line = Line(busy)
    async with node(database.settings(), line=line) as parts:
        made = await company(parts.store, "api")
        gone = await fill(parts.store, made, CANARY, CANARY)
        kept = await fill(parts.store, made, "neighbour", "neighbour")
        await until(lambda: _answered(parts.store))
        talk = (await rows(parts.store, t.Conversation, col(t.Conversation.customer_id) == gone))[0].id
        await parts.control.takeover(actor(made, "ana"), talk)
        reply = c.Reply(text=f"dear {CANARY}")
        await parts.store.write(lambda s: writing.reply(s, actor(made, "ana"), talk, reply, "node", 30))
        await until(lambda: asyncio.sleep(0, len(line.begun) > 2))
        exported = await parts.store.read(lambda s: privacy.export(s, gone))
        full = {name for name, found in exported.items() if found}
        assert full >= {"receipt", "outbox", "turn", "message", "memory", "conversation", "identity", "customer"}
        counts = await parts.store.write(lambda s: privacy.erase(s, gone))
        assert counts == {name: len(found) for name, found in exported.items()}

        def dump(session: Session) -> str:
            every = [*privacy.PERSONAL, *privacy.NOT_PERSONAL]
            return "\n".join(str(row) for table in every for row in session.connection().exec_driver_sql(_all(table)))

        text = await parts.store.read(dump)
        assert CANARY not in text
        assert "neighbour" in text
        assert await parts.store.read(lambda s: bool(privacy.export(s, kept)["message"]))
        await asyncio.sleep(0.1)  # a send that was under way ends now: it must find nothing to write to
        assert CANARY not in await parts.store.read(dump)
        assert parts.errors == []


def _all(table: type[SQLModel]) -> str:
    return f'SELECT * FROM "{table.__tablename__}"'


async def _answered(store: Any) -> bool:
    return len(await rows(store, t.Outbox)) == 2


async def test_not_a_byte_of_the_customer_stays_in_the_file(tmp_path: Path) -> None:
    """Over the API, with the log of the database and every file beside it; free pages go with VACUUM."""
    with fresh("sqlite") as database:
        async with serving(database) as app:
            await app.inbox()
            visitor = await Visitor.come(app, name=CANARY, email=f"{CANARY}@mail.example")
            await visitor.say(f"I am {CANARY}", f"id-{CANARY}")
            talk = f"/api/v1/conversations/{visitor.conversation_id}"
            await app.call("POST", f"{talk}/takeover", {}, None, **{"Idempotency-Key": "k1"})
            status, _ = await app.call(
                "POST", f"{talk}/messages", {"text": f"hi {CANARY}"}, None, **{"Idempotency-Key": "k2"}
            )
            assert status == 201
            await app.call("POST", f"{talk}/notes", {"text": f"{CANARY} is angry"})
            await app.call("POST", f"{talk}/summary", {})
            await app.call("PATCH", talk, {"tags": [CANARY]})
            _, found = await app.call("GET", talk)
            customer = found["customer"]["id"]
            await app.call("POST", f"/api/v1/customers/{customer}/memories", {"text": f"is {CANARY}"})
            await app.call("POST", "/web/site/csat", {"score": 1, "comment": CANARY}, visitor.token)
            assert holds(database.folder, tmp_path)
            status, erased = await app.call("POST", f"/api/v1/customers/{customer}/erase", {})
            assert status == 200
            assert erased["rows"]["customer"] == 1
            status, _ = await app.call("GET", "/web/site/messages", token=visitor.token)
            assert status in (200, 404)
            status, _ = await app.call("POST", "/web/site/messages", {"text": "again", "client_id": "z"}, visitor.token)
            assert status == 404
        assert holds(database.folder, tmp_path) == []


def holds(folder: Path, scratch: Path) -> list[str]:
    """Files that contain the canary; the database as a vacuumed copy."""
    copy = scratch / "copy.db"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(folder / "invent.db")) as connection:
        connection.execute(f"VACUUM INTO '{copy}'")
    others = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("invent.db")]
    needles = (CANARY.encode(), CANARY.lower().encode())
    return [path.name for path in (copy, *others) if any(needle in path.read_bytes() for needle in needles)]
