"""What the tests of the message path share: a database of each dialect, a store on it, its parts at work.

A conftest.py imports the ones that it needs.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from invent_server.store.database import Store, open_store
from tests.support.clock import ManualClock
from tests.support.databases import DIALECTS, Database, forget_templates, fresh, postgres_problem


@pytest.fixture(scope="session", autouse=True)
def templates() -> Iterator[None]:
    yield
    forget_templates()


def require_postgres() -> str:
    """The dialect. Without a PostgreSQL server: a visible skip, an error in CI."""
    if problem := postgres_problem():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs PostgreSQL: {problem}")
        pytest.skip(f"no PostgreSQL: {problem}")
    return "postgresql"


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Both, one after the other."""
    name: str = request.param
    return require_postgres() if name == "postgresql" else name


@pytest.fixture
def database(dialect: str) -> Iterator[Database]:
    with fresh(dialect) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def store(database: Database, clock: ManualClock) -> AsyncIterator[Store]:
    opened = open_store(database.settings(), clock)
    await opened.start()
    yield opened
    await opened.close()
