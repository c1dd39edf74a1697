"""Drafts and versions on both databases, many hands at once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from sqlmodel import Session

from invent_server import team
from invent_server.conversations.errors import Refused
from invent_server.instructions import drafts, versions
from invent_server.store.database import Store
from shared.instructions import SECTIONS

LIMIT = 2000


async def test_versions_are_numbered_without_gaps_whoever_publishes(store: Store) -> None:
    await store.write(team.first_start)

    def publish(session: Session, name: str) -> int:
        owner = versions.assistant(session, "default", lock=True)
        drafts.edit(session, owner, "tone", f"By {name}.", None, name)
        return drafts.publish(session, owner, name, "", None, LIMIT).version

    made = await asyncio.gather(*(store.write(partial(publish, name=f"agent{n}")) for n in range(12)))
    assert sorted(made) == list(range(1, 13))

    def look(session: Session) -> list[tuple[int, str, str]]:
        owner = versions.assistant(session, "default")
        found = [versions.shown(session, owner, number) for number in range(1, 13)]
        return [(one.version, one.author, one.sections["tone"]) for one in found]

    for _, author, text in await store.read(look):
        assert text == f"By {author}.", "a version holds somebody else's text"


async def test_of_many_who_save_one_section_one_wins(store: Store) -> None:
    await store.write(team.first_start)

    def save(session: Session, name: str) -> str:
        owner = versions.assistant(session, "default", lock=True)
        return drafts.edit(session, owner, "flow", f"By {name}.", 0, name).text

    tries = (store.write(partial(save, name=f"agent{n}")) for n in range(8))
    results = await asyncio.gather(*tries, return_exceptions=True)
    kept = [one for one in results if isinstance(one, str)]
    refused = [one for one in results if isinstance(one, Refused)]
    assert (len(kept), len(refused)) == (1, 7)
    assert {one.code for one in refused} == {"stale"}
    draft = await store.read(lambda s: drafts.texts(s, versions.assistant(s, "default")))
    assert draft["flow"] == kept[0]


async def test_rolling_back_keeps_what_is_not_published(store: Store) -> None:
    await store.write(team.first_start)

    def walk(session: Session) -> None:
        owner = versions.assistant(session, "default", lock=True)
        before = versions.sections(session, owner, 0)
        drafts.edit(session, owner, "tone", "One.", 0, "ana")
        drafts.publish(session, owner, "ana", "first", None, LIMIT)
        drafts.edit(session, owner, "goals", "Mine.", 0, "ana")
        made = drafts.roll_back(session, owner, 0, "eva", "", LIMIT)
        assert (made.version, made.restored, made.author) == (2, 0, "eva")
        assert versions.sections(session, owner, 2) == before
        now = drafts.texts(session, owner)
        assert (now["tone"], now["goals"]) == (before["tone"], "Mine.")
        with pytest.raises(Refused, match="published already"):
            drafts.roll_back(session, owner, 2, "eva", "", LIMIT)
        shown = drafts.shown(session, owner, LIMIT)
        assert [one.section for one in shown.sections if one.changed] == ["goals"]
        assert set(now) == set(SECTIONS)

    await store.write(walk)
