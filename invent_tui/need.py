"""The order of need, and the filter language judged on this side of the line. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from shared.clock import from_rfc3339

if TYPE_CHECKING:
    from shared.filters import Term
    from shared.models import Conversation

WAITING, MINE, AGENTS, ASSISTANT, SNOOZED, CLOSED = range(6)
_FAR = 4 * 10**15
"""Beyond any time of ours: `_FAR - t` sorts the latest first and after everything that waits."""
Place = tuple[int, int, int, str]
"""Where a conversation stands: group, urgency, time, id. Smaller comes first."""


@lru_cache(maxsize=8192)
def micros(time: str) -> int:
    """A wire time as microseconds; 0 when it is none (a broken peer must not take the list down)."""
    try:
        return from_rfc3339(time)
    except ValueError:
        return 0


def group(chat: Conversation, me: str) -> int:
    """The group of a conversation for the agent named `me`."""
    if chat.status == "closed":
        return CLOSED
    if chat.status == "snoozed":
        return SNOOZED
    if chat.handler == "queue":
        return WAITING
    if chat.handler == "assistant":
        return ASSISTANT
    return MINE if chat.assignee == me else AGENTS


def place(chat: Conversation, me: str) -> Place:
    """The server's order seen by `me`: waiting first (urgent, then the longest wait), then mine, other agents', the
    assistant's, snoozed, closed. Inside a group whose customer waits for nobody the latest comes first."""
    number = group(chat, me)
    latest_first = _FAR - (micros(chat.last_message.created_at) if chat.last_message else 0)
    waits = number in (WAITING, MINE, AGENTS) and chat.waiting_since is not None
    at = micros(chat.waiting_since or "") if waits else latest_first
    return (number, 0 if number == WAITING and chat.priority == "urgent" else 1, at, chat.id)


def matches(terms: tuple[Term, ...], chat: Conversation, me: str, now: int) -> bool | None:
    """Whether a conversation passes the filter; None when only the server can tell (words in its messages)."""
    verdict: bool | None = True
    for term in terms:
        found = _holds(term, chat, me, now)
        if found is None:
            verdict = None
        elif found is term.negated:
            return False
    return verdict


def _holds(term: Term, chat: Conversation, me: str, now: int) -> bool | None:
    key, values = term.key, term.values
    if key == "is":
        return any(_is(value, chat, me) for value in values)
    if key == "channel":
        return chat.channel in values
    if key == "inbox":
        return chat.inbox in values
    if key == "assignee":
        wanted = {me if value == "me" else value for value in values}
        return chat.assignee in wanted or (chat.assignee is None and "none" in wanted)
    if key == "handler":
        return chat.handler in values
    if key == "priority":
        return chat.priority in values
    if key == "lang":
        return chat.language in values
    if key == "intent":
        return (chat.intent.label or "").casefold() in {value.casefold() for value in values}
    if key == "tag":
        return bool({tag.casefold() for tag in chat.tags} & {value.casefold() for value in values})
    if key in ("older", "newer"):
        age = (now - micros(chat.updated_at)) / 1_000_000
        return any(age > float(value) if key == "older" else age <= float(value) for value in values)
    return None


def _is(value: str, chat: Conversation, me: str) -> bool:
    number = group(chat, me)
    return {
        "unread": chat.unread > 0,
        "waiting": number == WAITING,
        "mine": number == MINE,
        "assistant": number == ASSISTANT,
        "open": chat.status == "open",
        "snoozed": chat.status == "snoozed",
        "closed": chat.status == "closed",
    }[value]
