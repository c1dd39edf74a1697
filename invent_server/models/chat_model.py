"""The model that writes answers: which one it is, whether it is ready, and how it is asked.

It is looked for and loaded in the background, with patience: a customer never waits for a load, and hanging up during
one would undo it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog

from invent_server.models import budget
from invent_server.models.errors import ModelAway, ModelError, ModelMissing, ModelRefused
from invent_server.models.ollama import Finished, Heard, Message, Ollama, Times
from invent_server.models.scheduler import Priority, Scheduler
from shared.settings import Models

log = structlog.get_logger(__name__)
_UNWANTED = "no model is wanted; invent models use NAME"
LOOK = 60.0
"""Seconds between two looks for a model where none is in use."""
NONE = "none"
"""The choice to write with no model at all."""


class Choice(Protocol):
    """Where the name given by `invent models use` is kept."""

    async def read(self) -> str:
        """The name; empty while nobody has chosen."""
        ...

    async def keep(self, name: str) -> None:
        """Remember it."""
        ...


class ChatModel:
    """One per server. `name` is empty while no model is chosen."""

    def __init__(self, ollama: Ollama, scheduler: Scheduler, settings: Models, choice: Choice) -> None:
        self._ollama = ollama
        self._scheduler = scheduler
        self._settings = settings
        self._choice = choice
        self._wake = asyncio.Event()
        self._factor = 1.0
        self.name = ""
        self.ready = False
        self.problem = ""
        """Why it is not ready, for people."""
        self.context = settings.num_ctx

    @property
    def room(self) -> int:
        """Tokens that a prompt may have, as `tokens` counts them."""
        return max(256, self.context - self._settings.num_predict - budget.MARGIN)

    def tokens(self, messages: Sequence[Message]) -> int:
        """What the prompt will cost; never less than this model has counted for such prompts before."""
        return round(self._factor * sum(budget.tokens(one.content) + budget.PER_MESSAGE for one in messages))

    async def answer(
        self,
        messages: Sequence[Message],
        seconds: float,
        wait: float,
        heard: Heard,
        priority: Priority = Priority.REPLY,
    ) -> Finished:
        """A reply: at most `wait` seconds for a place, `seconds` in all. Raises ModelError.

        A chore waits as long as it takes, may be begun several times, and is heard in one piece.
        """
        if not self.ready:
            raise ModelAway(self.problem or "no model is ready")
        asked = waited = asyncio.get_running_loop().time()
        until = asked + seconds
        chore = priority >= Priority.SUMMARY

        async def hear(piece: str) -> None:
            self._scheduler.speaks(self.name)
            if not chore:
                await heard(piece)

        async def work() -> Finished:
            nonlocal waited
            waited = asyncio.get_running_loop().time()
            left = seconds if chore else until - asyncio.get_running_loop().time()
            times = Times(min(self._settings.first, left), self._settings.silence, left)
            return await self._ollama.chat(self.name, messages, times, hear)

        try:
            finished = await self._scheduler.run(priority, self.name, work, None if chore else min(wait, seconds))
        except ModelError as error:
            if not self._scheduler.breaker(self.name).closed:
                self._lost(error)
                self._wake.set()
            raise
        if finished.prompt_tokens > (estimated := self.tokens(messages)):
            self._factor *= finished.prompt_tokens / estimated
            log.warning("prompts are longer than estimated", model=self.name, factor=round(self._factor, 2))
        if chore:
            await heard(finished.text)
        return replace(finished, waited=waited - asked)

    async def run(self) -> None:
        """Look for the model, load it, and again whenever it was lost; for ever."""
        while True:
            self._wake.clear()
            try:
                await self._look()
            except ModelError as error:
                self._lost(error)
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
                    await asyncio.sleep(self._scheduler.breaker(self.name).seconds if self.name else 0)
            except TimeoutError:
                continue

    async def use(self, name: str) -> None:
        """Take this model from now on, and remember it. Raises ModelError when it cannot chat or is not there."""
        if self._settings.chat and self._settings.chat != name:
            raise ModelRefused(
                f"the setting models.chat (INVENT_CHAT_MODEL) names {self._settings.chat}; change it there"
            )
        if name != NONE:
            await self._known(name)
        await self._choice.keep(name)
        self.ready, self.problem = False, "it is being loaded" if name != NONE else _UNWANTED
        self._wake.set()

    def look(self) -> None:
        """Look again now: something may have changed on the model server."""
        if not self.ready:
            self._wake.set()

    def _pause(self) -> float | None:
        if self.ready:
            return None
        return max(self._scheduler.breaker(self.name).seconds, self._settings.breaker) if self.name else LOOK

    def _lost(self, error: ModelError) -> None:
        if self.ready or self.problem != str(error):
            tell = log.warning if self.name else log.info  # without a model chosen nothing is amiss
            tell("no model writes answers", model=self.name or None, reason=str(error))
        self.ready, self.problem = False, str(error)

    async def _look(self) -> None:
        if self.ready:
            return
        name = self._settings.chat or await self._choice.read() or await self._only_one()
        if name == NONE:
            self.name = ""
            raise ModelMissing(_UNWANTED)
        if name != self.name:
            self.name, self._factor = name, 1.0
            self.problem = "it is being loaded"

        async def load() -> None:
            self.context = await self._known(name)
            await self._ollama.load(name, self._settings.load)

        await self._scheduler.run(Priority.AGENT, name, load, probe=True)
        if name == self.name:
            self.ready, self.problem = True, ""
            log.info("the model is ready", model=name, context=self.context)

    async def _known(self, name: str) -> int:
        """Tokens of context that `name` offers us. Raises ModelError when it is not there or cannot chat."""
        shown = await self._ollama.show(name, self._settings.probe)
        if not can_chat(shown):
            raise ModelRefused(f"{name} cannot chat; it is a model for {', '.join(shown.get('capabilities') or ['?'])}")
        info = shown.get("model_info") or {}
        sizes = [value for key, value in info.items() if key.endswith(".context_length") and isinstance(value, int)]
        return min([self._settings.num_ctx, *sizes])

    async def _only_one(self) -> str:
        """The only model here that can chat. One that Ollama runs elsewhere is never chosen unasked."""
        found: list[str] = []
        for one in await self._ollama.installed(self._settings.probe):
            if one.get("remote_model") or one.get("remote_host"):
                continue
            described = one if "capabilities" in one else await self._ollama.show(one["name"], self._settings.probe)
            if can_chat(described):
                found.append(str(one["name"]))
        if len(found) == 1:
            return found[0]
        if not found:
            raise ModelMissing(
                "Ollama has no model that can chat; invent models pull NAME, then invent models use NAME"
            )
        raise ModelMissing(f"several models can chat ({', '.join(sorted(found)[:6])}); invent models use NAME")


def can_chat(described: dict[str, Any]) -> bool:
    """By what `/api/tags` or `/api/show` tells; older servers name no capabilities, then by its family."""
    capabilities = described.get("capabilities")
    if isinstance(capabilities, list):
        return "completion" in capabilities
    return "bert" not in str((described.get("details") or {}).get("family", ""))
