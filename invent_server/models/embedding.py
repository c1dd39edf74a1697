"""The model that makes vectors, where Ollama does: a question's with a customer's priority, the rest as a chore."""

from __future__ import annotations

from collections.abc import Sequence

from invent_server.models.errors import ModelMissing
from invent_server.models.ollama import Ollama
from invent_server.models.scheduler import Priority, Scheduler
from shared.settings import Models


class EmbeddingModel:
    """One per server; `name` is empty where none is set. Every method raises ModelError."""

    def __init__(self, ollama: Ollama, scheduler: Scheduler, settings: Models) -> None:
        self._ollama = ollama
        self._scheduler = scheduler
        self._settings = settings
        self.name = settings.embed

    async def digest(self) -> str:
        """What tells this model from one of the same name fetched later."""
        for one in await self._ollama.installed(self._settings.probe):
            if one["name"] in (self.name, f"{self.name}:latest"):
                return str(one.get("digest") or one["name"])
        raise ModelMissing(f"{self.name} is not on the model server; invent models pull {self.name}")

    async def question(self, text: str) -> list[float]:
        """The vector of what a customer asks, within `models.embed_wait`."""
        wait = self._settings.embed_wait

        async def work() -> list[list[float]]:
            return await self._ollama.embed(self.name, [text], wait)

        return (await self._scheduler.run(Priority.REPLY, self.name, work, wait))[0]

    async def bulk(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of knowledge: whenever nobody waits for the model."""

        async def work() -> list[list[float]]:
            return await self._ollama.embed(self.name, texts, self._settings.load)

        return await self._scheduler.run(Priority.BULK, self.name, work)
