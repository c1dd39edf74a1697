"""What `invent setup` works on beside channels and agents: the company, its model, how far somebody has come.

Each function runs in a transaction.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from invent_server.conversations.errors import not_found
from invent_server.store import tables as t
from invent_server.store.database import Store
from shared import commands as c
from shared import models as m

DEMO = "demo"
_DONE = "setup:"


def progress(session: Session) -> m.Setup:
    """Which steps are done, and whether this is the demo's directory."""
    names = session.exec(select(t.Meta.name).where(col(t.Meta.name).startswith(_DONE))).all()
    return m.Setup(demo=session.get(t.Meta, DEMO) is not None, done=sorted(name.removeprefix(_DONE) for name in names))


def done(session: Session, step: str) -> m.Setup:
    """Remember that a step is done."""
    if session.get(t.Meta, _DONE + step) is None:
        session.add(t.Meta(name=_DONE + step, value="1"))
        session.flush()
    return progress(session)


class ChosenModel:
    """The model that `invent models use` has given to the assistant (models/chat_model.py Choice)."""

    def __init__(self, store: Store, slug: str = "default") -> None:
        self._store = store
        self._slug = slug

    async def read(self) -> str:
        """The name; empty while nobody has chosen."""
        return await self._store.read(lambda session: assistant_row(session, self._slug).model)

    async def keep(self, name: str) -> None:
        """Write with this one from now on."""

        def write(session: Session) -> None:
            row = assistant_row(session, self._slug)
            row.model = name
            session.add(row)

        await self._store.write(write)


def assistants(session: Session) -> list[m.Assistant]:
    """All assistants by name."""
    return [_wire(row) for row in session.exec(select(t.Assistant).order_by(t.Assistant.slug))]


def patch_assistant(session: Session, slug: str, body: c.PatchAssistant) -> m.Assistant:
    """Change the company that an assistant speaks for, its name, or its language."""
    row = assistant_row(session, slug)
    for field, value in body.model_dump(exclude_none=True).items():
        setattr(row, field, value)
    session.add(row)
    session.flush()
    return _wire(row)


def assistant_row(session: Session, slug: str) -> t.Assistant:
    row = session.exec(select(t.Assistant).where(t.Assistant.slug == slug)).one_or_none()
    if row is None:
        raise not_found(f"assistant {slug!r}")
    return row


def _wire(row: t.Assistant) -> m.Assistant:
    return m.Assistant(slug=row.slug, name=row.name, company=row.company, language=row.language, model=row.model)
