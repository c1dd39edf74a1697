"""What the customer hears when a turn could not be done at all: the truth, and a person."""

from __future__ import annotations

from typing import Literal

from invent_server.assistant.types import TurnInput, TurnResult
from invent_server.conversations.hours import away
from shared.i18n import supported, texts

_DETAILS = {
    "deadline": "the assistant took too long",
    "failed": "the assistant could not answer (an internal error)",
}


def broken(turn: TurnInput, reason: Literal["deadline", "failed"]) -> TurnResult:
    """A handoff without any engine."""
    language = supported(turn.language or turn.locale)
    tr = texts("server", language)
    said = tr("I could not find an answer in time. A colleague will answer you here.")
    return TurnResult(
        outcome="handoff",
        reason=reason,
        detail=_DETAILS[reason],
        text=f"{said} {away(tr, turn.hours, turn.at)}".rstrip(),
        language=language,
        summary="\n".join(turn.unanswered)[:500],
    )
