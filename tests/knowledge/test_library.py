"""SQL is the truth, the index follows it: through changes, deaths, losses, and other servers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlmodel import select

from invent_server import team
from invent_server.knowledge import library as module
from invent_server.knowledge import records
from invent_server.knowledge.articles import Article, article_of, file_of
from invent_server.knowledge.library import Library
from invent_server.knowledge.types import IndexState, IndexUnavailable
from invent_server.store import tables as t
from invent_server.store.database import Store
from shared.commands import PostSource
from tests.support.databases import Database
from tests.support.fixtures import clock, database, dialect, store, templates

__all__ = ["clock", "database", "dialect", "store", "templates"]

ARTICLES = [
    Article(
        "Returns", "You have 30 days to return an article.\n\n## Refund\n\nThe money is back in five days.", lang="en"
    ),
    Article("Envíos", "Enviamos los pedidos en dos días a toda la península."),
    Article("Warranty", "Every product has a warranty of three years.", lang="en"),
]


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH", 0.05)


async def opened(store: Store, database: Database, **more: str) -> Library:
    made = Library(store, database.settings(**more))
    await made.start()
    await until(lambda: made.ready)
    return made


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
async def library(store: Store, database: Database) -> AsyncIterator[Library]:
    await store.write(team.first_start)
    made = await opened(store, database)
    yield made
    await made.close()


async def titles(library: Library, text: str) -> list[str]:
    return [hit.chunk.title for hit in (await library.search(text)).hits]


async def test_added_articles_are_found_and_their_language_named(library: Library, store: Store) -> None:
    made = await library.add(ARTICLES)
    await library.settled()
    assert (await titles(library, "can i return an article"))[0] == "Returns"
    assert (await titles(library, "cuánto tardan los envíos"))[0] == "Envíos"
    job = await store.read(lambda s: s.get_one(t.Job, made.job))
    assert (job.state, job.done, job.total, job.errors) == ("done", 3, 3, 0)
    pages = await store.read(lambda s: s.exec(select(t.Page)).all())
    assert {page.title: page.lang for page in pages} == {"Returns": "en", "Envíos": "es", "Warranty": "en"}
    assert all(page.status == "processed" and page.chunks for page in pages)


async def test_jobs_that_wait_share_a_commit_of_the_index(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = 0
    commit = library._index.commit

    async def counted(revision: int | None) -> IndexState:
        nonlocal commits
        commits += 1
        return await commit(revision)

    monkeypatch.setattr(library._index, "commit", counted)
    many = [
        Article(f"Thing {at}", f"All that there is to know about thing number {at}.", lang="en") for at in range(40)
    ]
    await asyncio.gather(*(library.add([one]) for one in many))
    await library.settled()
    assert commits <= 8, "one for each of forty files would be forty"
    assert (await titles(library, "thing number 17"))[0] == "Thing 17"


async def test_removed_sources_are_gone_from_both(library: Library, store: Store) -> None:
    await library.add(ARTICLES)
    await library.settled()
    source = await store.read(lambda s: s.exec(select(t.Source.id).where(t.Source.title == "Returns")).one())
    await library.remove(source)
    assert "Returns" not in await titles(library, "return an article refund")
    assert await store.read(lambda s: s.exec(select(t.Chunk).where(t.Chunk.heading == "Refund")).all()) == []


async def test_a_lost_index_is_rebuilt_and_a_kept_one_is_not(
    store: Store, database: Database, library: Library
) -> None:
    await library.add(ARTICLES)
    await library.settled()
    kept = library.state().revision
    await library.close()
    again = await opened(store, database)
    assert again.state().revision == kept
    assert (await titles(again, "warranty"))[0] == "Warranty"
    await again.close()
    shutil.rmtree(database.settings().data_dir / "index")
    rebuilt = await opened(store, database)
    assert rebuilt.state().revision == kept
    assert (await titles(rebuilt, "warranty"))[0] == "Warranty"
    await rebuilt.close()


async def test_changes_made_while_the_index_is_dead_are_found_later(library: Library) -> None:
    await library.add(ARTICLES[:1])
    await library.settled()
    process = library._index._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await library.add(ARTICLES[1:])
    await library.settled()
    await until(lambda: library.ready and library.state().chunks == 3)
    assert (await titles(library, "envíos"))[0] == "Envíos"
    assert (await titles(library, "returns"))[0] == "Returns"


async def test_another_server_finds_what_this_one_changed(
    library: Library, store: Store, database: Database, tmp_path: Path
) -> None:
    await library.add(ARTICLES[:2])
    await library.settled()
    other = await opened(store, database, INVENT_DATA_DIR=str(tmp_path), INVENT_DATABASE_URL="sqlite:///unused")
    assert "Returns" in await titles(other, "return an article")
    await library.add(ARTICLES[2:])
    await library.settled()
    source = await store.read(lambda s: s.exec(select(t.Source.id).where(t.Source.title == "Returns")).one())
    await library.remove(source)
    await until(lambda: other.state().revision == library.state().revision)
    assert (await titles(other, "warranty"))[0] == "Warranty"
    assert "Returns" not in await titles(other, "return an article")
    # Both changed: neither may believe that it holds what it has not seen.
    await asyncio.gather(
        library.add(ARTICLES[:1]), other.add([Article("Opening hours", "We open at nine.", lang="en")])
    )
    await library.settled()
    await other.settled()
    await until(lambda: library.state().revision == other.state().revision)
    for each in (library, other):
        assert (await titles(each, "opening hours"))[0] == "Opening hours"
        assert "Returns" in await titles(each, "return an article")
    await other.close()


async def test_a_stop_in_the_middle_is_taken_up_again(store: Store, database: Database) -> None:
    await store.write(team.first_start)
    made = await store.write(lambda session: records.add(session, ARTICLES))
    if store.dialect == "postgresql":
        assert await store.write(lambda session: records.resume(session, module.ABANDONED)) is None
        return
    library = await opened(store, database)
    await library.settled()
    old = await store.read(lambda s: s.get_one(t.Job, made.job))
    assert old.state == "failed"
    assert "stopped" in (old.reason or "")
    assert (await titles(library, "warranty"))[0] == "Warranty"
    await library.close()


async def test_reindex_of_everything_keeps_everything_findable(library: Library, store: Store) -> None:
    await library.add(ARTICLES)
    await library.settled()
    job = await library.reindex(None, None)
    found = [bool((await library.search("warranty")).hits) for _ in range(30)]
    await library.settled()
    done = await store.read(lambda s: s.get_one(t.Job, job.id))
    assert done.state == "done"
    assert done.total == 3
    assert all(found)


async def test_no_search_before_the_index_is_filled(store: Store, database: Database) -> None:
    library = Library(store, database.settings())
    with pytest.raises(IndexUnavailable):
        await library.search("anything")


def test_bodies_of_the_api() -> None:
    assert article_of(PostSource(kind="text", title="A", text="b")) == Article("A", "b")
    with pytest.raises(ValueError, match="title and text"):
        article_of(PostSource(kind="text", title="A"))
    assert file_of(PostSource(kind="file", name="a.md", text="# Hi\n\nyou")).title == "Hi"
    for body in (
        PostSource(kind="file", name="a.md", data="no base64!"),
        PostSource(kind="file", name="a.exe", text="x"),
        PostSource(kind="file", text="x"),
    ):
        with pytest.raises(ValueError, match=r"^(a\.md|a\.exe|file): "):
            file_of(body)
