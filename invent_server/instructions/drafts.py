"""The draft of an assistant's instructions: one for all colleagues, changed section by section.

Whoever saves names the revision that he began with; a section that somebody else has changed meanwhile is refused with
its present text, so that nobody's words are lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session, select

from invent_server.conversations.errors import Refused
from invent_server.instructions import versions
from invent_server.models import budget
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import announce, now
from shared.instructions import (
    SECTION_LIMIT,
    SECTIONS,
    Instructions,
    InstructionSection,
    InstructionVersion,
    Section,
    as_lines,
)
from shared.text import clean


def rows(session: Session, owner: t.Assistant) -> dict[str, t.InstructionDraft]:
    """The sections that were ever edited."""
    found = session.exec(select(t.InstructionDraft).where(t.InstructionDraft.assistant_id == owner.id))
    return {one.section: one for one in found}


def texts(session: Session, owner: t.Assistant) -> dict[Section, str]:
    """The draft of all sections."""
    published, drafts = versions.sections(session, owner, owner.published), rows(session, owner)
    return {name: drafts[name].text if name in drafts else published[name] for name in SECTIONS}


def revision(session: Session, owner: t.Assistant) -> int:
    """The whole draft's: rises with every change of any section."""
    return sum(one.revision for one in rows(session, owner).values())


def shown(session: Session, owner: t.Assistant, limit: int) -> Instructions:
    """Draft and published version side by side."""
    published, drafts = versions.sections(session, owner, owner.published), rows(session, owner)
    found = [_section(name, drafts.get(name), published[name]) for name in SECTIONS]
    return Instructions(
        assistant=owner.slug,
        version=versions.shown(session, owner, owner.published, texts=False),
        sections=found,
        revision=sum(one.revision for one in found),
        tokens=sum(budget.tokens(one.text) for one in found),
        limit=limit,
    )


def _section(name: Section, draft: t.InstructionDraft | None, published: str) -> InstructionSection:
    text = draft.text if draft is not None else published
    return InstructionSection(
        section=name,
        text=text,
        published=published,
        changed=text != published,
        revision=draft.revision if draft is not None else 0,
        author=draft.author if draft is not None else "",
        updated_at=wire.at(draft.updated_at) if draft is not None else None,
        rules=as_lines(name, text),
    )


def edit(
    session: Session, owner: t.Assistant, name: Section, text: str, expected: int | None, author: str
) -> InstructionSection:
    """Save one section of the draft. `owner` is locked. Raises Refused: stale, or too long."""
    text = clean(text, len(text) + 1).strip()
    if len(text) > SECTION_LIMIT:
        problem = f"has {len(text):,} characters; a section takes {SECTION_LIMIT:,}: shorten it"
        raise Refused("invalid", f"text: {problem}", [{"field": "text", "problem": problem}])
    draft = rows(session, owner).get(name)
    published = versions.sections(session, owner, owner.published)[name]
    current = draft.revision if draft is not None else 0
    if expected is not None and expected != current:
        by = f" by {draft.author}" if draft is not None and draft.author else ""
        raise Refused(
            "stale",
            f"{name} was changed{by} meanwhile (revision {current}); look at it and save again",
            _section(name, draft, published).model_dump(mode="json"),
        )
    if draft is None:
        draft = t.InstructionDraft(
            assistant_id=owner.id, section=name, text=published, revision=0, updated_at=now(session)
        )
    if text != draft.text:
        draft.text, draft.author = text, author
        draft.revision, draft.updated_at = draft.revision + 1, now(session)
        session.add(draft)
        announce(session, versions.UPDATED, owner.id, detail=name)
    return _section(name, draft, published)


def publish(
    session: Session, owner: t.Assistant, author: str, note: str, expected: int | None, limit: int
) -> InstructionVersion:
    """The draft becomes the next version. `expected`: the draft's revision that was looked at. Raises Refused."""
    current = revision(session, owner)
    if expected is not None and expected != current:
        raise Refused("stale", f"the draft was changed meanwhile (revision {current}); look at the difference again")
    draft = texts(session, owner)
    if draft == versions.sections(session, owner, owner.published):
        raise Refused("invalid", "there is nothing to publish: the draft is what is published")
    return versions.publish(session, owner, draft, author, note, limit)


def roll_back(
    session: Session, owner: t.Assistant, number: int, author: str, note: str, limit: int
) -> InstructionVersion:
    """Publish an old version anew. Sections with unpublished changes keep them in the draft. Raises Refused."""
    before: Mapping[Section, str] = versions.sections(session, owner, owner.published)
    wanted = versions.sections(session, owner, number)
    if wanted == before:
        raise Refused("invalid", f"version {number} says what is published already")
    made = versions.publish(session, owner, wanted, author, note, limit, restored=number)
    drafts = rows(session, owner)
    for name in SECTIONS:
        draft = drafts.get(name)
        if draft is not None and draft.text == before[name] != wanted[name]:
            draft.text, draft.author = wanted[name], author
            draft.revision, draft.updated_at = draft.revision + 1, now(session)
            session.add(draft)
    return made


def limit_of(num_ctx: int, num_predict: int) -> int:
    """Tokens that instructions may cost: a third of a prompt, the rest is for passages and chat."""
    return (num_ctx - num_predict - budget.MARGIN) // 3
