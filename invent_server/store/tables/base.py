"""What all tables share: names of constraints (batch migrations need them), column types and checks."""

from __future__ import annotations

from typing import Any, get_args

import orjson
from sqlalchemy import BigInteger, CheckConstraint, Dialect, Text
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Micros = BigInteger
"""Microseconds since 1970 UTC; also every counter."""


class Json(TypeDecorator[Any]):
    """A small list or object as JSON text, the same on both dialects."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


def one_of(column: str, literal: Any) -> CheckConstraint:
    """`column` holds one of the values of a Literal type (an enumeration as checked text)."""
    values = ", ".join(f"'{value}'" for value in get_args(literal))
    return CheckConstraint(f"{column} IN ({values})", name=column)
