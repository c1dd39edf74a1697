"""How the server can answer or not answer. Apart from the client, so that the screen need not load it."""

from __future__ import annotations

from typing import Generic, Literal, NamedTuple, TypeVar

Value = TypeVar("Value")
Link = Literal["connecting", "live", "lost"]


class ApiError(Exception):
    """The server refused. `code` as in shared/commands.py, `status` the HTTP status."""

    def __init__(self, status: int, code: str, message: str, details: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details


class Unauthorized(ApiError):
    """The token is unknown, revoked or expired: nothing but a new one helps."""


class Unreachable(Exception):
    """No answer: the server is away, or the line is."""


class Answer(NamedTuple, Generic[Value]):
    """A value and the event seq up to which it is true."""

    value: Value
    seq: int
