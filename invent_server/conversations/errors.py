"""Refusals of a command, in the API's own codes (shared/commands.py ERRORS)."""

from __future__ import annotations


class Refused(Exception):
    """A command that is not carried out. Nothing was changed."""

    def __init__(self, code: str, message: str, details: object = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.retry_after = retry_after


def not_found(what: str) -> Refused:
    return Refused("not_found", f"there is no such {what}")
