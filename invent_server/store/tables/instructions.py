"""An assistant's instructions: what is published, version by version, and the draft that colleagues share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from invent_server.store.tables.base import Json, Micros, one_of
from shared.instructions import Section


class InstructionVersion(SQLModel, table=True):
    """A published set of all sections; never changed. `assistant.published` names the one in force, 0 = the templates.

    `restored`: the number of the version that this one brought back.
    """

    __tablename__ = "instruction_version"
    __table_args__ = (UniqueConstraint("assistant_id", "number"),)
    id: str = Field(primary_key=True)
    assistant_id: str = Field(foreign_key="assistant.id")
    number: int
    sections: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    note: str = ""
    author: str = ""
    restored: int | None = None
    created_at: int = Field(sa_type=Micros)


class InstructionDraft(SQLModel, table=True):
    """One section as it is being written; a section without a row is as published. `revision` never goes back."""

    __tablename__ = "instruction_draft"
    __table_args__ = (one_of("section", Section),)
    assistant_id: str = Field(primary_key=True, foreign_key="assistant.id")
    section: str = Field(primary_key=True)
    text: str
    revision: int = 1
    author: str = ""
    updated_at: int = Field(sa_type=Micros)
