"""Engines that answer as a test says: slowly, wrongly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from invent_server.assistant.types import Emit, TurnInput, TurnResult


@dataclass
class Scripted:
    """Says `pieces` one by one with `pause` seconds before each; the answer is their sum."""

    name: str = "scripted"
    pieces: Sequence[str] = ("one ", "two ", "three")
    pause: float = 0.0
    outcome: Any = "answer"
    failures: int = 0
    """So many turns break before one succeeds."""
    turns: list[TurnInput] = field(default_factory=list)

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        self.turns.append(turn)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("as the test says")
        for piece in self.pieces:
            if self.pause:
                await asyncio.sleep(self.pause)
            await emit(piece)
        return TurnResult(self.outcome, "scripted", "as the test says", "".join(self.pieces), "en", summary="S")


@dataclass
class Told:
    """Answers with the tone that it was told; hands over when its voice says HANDOFF."""

    name: str = "told"
    pause: float = 0.0
    failures: int = 0
    turns: list[TurnInput] = field(default_factory=list)

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        self.turns.append(turn)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("as the test says")
        texts = turn.instructions.texts
        text = f"By: {texts.get('tone', '')[:20]}"
        for piece in text.split(" "):
            await emit(f"{piece} ")
            await asyncio.sleep(self.pause)
        outcome: Any = "handoff" if texts.get("voice") == "HANDOFF" else "answer"
        return TurnResult(outcome, "told", "as the test says", text, "en", engine="told")
