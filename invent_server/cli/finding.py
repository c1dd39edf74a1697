"""One line of `invent doctor`."""

from __future__ import annotations

from typing import Literal, NamedTuple

OK: Literal["ok"] = "ok"
NOTE: Literal["note"] = "note"
WRONG: Literal["wrong"] = "wrong"


class Finding(NamedTuple):
    """What was looked at, how it is, and the command that mends it."""

    name: str
    state: Literal["ok", "note", "wrong"]
    text: str
    remedy: str = ""
