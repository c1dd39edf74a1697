"""/api/v1/customers: people and what is remembered about them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlmodel import Session, col, select

from invent_server.conversations import listing, remembering
from invent_server.routes.conversations import Cursor, Limit
from invent_server.routes.table import Call, Query, Route
from invent_server.store import privacy, wire
from invent_server.store import tables as t
from shared import commands as c
from shared import models as m

BASE = "/api/v1/customers"
ONE = BASE + "/{id}"


class CustomersQuery(Query):
    q: Annotated[str, Field(max_length=200)] = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class Export(BaseModel):
    """Everything stored about a customer, by table."""

    customer_id: str
    tables: dict[str, list[dict[str, Any]]]


class Erased(BaseModel):
    customer_id: str
    rows: dict[str, int]


async def list_(call: Call) -> m.Page[m.Customer]:
    query: CustomersQuery = call.query
    return await call.read(lambda s: listing.customers(s, call.agent, query.q, query.limit, query.cursor))


async def get(call: Call) -> m.Customer:
    return await call.read(lambda s: wire.customer(s, listing.visible_customer(s, call.agent, call.params["id"])))


async def memories(call: Call) -> m.Page[m.Memory]:
    def read(session: Session) -> m.Page[m.Memory]:
        customer = listing.visible_customer(session, call.agent, call.params["id"])
        rows = session.exec(
            select(t.Memory)
            .where(t.Memory.customer_id == customer.id)
            .order_by(col(t.Memory.pinned).desc(), col(t.Memory.created_at).desc())
        )
        return m.Page(items=[wire.memory(row) for row in rows])

    return await call.read(read)


async def add_memory(call: Call) -> m.Memory:
    return await call.write(lambda s: remembering.add(s, call.agent, call.params["id"], call.body))


async def patch_memory(call: Call) -> m.Memory:
    return await call.services.store.write(
        lambda s: remembering.edit(s, call.agent, call.params["id"], call.params["mid"], call.body)
    )


async def delete_memory(call: Call) -> None:
    await call.services.store.write(lambda s: remembering.forget(s, call.agent, call.params["id"], call.params["mid"]))


async def export(call: Call) -> Export:
    def read(session: Session) -> Export:
        customer = listing.visible_customer(session, call.agent, call.params["id"])
        return Export(customer_id=customer.id, tables=privacy.export(session, customer.id))

    return await call.read(read)


async def erase(call: Call) -> Erased:
    def write(session: Session) -> Erased:
        customer = listing.visible_customer(session, call.agent, call.params["id"])
        return Erased(customer_id=customer.id, rows=privacy.erase(session, customer.id))

    return await call.services.store.write(write)


ROUTES = [
    Route("GET", BASE, "agent", list_, "Customers", query=CustomersQuery, answer=m.Page[m.Customer]),
    Route("GET", ONE, "agent", get, "One customer", answer=m.Customer, errors=("not_found",)),
    Route("GET", ONE + "/memories", "agent", memories, "What is remembered", answer=m.Page[m.Memory]),
    Route("POST", ONE + "/memories", "agent", add_memory, "Remember", c.PostMemory, answer=m.Memory, status=201),
    Route("PATCH", ONE + "/memories/{mid}", "agent", patch_memory, "Correct or pin", c.PatchMemory, answer=m.Memory),
    Route("DELETE", ONE + "/memories/{mid}", "agent", delete_memory, "Forget", status=204, errors=("not_found",)),
    Route("POST", ONE + "/export", "manager", export, "All that is stored", c.Nothing, answer=Export),
    Route("POST", ONE + "/erase", "admin", erase, "Erase the customer", c.Nothing, answer=Erased),
]
