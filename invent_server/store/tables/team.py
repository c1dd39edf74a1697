"""Assistants, inboxes and the people who work in them."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field, SQLModel

from invent_server.store.tables.base import Json, Micros, one_of
from shared.models import Mode, Role


class Meta(SQLModel, table=True):
    """Facts about this database: `instance`, `demo`, ..."""

    name: str = Field(primary_key=True)
    value: str


class Assistant(SQLModel, table=True):
    id: str = Field(primary_key=True)
    slug: str = Field(unique=True)
    name: str
    company: str = ""
    language: str = "en"
    published: int = 0
    """Number of the instructions in force (tables/instructions.py)."""
    model: str = ""
    """The model that writes its answers, by Ollama's name; `none`; empty: nobody has chosen."""
    created_at: int = Field(sa_type=Micros)


class Inbox(SQLModel, table=True):
    """One connected channel. Secret settings are encrypted (store/secrets.py)."""

    __table_args__ = (one_of("mode", Mode),)
    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    kind: str
    assistant_id: str = Field(foreign_key="assistant.id")
    enabled: bool = True
    mode: str = "automatic"
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_at: int = Field(sa_type=Micros)


class Agent(SQLModel, table=True):
    __table_args__ = (one_of("role", Role),)
    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    role: str = "agent"
    language: str = "en"
    timezone: str = "UTC"
    disabled: bool = False
    last_seen_at: int | None = Field(default=None, sa_type=Micros)
    created_at: int = Field(sa_type=Micros)


class AgentInbox(SQLModel, table=True):
    """Which inboxes an agent may see; no row = all."""

    __tablename__ = "agent_inbox"
    agent_id: str = Field(primary_key=True, foreign_key="agent.id", ondelete="CASCADE")
    inbox_id: str = Field(primary_key=True, foreign_key="inbox.id", ondelete="CASCADE")


class AgentToken(SQLModel, table=True):
    """SHA-256 of a 256-bit random token: the token itself is stored nowhere."""

    __tablename__ = "agent_token"
    id: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="agent.id", index=True, ondelete="CASCADE")
    hash: str = Field(unique=True)
    label: str = ""
    created_at: int = Field(sa_type=Micros)
    expires_at: int | None = Field(default=None, sa_type=Micros)
    revoked_at: int | None = Field(default=None, sa_type=Micros)


class AgentKey(SQLModel, table=True):
    """A public ssh key that opens an agent's inbox. `public`: type and base64, without comment."""

    __tablename__ = "agent_key"
    id: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="agent.id", index=True, ondelete="CASCADE")
    fingerprint: str = Field(unique=True)
    public: str
    comment: str = ""
    created_at: int = Field(sa_type=Micros)
    used_at: int | None = Field(default=None, sa_type=Micros)
    used_from: str = ""


class Idempotency(SQLModel, table=True):
    """The answer to a command that carried an Idempotency-Key, to be given again."""

    token_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request: str
    status: int
    answer: str
    created_at: int = Field(sa_type=Micros, index=True)
