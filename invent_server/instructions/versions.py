"""Published instructions: read, publish, roll back. A version is never changed; the next one has the next number."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session, col, select

from invent_server.conversations.errors import Refused, not_found
from invent_server.instructions.templates import template
from invent_server.models import budget
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import announce, now
from shared.ids import new_id
from shared.instructions import SECTIONS, InstructionVersion, Section, tidy
from shared.text import clean_line

UPDATED = "instructions.updated"


def assistant(session: Session, slug: str, *, lock: bool = False) -> t.Assistant:
    """An assistant by its name; `lock`: whoever changes its instructions goes one after the other."""
    query = select(t.Assistant).where(t.Assistant.slug == slug)
    row = session.exec(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found(f"assistant {slug!r}")
    return row


def row(session: Session, owner: t.Assistant, number: int) -> t.InstructionVersion | None:
    """A published version as it is stored; None for the templates. Raises Refused for one that never was."""
    if number == 0:
        return None
    found = session.exec(
        select(t.InstructionVersion).where(
            t.InstructionVersion.assistant_id == owner.id, t.InstructionVersion.number == number
        )
    ).one_or_none()
    if found is None:
        raise not_found(f"version {number} of the instructions")
    return found


def sections(session: Session, owner: t.Assistant, number: int) -> dict[Section, str]:
    """The texts of a version. Raises Refused."""
    found = row(session, owner, number)
    return template(owner.language, owner.company) if found is None else tidy(found.sections)


def shown(session: Session, owner: t.Assistant, number: int, *, texts: bool = True) -> InstructionVersion:
    """A version as the API tells it. Raises Refused."""
    found = row(session, owner, number)
    mine = sections(session, owner, number)
    before = sections(session, owner, number - 1) if number > 0 else mine
    return InstructionVersion(
        version=number,
        note=found.note if found else "",
        author=found.author if found else "",
        restored=found.restored if found else None,
        changed=[name for name in SECTIONS if mine[name] != before[name]],
        sections=mine if texts else {},
        created_at=wire.at(found.created_at) if found else None,
    )


def history(session: Session, owner: t.Assistant, limit: int, before: int | None) -> list[InstructionVersion]:
    """Versions without their texts, the newest first, down to the templates (0)."""
    first = owner.published if before is None else min(owner.published, before - 1)
    return [shown(session, owner, number, texts=False) for number in range(first, max(-1, first - limit), -1)]


def publish(
    session: Session,
    owner: t.Assistant,
    texts: Mapping[Section, str],
    author: str,
    note: str,
    limit: int,
    restored: int | None = None,
) -> InstructionVersion:
    """Make `texts` the next version, in force from this commit on. `owner` is locked. Raises Refused."""
    cost = {name: budget.tokens(text) for name, text in texts.items()}
    if sum(cost.values()) > limit:
        longest = max(cost, key=lambda name: cost[name])
        raise Refused(
            "invalid",
            f"the sections cost about {sum(cost.values())} tokens in every prompt; {limit} fit beside passages and"
            f" chat. Shorten them ({longest} alone costs {cost[longest]}) or raise models.num_ctx",
            [{"field": "sections", "problem": "too long together"}],
        )
    newest = session.exec(
        select(t.InstructionVersion.number)
        .where(t.InstructionVersion.assistant_id == owner.id)
        .order_by(col(t.InstructionVersion.number).desc())
        .limit(1)
    ).first()
    owner.published = (newest or 0) + 1
    session.add(owner)
    session.add(
        t.InstructionVersion(
            id=new_id(),
            assistant_id=owner.id,
            number=owner.published,
            sections={str(name): text for name, text in texts.items()},
            note=clean_line(note),
            author=author,
            restored=restored,
            created_at=now(session),
        )
    )
    session.flush()
    announce(session, UPDATED, owner.id, detail="published")
    return shown(session, owner, owner.published)
