"""What a turn is given and what it returns. A responder (extractive, model, scripted) is one callable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from invent_server.assistant.rules import NONE, Instructions
from invent_server.conversations.hours import Schedule
from invent_server.models.scheduler import Priority
from shared.models import AuthorKind, Citation, Evidence, MemoryType, OutcomeKind


@dataclass(frozen=True, slots=True)
class Line:
    """One earlier line of the conversation, oldest first; texts are clean."""

    author: AuthorKind
    text: str
    outcome: OutcomeKind | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    type: MemoryType
    text: str


@dataclass(frozen=True, slots=True)
class TurnInput:
    """Everything that a responder may look at. `unanswered` are the customer's lines that this turn covers."""

    conversation_id: str
    customer: str
    unanswered: tuple[str, ...]
    history: tuple[Line, ...]
    language: str | None
    """Language of the conversation so far; None at its first line."""
    locale: str | None
    """Language of the visitor's browser or profile."""
    memories: tuple[Remembered, ...] = ()
    company: str = ""
    """Whose assistant speaks."""
    default_language: str = "en"
    """Language of the assistant where the customer's is unknown or has no texts."""
    hours: Schedule | None = None
    """When people are there; None where nobody has said."""
    at: int = 0
    """The moment at which the turn began."""
    instructions: Instructions = NONE
    priority: Priority = Priority.REPLY
    """How urgently the model is asked."""
    rehearsal: bool = False
    """Only to see what would be said: nothing may be done beside searching and writing."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a turn ended. `reason` is one short machine word, `detail` a sentence for colleagues (in English).

    `text` is what the customer reads (empty for silence). `summary` is written for a handoff, in the language of
    the conversation.
    """

    outcome: OutcomeKind
    reason: str
    detail: str
    text: str = ""
    language: str | None = None
    citations: tuple[Citation, ...] = ()
    intent: str | None = None
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    summary: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    """Milliseconds after the responder was called at which each step (first) began, for the trace."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the steps were about, for the trace: `retrieval`, `prompt` (with its messages), `model`."""
    """Milliseconds of each step, for the trace."""
    engine: str = ""
    """Who wrote the text: `extractive`, `ollama:NAME`; empty: the responder by its name."""
    problem: str = ""
    """Why the quote stands here although there is a model."""


Emit = Callable[[str], Awaitable[None]]
"""Shows the next piece of the answer live. Raises when the turn may no longer speak: let it pass."""


class Responder(Protocol):
    """Answers one turn. Called on the event loop: must not block it."""

    @property
    def name(self) -> str:
        """What it calls itself now, in doctor, status line and trace: `extractive`, `ollama:NAME`, ..."""
        ...

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult: ...
