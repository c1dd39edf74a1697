"""Loads the demo company (config/demo) into an empty database: knowledge, colleagues, customers, conversations."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from sqlmodel import Session, select

from invent_server import setting_up, team
from invent_server.instructions import versions
from invent_server.instructions.drafts import limit_of
from invent_server.knowledge.library import Article
from invent_server.services import Services
from invent_server.store import tables as t
from invent_server.store.order import place
from invent_server.store.session import announce, now
from shared import commands as c
from shared.clock import HOUR, MINUTE
from shared.ids import new_id
from shared.instructions import tidy
from shared.text import clean_line

INBOX = "demo"


class DemoError(Exception):
    """The demo cannot be loaded here; the message says why."""


async def load_demo(services: Services) -> None:
    """Load the demo; nothing to do when it is there. Raises DemoError when the directory holds other data."""
    state = await services.store.read(_state)
    if state == "demo":
        return
    if state == "other":
        raise DemoError(
            f"{services.settings.data_dir} holds other data; the demo goes only into an empty directory"
            " (name one with INVENT_DATA_DIR)"
        )
    company = _toml("company.toml")
    people = _toml("chats.toml")
    words = _toml("instructions.toml")
    limit = limit_of(services.settings.models.num_ctx, services.settings.models.num_predict)

    def load(session: Session) -> None:
        _load(session, company, people)
        note, texts = words.pop("note"), tidy({name: text.strip() for name, text in words.items()})
        versions.publish(session, versions.assistant(session, "default"), texts, "demo", note, limit)

    await services.store.write(load)
    services.directory.forget()
    await services.library.add(_articles(company))
    await services.library.settled()  # the first question may come the moment the server is ready


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("config").joinpath("demo", name).read_text("utf-8"))


def _state(session: Session) -> str:
    if session.get(t.Meta, setting_up.DEMO) is not None:
        return "demo"
    for table in (t.Inbox, t.Customer, t.Source):
        if session.exec(select(table.id).limit(1)).first() is not None:
            return "other"
    begun = setting_up.progress(session).done or session.exec(select(t.Assistant.company)).first()
    return "other" if begun else "empty"


def _articles(company: dict[str, Any]) -> list[Article]:
    """The articles of both languages as knowledge."""
    found: list[Article] = []
    for lang, base in company["url"].items():
        folder = resources.files("config").joinpath("demo", "knowledge", lang)
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            text = file.read_text("utf-8")
            title, _, body = text.partition("\n")
            slug = file.name.removesuffix(".md")
            found.append(Article(title.removeprefix("# ").strip(), body, f"{base}/{slug}", lang))
    return found


def _load(session: Session, company: dict[str, Any], people: dict[str, Any]) -> None:
    session.add(t.Meta(name=setting_up.DEMO, value="1"))
    assistant = session.exec(select(t.Assistant).where(t.Assistant.slug == "default")).one()
    assistant.company, assistant.language = company["name"], company["default_language"]
    session.add(assistant)
    inbox = t.Inbox(
        id=new_id(),
        name=INBOX,
        kind="web",
        assistant_id=assistant.id,
        settings={"allowed_origins": "*"},
        created_at=now(session),
    )
    session.add(inbox)
    session.flush()
    for one in people["agents"]:
        team.add_agent(
            session,
            c.AddAgent(name=one["name"], role=one["role"], language=one["language"], timezone=company["timezone"]),
        )
    agents = {row.name: row for row in session.exec(select(t.Agent))}
    customers = {one["key"]: _customer(session, inbox, one) for one in people["customers"]}
    for talk in people["conversations"]:
        _conversation(
            session, inbox, assistant, customers[talk["customer"]], agents.get(talk.get("assignee", "")), talk
        )


def _customer(session: Session, inbox: t.Inbox, data: dict[str, Any]) -> t.Customer:
    moment = now(session)
    row = t.Customer(
        id=new_id(),
        name=data["name"],
        email=data.get("email"),
        phone=data.get("phone"),
        language=data.get("language"),
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    session.add(
        t.Identity(
            id=new_id(),
            customer_id=row.id,
            inbox_id=inbox.id,
            external_id=f"user:{data['key']}",
            verified=True,
            created_at=moment,
        )
    )
    for memory in data.get("memories", []):
        session.add(
            t.Memory(
                id=new_id(),
                customer_id=row.id,
                type=memory["type"],
                text=memory["text"],
                pinned=memory.get("pinned", False),
                author="demo",
                created_at=moment,
                updated_at=moment,
            )
        )
    return row


def _conversation(
    session: Session,
    inbox: t.Inbox,
    assistant: t.Assistant,
    customer: t.Customer,
    agent: t.Agent | None,
    data: dict[str, Any],
) -> None:
    moment = now(session)
    begun = moment - data["messages"][0]["minutes_ago"] * MINUTE
    row = t.Conversation(
        id=new_id(),
        inbox_id=inbox.id,
        assistant_id=assistant.id,
        customer_id=customer.id,
        handler=data["handler"],
        assignee_id=agent.id if agent else None,
        status=data["status"],
        priority=data.get("priority", "normal"),
        intent=data.get("intent") or None,
        confidence=0.9 if data.get("intent") else 0.0,
        tags=data.get("tags", []),
        language=customer.language,
        handoff_reason=data.get("handoff_reason") or None,
        csat=data.get("csat") or None,
        created_at=begun,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    for line in data["messages"]:
        _message(session, row, customer, assistant, agent, line, moment - line["minutes_ago"] * MINUTE)
    if row.status == "closed":
        row.closed_at, row.answered_seq, row.waiting_since, row.unread = row.last_at, row.customer_seq, None, 0
    if row.status == "snoozed":
        row.snoozed_until = moment + 18 * HOUR
    if row.handler == "assistant":  # what the assistant left unanswered in the story is not to be answered now
        row.answered_seq, row.waiting_since = row.customer_seq, None
    if row.handler == "queue":
        asked = [line["text"] for line in data["messages"] if line["author"] == "customer"]
        row.summary = clean_line(" / ".join(asked[-2:]), 300)
    row.need, row.need_at = place(row)
    session.add(row)
    announce(session, "conversation.updated", row.id, conversation_id=row.id, inbox_id=inbox.id)


def _message(
    session: Session,
    row: t.Conversation,
    customer: t.Customer,
    assistant: t.Assistant,
    agent: t.Agent | None,
    line: dict[str, Any],
    at: int,
) -> None:
    kind, author = line.get("kind", "text"), line["author"]
    ids = {"customer": customer.id, "assistant": assistant.id, "agent": agent.id if agent else None}
    names = {"customer": customer.name, "assistant": assistant.name, "agent": agent.name if agent else "team"}
    row.last_seq += 1
    session.add(
        t.Message(
            id=new_id(),
            conversation_id=row.id,
            seq=row.last_seq,
            author_kind=author,
            author_id=ids.get(author),
            author_name=line.get("by", names.get(author, "")),
            kind=kind,
            reason=line.get("reason"),
            text=line["text"],
            delivery="sent" if kind == "text" and author in ("assistant", "agent") else None,
            created_at=at,
        )
    )
    if kind != "text":
        return
    row.last_author, row.last_author_name = author, names.get(author, "")
    row.last_text, row.last_at = clean_line(line["text"], 200), at
    if author == "customer":
        row.customer_seq = row.last_seq
        row.waiting_since = row.waiting_since or at
        row.unread += 1
    elif author == "agent" or row.handler == "assistant":
        row.answered_seq, row.waiting_since, row.unread = row.customer_seq, None, 0
