"""The inbox filter language: words and `[-]key:value`; all terms must hold, `,` inside a value means "or".

    is:waiting -channel:mail tag:refund,vip customer:"Lucía Fernández" older:2h pedido

`parse` makes a small tree; the server turns it into SQL, the inbox shows where it is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.clock import seconds

IS = ("unread", "waiting", "mine", "assistant", "open", "snoozed", "closed")
CHANNELS = {
    "wa": "whatsapp",
    "ig": "instagram",
    "fb": "messenger",
    "sl": "slack",
    "tg": "telegram",
    "mail": "email",
    "web": "web",
    "api": "api",
}
KINDS = tuple(CHANNELS.values())
HANDLERS = ("assistant", "queue", "agent")
PRIORITIES = ("low", "normal", "high", "urgent")
KEYS = (
    "is",
    "channel",
    "inbox",
    "assignee",
    "handler",
    "intent",
    "tag",
    "priority",
    "lang",
    "customer",
    "older",
    "newer",
    "text",
)
_FIXED: dict[str, tuple[str, ...]] = {"is": IS, "handler": HANDLERS, "priority": PRIORITIES}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class FilterError(ValueError):
    """A filter that cannot be understood. `position` counts characters from 0."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"at position {position}: {problem}")
        self.position = position
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of `values` holds for `key` (or, `negated`, none does). Words have the key `text`.

    `older` and `newer` have their duration in seconds as text; channel values are channel kinds.
    """

    key: str
    values: tuple[str, ...]
    negated: bool = False


def parse(source: str) -> tuple[Term, ...]:
    """The terms of a filter, in order. Raises FilterError."""
    terms: list[Term] = []
    at = 0
    while at < len(source):
        if source[at].isspace():
            at += 1
            continue
        start = at
        negated = source[at] == "-" and at + 1 < len(source) and not source[at + 1].isspace()
        if negated:
            at += 1
        match = re.compile(r"([A-Za-z_]+):").match(source, at)
        if match is None:
            word, at = _value(source, at, stop_at_comma=False)
            terms.append(Term("text", (word,), negated))
            continue
        key = match[1].lower()
        if key not in KEYS:
            raise FilterError(start, f"unknown key {key!r}; known are {', '.join(KEYS)}")
        at = match.end()
        values: list[str] = []
        while True:
            value_at = at
            value, at = _value(source, at, stop_at_comma=True)
            values.append(_checked(key, value, value_at))
            if at < len(source) and source[at] == ",":
                at += 1
                continue
            break
        terms.append(Term(key, tuple(values), negated))
    return tuple(terms)


def _value(source: str, at: int, *, stop_at_comma: bool) -> tuple[str, int]:
    if at < len(source) and source[at] == '"':
        match = _QUOTED.match(source, at)
        if match is None:
            raise FilterError(at, 'a closing " is missing')
        return re.sub(r"\\(.)", r"\1", match[1]), match.end()
    end = at
    while end < len(source) and not source[end].isspace() and not (stop_at_comma and source[end] == ","):
        end += 1
    return source[at:end], end


def _checked(key: str, value: str, at: int) -> str:
    if not value:
        raise FilterError(at, f"{key}: needs a value")
    folded = value.casefold()
    if key in _FIXED:
        if folded not in _FIXED[key]:
            raise FilterError(at, f"{key}: takes {', '.join(_FIXED[key])}; not {value!r}")
        return folded
    if key == "channel":
        kind = CHANNELS.get(folded, folded)
        if kind not in KINDS:
            raise FilterError(at, f"channel: takes {', '.join(CHANNELS)} or a kind; not {value!r}")
        return kind
    if key in ("older", "newer"):
        try:
            return str(seconds(folded))
        except ValueError:
            raise FilterError(at, f"{key}: takes a duration such as 30m, 2h or 7d; not {value!r}") from None
    return value
