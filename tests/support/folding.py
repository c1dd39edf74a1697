"""A client's state, made of events alone, and the same state fetched anew: they must be equal, for every event type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.app import App

Things = dict[str, dict[str, Any]]


@dataclass
class State:
    """What an inbox holds, by id. Jobs stand for `knowledge.updated`."""

    conversations: Things = field(default_factory=dict)
    messages: Things = field(default_factory=dict)
    customers: Things = field(default_factory=dict)
    memories: Things = field(default_factory=dict)
    notices: Things = field(default_factory=dict)
    jobs: Things = field(default_factory=dict)
    seqs: list[int] = field(default_factory=list)
    resyncs: int = 0

    def apply(self, frame: dict[str, Any]) -> None:
        """One frame of the agents' socket."""
        kind, data = frame["type"], frame["data"]
        if kind == "resync":
            self.resyncs += 1
        if "seq" not in frame:
            return
        self.seqs.append(frame["seq"])
        gone = bool(data.get("deleted"))
        if kind == "conversation.updated":
            _put(self.conversations, data, gone)
            if gone:
                _drop(self.messages, conversation_id=data["id"])
                _drop(self.notices, conversation_id=data["id"])
        elif kind in ("message.created", "message.updated"):
            _put(self.messages, data, gone)
        elif kind == "customer.updated":
            _put(self.customers, data, gone)
            if gone:
                _drop(self.memories, customer_id=data["id"])
        elif kind == "memory.updated":
            _put(self.memories, data, gone)
        elif kind == "notice.updated":
            _put(self.notices, data, gone)
        elif kind == "knowledge.updated" and data.get("job_id"):
            self.jobs[data["job_id"]] = {key: data[key] for key in ("state", "done", "total")}

    def differences(self, other: State) -> list[str]:
        """What is not the same in both, a line each."""
        found = []
        for kind in ("conversations", "messages", "customers", "memories", "notices", "jobs"):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            for id_ in mine.keys() | theirs.keys():
                if mine.get(id_) != theirs.get(id_):
                    found.append(f"{kind} {id_}: {_fields(mine.get(id_), theirs.get(id_))}")
        return found


def _fields(mine: dict[str, Any] | None, theirs: dict[str, Any] | None) -> str:
    if mine is None or theirs is None:
        return f"folded {'nothing' if mine is None else 'it'}, fetched {'nothing' if theirs is None else 'it'}"
    return ", ".join(
        f"{key}: {mine.get(key)!r} != {theirs.get(key)!r}" for key in theirs if mine.get(key) != theirs[key]
    )


def _put(things: Things, data: dict[str, Any], gone: bool) -> None:
    if gone:
        things.pop(data["id"], None)
    else:
        things[data["id"]] = data


def _drop(things: Things, **where: str) -> None:
    [(key, value)] = where.items()
    for id_ in [id_ for id_, thing in things.items() if thing[key] == value]:
        del things[id_]


async def everything(app: App, path: str, token: str | None = None) -> list[dict[str, Any]]:
    """All items of a list that comes in pages."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        status, page = await app.call("GET", f"{path}{'&' if '?' in path else '?'}limit=200{cursor}", token=token)
        assert status == 200, page
        items += page["items"]
        if not page.get("next_cursor"):
            return items
        cursor = f"&cursor={page['next_cursor']}"


async def fetched(app: App, jobs: list[str], token: str | None = None) -> State:
    """The state as the API tells it now."""
    state = State()
    for talk in await everything(app, "/api/v1/conversations", token):
        state.conversations[talk["id"]] = talk
        for message in await everything(app, f"/api/v1/conversations/{talk['id']}/messages", token):
            state.messages[message["id"]] = message
    for customer in await everything(app, "/api/v1/customers", token):
        state.customers[customer["id"]] = customer
        status, page = await app.call("GET", f"/api/v1/customers/{customer['id']}/memories", token=token)
        assert status == 200, page
        state.memories |= {memory["id"]: memory for memory in page["items"]}
    status, page = await app.call("GET", "/api/v1/notices", token=token)
    assert status == 200, page
    state.notices = {notice["id"]: notice for notice in page["items"]}
    for job in jobs:
        status, found = await app.call("GET", f"/api/v1/jobs/{job}", token=token)
        assert status == 200, found
        state.jobs[job] = {key: found[key] for key in ("state", "done", "total")}
    return state
