"""What a server has of models: the adapter, the scheduler, the model that writes answers, and models being fetched."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from invent_server.models import minilm
from invent_server.models.chat_model import ChatModel, Choice
from invent_server.models.embedding import EmbeddingModel
from invent_server.models.errors import ModelError
from invent_server.models.ollama import Finished, Message, Ollama, Times
from invent_server.models.scheduler import Priority, Scheduler
from shared.ids import secret
from shared.settings import Models
from shared.tasks import Tasks

log = structlog.get_logger(__name__)
_READ = "The quick brown fox jumps over the lazy dog. " * 40


def _question() -> tuple[Message, ...]:
    """A prompt that no cache knows: its first word is another one each time."""
    task = "Do not repeat that text. Write the numbers from one to twenty as words."
    return (
        Message("system", f"{secret(8)} You follow instructions to the letter."),
        Message("user", f"{_READ}\n{task}"),
    )


@dataclass(slots=True)
class Pulling:
    """A model that is being fetched, or was. `done` and `total` in bytes of the layer under way."""

    name: str
    status: str = "waiting"
    done: int = 0
    total: int = 0
    ended: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    finished: Finished
    first: float
    """Seconds to the first word."""
    dimensions: int
    """Of the embedding model's vectors; 0 without one."""


class ModelRoom:
    """One per server."""

    def __init__(self, settings: Models, data_dir: Path, choice: Choice) -> None:
        self.settings = settings
        self.ollama = Ollama(settings)
        self.scheduler = Scheduler(settings)
        self.chat = ChatModel(self.ollama, self.scheduler, settings, choice)
        self.embedding = EmbeddingModel(self.ollama, self.scheduler, settings)
        self._data_dir = data_dir
        self.pulls: dict[str, Pulling] = {}
        self._tasks = Tasks(lambda error: log.error("fetching a model broke", error=repr(error)))

    def pull(self, name: str) -> Pulling:
        """Begin to fetch a model; one that is under way goes on."""
        pulling = self.pulls.get(name)
        if pulling is None or pulling.ended:
            pulling = self.pulls[name] = Pulling(name)
            self._tasks.start(self._pull(pulling), name=f"pull {name}")
        return pulling

    async def _pull(self, pulling: Pulling) -> None:
        async def hear(status: str, done: int, total: int) -> None:
            pulling.status, pulling.done, pulling.total = status, done, total

        try:
            if pulling.name == minilm.NAME:
                await minilm.fetch(self.settings, minilm.folder(self._data_dir), hear)
            else:
                await self.ollama.pull(pulling.name, hear, self.settings.load)
        except ModelError as error:
            pulling.problem = str(error)
        finally:
            pulling.ended = True
        self.chat.look()

    async def check(self) -> Check:
        """One call to each model in use, as measured. Raises ModelError."""
        began = asyncio.get_running_loop().time()
        first: list[float] = []

        async def hear(piece: str) -> None:
            first.append(asyncio.get_running_loop().time() - began)

        async def ask() -> Finished:
            nonlocal began
            began = asyncio.get_running_loop().time()
            times = Times(self.settings.load, self.settings.load, self.settings.load)
            return await self.ollama.chat(self.chat.name, _question(), times, hear)

        async def embed() -> int:
            return len((await self.ollama.embed(self.settings.embed, ["a word"], self.settings.load))[0])

        finished = await self.scheduler.run(Priority.AGENT, self.chat.name, ask)
        size = await self.scheduler.run(Priority.AGENT, self.settings.embed, embed) if self.settings.embed else 0
        return Check(finished, first[0] if first else 0.0, size)

    async def close(self) -> None:
        await self._tasks.close()
        await self.ollama.close()
