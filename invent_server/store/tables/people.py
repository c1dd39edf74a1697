"""Customers, how they are known on each channel, and what is remembered about them."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from invent_server.store.tables.base import Micros, one_of
from shared.models import MemoryType


class Customer(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str = ""
    email: str | None = Field(default=None, index=True)
    phone: str | None = Field(default=None, index=True)
    language: str | None = None
    created_at: int = Field(sa_type=Micros)
    updated_at: int = Field(sa_type=Micros)


class Identity(SQLModel, table=True):
    """A customer's name on one inbox. `verified`: proven by a signature, not claimed."""

    __table_args__ = (UniqueConstraint("inbox_id", "external_id"), Index(None, "customer_id"))
    id: str = Field(primary_key=True)
    customer_id: str = Field(foreign_key="customer.id")
    inbox_id: str = Field(foreign_key="inbox.id")
    external_id: str
    verified: bool = False
    created_at: int = Field(sa_type=Micros)


class Memory(SQLModel, table=True):
    """One lasting fact about a customer, at most 200 characters."""

    __table_args__ = (one_of("type", MemoryType), Index(None, "customer_id", "created_at"))
    id: str = Field(primary_key=True)
    customer_id: str = Field(foreign_key="customer.id")
    type: str = "fact"
    text: str
    pinned: bool = False
    author: str = ""
    created_at: int = Field(sa_type=Micros)
    updated_at: int = Field(sa_type=Micros)
