"""The assistant with a model: the same turns as without one, but answers are written from the passages, not quoted.

Small talk, questions back and handoffs need no model. An answer makes one call; whatever goes wrong with it, the
customer gets the quote that stands ready.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from invent_server.assistant.citing import Citing
from invent_server.assistant.extractive import Escalated, Extractive, Ground, Restricted, Unanswered
from invent_server.assistant.prompt import prompt
from invent_server.assistant.suggestion import Search, citation, evidence
from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.assistant.words import stem, stop_words, tokens
from invent_server.knowledge.types import Chunk
from invent_server.models.chat_model import ChatModel
from invent_server.models.errors import ModelError
from invent_server.models.ollama import Finished
from shared.models import Evidence
from shared.settings import Assistant
from shared.text import clean, clean_line

RESERVE = 5.0
"""Seconds of a turn's deadline that are kept for what comes after the model."""
OVERLAP = 0.6
"""Share of an answer's words that must stand in the passages when it names none of them."""

PHRASE = 200
"""Characters that a phrase which is never to be said may spread over."""
PACE = 0.04
"""Seconds between two live pieces after the first: nobody reads faster, and each costs a frame for every listener."""


class Generative:
    """A responder that writes with `model` while that is ready, and quotes while it is not."""

    def __init__(self, search: Search, model: ChatModel, settings: Assistant) -> None:
        self._model = model
        self._settings = settings
        self._turns = Extractive(search, self._write)

    @property
    def name(self) -> str:
        return f"ollama:{self._model.name}" if self._model.ready else Extractive.name

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        return await self._turns(turn, emit)

    async def _write(self, ground: Ground, emit: Emit) -> TurnResult:
        """The written answer; the quote, with the reason in its detail, when there is none. Raises Unanswered."""
        model = self._model
        if not model.ready:
            return _instead(ground, model.problem) if model.name else ground.quoted
        asked = prompt(ground.turn, ground.question, ground.hits, ground.language, model.room, model.tokens)
        ground.timings["prompt_tokens"] = float(model.tokens(asked.messages))
        ground.facts["prompt"] = {
            "tokens": model.tokens(asked.messages),
            "characters": sum(len(one.content) for one in asked.messages),
            "passages": len(asked.passages),
            "messages": [[one.role, one.content] for one in asked.messages],
        }
        engine = self.name
        answer = _Answer(ground, asked.passages, emit)
        left = self._settings.deadline - RESERVE - (time.perf_counter() - ground.began)
        try:
            finished = await model.answer(
                asked.messages, max(1.0, left), self._settings.max_wait, answer.hear, ground.turn.priority
            )
        except ModelError as error:
            ground.facts["model"] = {"name": model.name, "problem": str(error)}
            return _instead(ground, str(error))
        finally:
            if answer.first is not None:
                ground.timings["first_token"] = answer.first
        ground.facts["model"] = _model(model.name, finished)
        return await answer.result(engine)


def _model(name: str, finished: Finished) -> dict[str, object]:
    """How the model did, for the trace."""
    pace = finished.answer_tokens / finished.answer_seconds if finished.answer_seconds else 0.0
    return {
        "name": name,
        "waited_ms": round(finished.waited * 1000, 3),
        "prompt_tokens": finished.prompt_tokens,
        "prompt_ms": round(finished.prompt_seconds * 1000, 3),
        "answer_tokens": finished.answer_tokens,
        "tokens_per_second": round(pace, 1),
    }


def _instead(ground: Ground, problem: str) -> TurnResult:
    detail = f"{ground.quoted.detail}; without the model: {problem}"
    return replace(ground.quoted, detail=detail, problem=problem)


class _Answer:
    """One answer while it is written: heard from the model, checked, shown."""

    def __init__(self, ground: Ground, passages: Sequence[Chunk], emit: Emit) -> None:
        self._ground = ground
        self._passages = passages
        self._emit = emit
        self._guarded = ground.turn.instructions.guarded
        self._citing = Citing(len(passages))
        self._known = [_stems(f"{one.title} {one.heading} {one.text}") for one in passages]
        self._grounds = set().union(*self._known)
        self._held = ""
        self._said = ""
        self._checked = 0
        self._open = False
        self._shown = 0.0
        self._began = time.perf_counter()
        self.first: float | None = None
        """Milliseconds to the first piece of the model."""

    async def hear(self, piece: str) -> None:
        if self.first is None:
            self.first = round((time.perf_counter() - self._began) * 1000, 3)
        await self._show(self._citing.feed(piece), PACE)

    async def _show(self, text: str, pace: float) -> None:
        """Nothing is shown before it has said anything that stands in the passages, then at most every `pace` s."""
        self._held += text
        self._said += text
        now = time.perf_counter()
        if now - self._shown < pace:
            return
        self._guard(whole=pace == 0.0)
        if not self._open:
            self._open = bool(self._citing.cited) or not _stems(self._held).isdisjoint(self._grounds)
        silent = self._citing.unknown or self._citing.person
        if self._open and self._held and not silent:
            ready = len(self._held) if pace == 0.0 or not self._guarded else self._words(self._held)
            if shown := self._held[:ready]:
                self._held, self._shown = self._held[ready:], now
                await self._emit(clean(shown))

    @staticmethod
    def _words(text: str) -> int:
        """Characters of `text` up to the end of its last whole word."""
        return max((at for at, letter in enumerate(text, 1) if letter.isspace()), default=0)

    def _guard(self, whole: bool) -> None:
        """Nothing that is never to be said is shown: words are held until they end. Raises Restricted."""
        if not self._guarded:
            return
        said = self._said if whole else self._said[: self._words(self._said)]
        start = said.rfind(" ", 0, max(0, self._checked - PHRASE)) + 1  # what was looked at before, but for its end
        self._checked = len(said)
        if words := self._ground.turn.instructions.forbidden(said[start:]):
            raise Restricted(f"the model would have said “{words}” (restrictions)")

    async def result(self, engine: str) -> TurnResult:
        """The answer with its sources. Raises Unanswered."""
        await self._show(self._citing.finish(), 0.0)
        text = clean(self._citing.text).strip()
        ground, cited = self._ground, list(self._citing.cited)
        if self._citing.person:
            raise Escalated("the instructions want a person to answer this (escalation)")
        if self._citing.unknown:
            raise Unanswered("the model found no answer in the passages")
        if not cited:
            best = self._nearest(text)
            if best is None:
                return _instead(ground, "its answer names no passage and does not follow from one")
            cited = [best]
        chunks = [self._passages[at] for at in cited]
        titles = ", ".join(f"“{clean_line(chunk.title)}”" for chunk in chunks)
        ids = {chunk.id for chunk in chunks}
        return replace(
            ground.quoted,
            detail=f"written from {titles}; {ground.quoted.detail.rsplit('(', 1)[-1].rstrip(')')}",
            text=text,
            engine=engine,
            citations=tuple(citation(chunk) for chunk in chunks),
            evidence=tuple(_marked(one, one.chunk_id in ids) for one in evidence(ground.hits, None)),
        )

    def _nearest(self, text: str) -> int | None:
        """The passage that holds enough of the answer's words."""
        said = _stems(text)
        if not said:
            return None
        shares = [len(said & known) / len(said) for known in self._known]
        best = max(range(len(shares)), key=shares.__getitem__)
        return best if shares[best] >= OVERLAP else None


def _marked(one: Evidence, cited: bool) -> Evidence:
    return one.model_copy(update={"cited": cited})


def _stems(text: str) -> set[str]:
    return {stem(token.text) for token in tokens(text) if token.text not in stop_words()}
