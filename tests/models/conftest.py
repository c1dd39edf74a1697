"""What the tests of the model path share: a double, an adapter to it, and quick times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from invent_server.models.ollama import Message, Ollama, Times
from shared.settings import Models, load
from tests.ollama_double import Double, running

QUICK = Times(first=0.3, silence=0.2, total=1.0)
ASK = (Message("system", "You answer."), Message("user", "How long?"))


def settings(host: str, **more: object) -> Models:
    """The defaults, with short waits."""
    given = load(environ={"HOME": "/nonexistent"}).models
    quick = {"host": host, "chat": "chat:4b", "connect": 0.5, "probe": 0.5, "first": 0.3, "silence": 0.2, "load": 2.0}
    return given.model_copy(update={**quick, "breaker": 0.05, **more})


class Kept:
    """A choice that stays as long as the test holds it."""

    def __init__(self) -> None:
        self.name = ""

    async def read(self) -> str:
        return self.name

    async def keep(self, name: str) -> None:
        self.name = name


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what a server did is looked at, not announced
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def double() -> AsyncIterator[Double]:
    async with running(Double()) as made:
        yield made


@pytest_asyncio.fixture
async def ollama(double: Double) -> AsyncIterator[Ollama]:
    made = Ollama(settings(double.url))
    yield made
    await made.close()
