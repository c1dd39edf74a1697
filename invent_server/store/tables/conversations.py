"""Conversations, their messages, and the work that they give: claim, turn, outbox."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from invent_server.store.tables.base import Json, Micros, one_of
from shared.models import AuthorKind, Handler, MessageKind, Priority, Status

TurnState = Literal["running", "stopped", "done"]
OutboxState = Literal["queued", "sending", "sent", "failed", "uncertain", "withdrawn"]

HIDDEN = 9
"""`need` of a conversation in which nobody has written yet: shown in no list."""


class Conversation(SQLModel, table=True):
    """`version` rises with every change; `epoch` with every change of who may speak (takeover, hand back, resolve).

    `need`, `need_at` order the inbox (store/order.py). `customer_seq` is the customer's newest message, `answered_seq`
    the newest one that is answered or otherwise dealt with, `read_seq` the newest one that a person has read.
    `rated_at`: when the customer rated the chat; once for each closing.
    """

    __table_args__ = (
        one_of("handler", Handler),
        one_of("status", Status),
        one_of("priority", Priority),
        Index(None, "need", "need_at", "id"),
        Index(None, "customer_id", "created_at"),
        Index(None, "assignee_id", "need", "need_at"),
        Index(None, "snoozed_until"),
    )
    id: str = Field(primary_key=True)
    inbox_id: str = Field(foreign_key="inbox.id")
    assistant_id: str = Field(foreign_key="assistant.id")
    customer_id: str = Field(foreign_key="customer.id")
    handler: str = "assistant"
    assignee_id: str | None = Field(default=None, foreign_key="agent.id")
    status: str = "open"
    priority: str = "normal"
    intent: str | None = None
    confidence: float = 0.0
    tags: list[str] = Field(default_factory=list, sa_type=Json)
    language: str | None = None
    unread: int = 0
    version: int = 1
    epoch: int = Field(default=1)
    last_seq: int = 0
    customer_seq: int = 0
    answered_seq: int = 0
    need: int = HIDDEN
    need_at: int = Field(default=0, sa_type=Micros)
    waiting_since: int | None = Field(default=None, sa_type=Micros)
    summary: str = ""
    draft: str = ""
    handoff_reason: str | None = None
    handoff_detail: str | None = None
    last_author: str | None = None
    last_author_name: str = ""
    last_text: str = ""
    last_at: int | None = Field(default=None, sa_type=Micros)
    snoozed_until: int | None = Field(default=None, sa_type=Micros)
    closed_at: int | None = Field(default=None, sa_type=Micros)
    close_reason: str | None = None
    csat: int | None = None
    csat_comment: str | None = None
    rated_at: int | None = Field(default=None, sa_type=Micros)
    read_seq: int | None = None
    created_at: int = Field(sa_type=Micros)
    updated_at: int = Field(sa_type=Micros)


class Message(SQLModel, table=True):
    """`covers_*`: the customer's messages that an assistant's reply answers. `delivery` mirrors the outbox's state."""

    __table_args__ = (
        one_of("author_kind", AuthorKind),
        one_of("kind", MessageKind),
        UniqueConstraint("conversation_id", "seq"),
    )
    id: str = Field(primary_key=True)
    conversation_id: str = Field(foreign_key="conversation.id")
    seq: int
    author_kind: str
    author_id: str | None = None
    author_name: str = ""
    kind: str = "text"
    text: str = ""
    language: str | None = None
    attachments: list[Any] = Field(default_factory=list, sa_type=Json)
    citations: list[Any] = Field(default_factory=list, sa_type=Json)
    outcome: str | None = None
    reason: str | None = None
    delivery: str | None = None
    delivery_error: str | None = None
    turn_id: str | None = None
    covers_first: int | None = None
    covers_last: int | None = None
    client_id: str | None = None
    seen_at: int | None = Field(default=None, sa_type=Micros)
    """When the customer's side told that it was delivered or read."""
    sent_at: int | None = Field(default=None, sa_type=Micros)
    created_at: int = Field(sa_type=Micros)


