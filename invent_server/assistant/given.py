"""What a turn is given: the customer's lines, what was said before, whose assistant speaks, and by which instructions.

The same for a turn that answers and for one that is only rehearsed (replay.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam
from sqlmodel import Session, col, select

from invent_server.assistant.rules import Instructions
from invent_server.assistant.types import Line, Remembered, TurnInput
from invent_server.conversations.hours import schedule
from invent_server.instructions import versions
from invent_server.instructions.templates import template
from invent_server.models.scheduler import Priority
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import now
from shared.instructions import tidy
from shared.text import clean, clean_line

HISTORY = 30
EVER = 2**62
"""A time after every other."""

# Made once: building a statement takes longer than running it. Columns, not rows: nothing of them is changed.
UNANSWERED: Any = (
    select(t.Message.seq, t.Message.text)
    .where(
        t.Message.conversation_id == bindparam("conversation"),
        t.Message.author_kind == "customer",
        t.Message.seq > bindparam("answered"),
    )
    .order_by(col(t.Message.seq))
)
EARLIER: Any = (
    select(t.Message.author_kind, t.Message.text, t.Message.outcome, t.Message.reason)
    .where(
        t.Message.conversation_id == bindparam("conversation"),
        t.Message.seq < bindparam("first"),
        col(t.Message.kind).in_(wire.VISIBLE_KINDS),
    )
    .order_by(col(t.Message.seq).desc())
    .limit(HISTORY)
)
PARTIES: Any = (
    select(  # type: ignore[call-overload]
        t.Inbox.kind,
        t.Inbox.mode,
        t.Inbox.settings,
        col(t.Assistant.name).label("speaker"),
        col(t.InstructionVersion.id).label("told"),
        t.Assistant.company,
        col(t.Assistant.language).label("default_language"),
        col(t.Customer.name).label("customer"),
        col(t.Customer.language).label("locale"),
    )
    .select_from(t.Conversation)
    .join(t.Inbox, t.Inbox.id == t.Conversation.inbox_id)
    .join(t.Assistant, t.Assistant.id == t.Conversation.assistant_id)
    .join(t.Customer, t.Customer.id == t.Conversation.customer_id)
    .outerjoin(
        t.InstructionVersion,
        and_(
            col(t.InstructionVersion.assistant_id) == t.Assistant.id,
            col(t.InstructionVersion.number) == t.Assistant.published,
        ),
    )
    .where(t.Conversation.id == bindparam("conversation"))
)
MEMORIES: Any = (
    select(t.Memory.type, t.Memory.text)
    .where(t.Memory.customer_id == bindparam("customer"), t.Memory.created_at <= bindparam("upto"))
    .order_by(col(t.Memory.created_at))
)


def parties(session: Session, conversation_id: str) -> Any:
    """Inbox, assistant and customer of a conversation, as one row."""
    return session.exec(PARTIES, params={"conversation": conversation_id}).one()


def given(
    session: Session,
    row: t.Conversation,
    who: Any,
    unanswered: Sequence[tuple[int, str]],
    *,
    upto: int = EVER,
    instructions: Instructions | None = None,
) -> TurnInput:
    """The turn that answers `unanswered` (seq and text, at least one), knowing what stands before the first of them.

    `who`: from `parties`. `upto`: memories that came after this moment are left out. `instructions`: others than the
    published ones.
    """
    before = {"conversation": row.id, "first": unanswered[0][0]}
    earlier = session.exec(EARLIER, params=before).all()
    memories = session.exec(MEMORIES, params={"customer": row.customer_id, "upto": upto}).all()
    spoken = any(author == "assistant" for author, *_ in earlier)
    return TurnInput(
        conversation_id=row.id,
        customer=clean_line(who.customer),
        unanswered=tuple(clean(text) for _, text in unanswered),
        history=tuple(
            Line(author, clean(text), outcome, reason and clean_line(reason))
            for author, text, outcome, reason in reversed(earlier)
        ),
        language=row.language if spoken else None,
        locale=who.locale or row.language,
        memories=tuple(Remembered(type_, clean(text)) for type_, text in memories),
        company=clean_line(who.company),
        default_language=who.default_language,
        hours=schedule(who.settings),
        at=now(session) if upto == EVER else upto,
        instructions=instructions or published(session, who),
    )


class Speaker(NamedTuple):
    """An assistant outside a conversation, as `published` wants to know it."""

    told: str | None
    default_language: str
    company: str


def question(session: Session, slug: str, text: str, language: str | None) -> TurnInput:
    """The turn that answers `text` as a customer's first line, only to see what would be said. Raises Refused."""
    row = versions.assistant(session, slug)
    version = versions.row(session, row, row.published)
    who = Speaker(version.id if version else None, row.language, row.company)
    return TurnInput(
        conversation_id="",
        customer="",
        unanswered=(text,),
        history=(),
        language=None,
        locale=language,
        company=clean_line(row.company),
        default_language=row.language,
        instructions=published(session, who),
        priority=Priority.AGENT,
        rehearsal=True,
    )


def published(session: Session, who: Any) -> Instructions:
    """The instructions in force, read once for each version. `who.told`: the version's id; None: the templates."""
    if who.told is None:
        return _template(who.default_language, who.company)
    found = _CACHE.get(who.told)
    if found is None:
        row = session.get_one(t.InstructionVersion, who.told)
        found = Instructions(row.number, tidy(row.sections))
        if len(_CACHE) >= _MOST:
            _CACHE.clear()
        _CACHE[row.id] = found
    return found


_MOST = 64
_CACHE: dict[str, Instructions] = {}
"""By the version's id, which is never used again: what was read stays right."""


@lru_cache(maxsize=_MOST)
def _template(language: str, company: str) -> Instructions:
    return Instructions(0, template(language, company))