class File(SQLModel, table=True):
    """A file of a conversation; its contents are in store/blobs.py under the same id, which is random.

    Without `message_id` it was uploaded and not sent (yet): such files go after a day.
    """

    __table_args__ = (Index(None, "message_id", "created_at"),)
    id: str = Field(primary_key=True)
    inbox_id: str = Field(foreign_key="inbox.id")
    conversation_id: str = Field(foreign_key="conversation.id", index=True)
    message_id: str | None = None
    author_kind: str
    name: str
    type: str
    size: int
    created_at: int = Field(sa_type=Micros)


class Receipt(SQLModel, table=True):
    """That a thing from outside was taken in, once per `key` = inbox id + the channel's own id of it."""

    key: str = Field(primary_key=True)
    inbox_id: str = Field(foreign_key="inbox.id")
    conversation_id: str | None = Field(default=None, index=True)
    message_id: str | None = None
    raw: str | None = None
    arrived_at: int | None = Field(default=None, sa_type=Micros)
    """When its request came; `received_at` is when it was written."""
    checked_us: int | None = None
    """Microseconds that were spent on verifying and reading it."""
    received_at: int = Field(sa_type=Micros, index=True)


class Work(SQLModel, table=True):
    """A conversation that waits for the assistant: at most one row each. Every completion checks the token."""

    conversation_id: str = Field(primary_key=True, foreign_key="conversation.id")
    available_at: int = Field(sa_type=Micros, index=True)
    lease_until: int | None = Field(default=None, sa_type=Micros)
    token: str | None = None
    node: str | None = None
    attempts: int = 0


class Turn(SQLModel, table=True):
    """One try of the assistant to deal with what the customer wrote, under one epoch."""

    __table_args__ = (one_of("state", TurnState), Index(None, "conversation_id", "state"))
    id: str = Field(primary_key=True)
    conversation_id: str = Field(foreign_key="conversation.id")
    message_id: str
    epoch: int
    node: str
    token: str
    state: str = "running"
    lease_until: int = Field(sa_type=Micros)
    covers_first: int
    covers_last: int
    outcome: str | None = None
    reason: str | None = None
    detail: str | None = None
    trace: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    started_at: int = Field(sa_type=Micros)
    ended_at: int | None = Field(default=None, sa_type=Micros)


class Prompt(SQLModel, table=True):
    """What a turn asked a model, as [role, text] each; kept for `retention.prompts`."""

    turn_id: str = Field(primary_key=True)
    conversation_id: str = Field(foreign_key="conversation.id", index=True)
    messages: list[Any] = Field(default_factory=list, sa_type=Json)
    created_at: int = Field(sa_type=Micros, index=True)


class Outbox(SQLModel, table=True):
    """A message on its way to the customer. `sending` without a live lease = nobody knows: `uncertain`."""

    __table_args__ = (
        one_of("state", OutboxState),
        Index(None, "state", "available_at"),
        Index(None, "conversation_id", "state"),
    )
    message_id: str = Field(primary_key=True, foreign_key="message.id")
    conversation_id: str = Field(foreign_key="conversation.id")
    inbox_id: str = Field(foreign_key="inbox.id")
    seq: int
    author_kind: str
    epoch: int
    state: str = "queued"
    attempts: int = 0
    available_at: int = Field(sa_type=Micros)
    lease_until: int | None = Field(default=None, sa_type=Micros)
    token: str | None = None
    node: str | None = None
    external_id: str | None = None
    error: str | None = None
    tries: list[Any] | None = Field(default=None, sa_type=Json)
    """Each try: [began, ended, what came of it, error], times in microseconds."""
    created_at: int = Field(sa_type=Micros)
    sent_at: int | None = Field(default=None, sa_type=Micros)
