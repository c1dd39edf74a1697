"""A reply for an agent to edit: the best passage for what the customer last asked."""

from __future__ import annotations

from typing import Protocol

from invent_server.assistant import language as tongue
from invent_server.assistant.hearing import follows, hear, leans, question_before
from invent_server.assistant.quoting import quote
from invent_server.assistant.thinking import aside
from invent_server.assistant.types import Line, TurnInput
from invent_server.knowledge.types import Chunk, Found, SearchResult
from shared.models import Citation, Evidence, Suggestion
from shared.text import clean, clean_line

PASSAGES = 5
"""Passages that a turn looks at."""


class Search(Protocol):
    """Asks the index. Raises `IndexUnavailable`."""

    async def __call__(self, query: str, /, *, k: int, lang: str | None) -> SearchResult: ...


async def suggest(search: Search, turn: TurnInput) -> Suggestion:
    """The best passage for the customer's last lines, without a bar on its evidence: a person decides.

    Empty when nothing was asked or nothing was found. Raises `IndexUnavailable`.
    """
    heard = await aside(hear, turn, "", turn.default_language)
    before = question_before(_earlier(turn))
    question = heard.question or before
    if not question:
        return Suggestion(text="")
    if heard.question and leans(question) and follows(question):
        question = f"{before} {question}".strip()
    found = await search(question, k=1, lang=heard.language if heard.sure else turn.language)
    if not found.hits:
        return Suggestion(text="")
    chunk = found.hits[0].chunk
    return Suggestion(text=passage(question, chunk), citations=[citation(chunk)])


def _earlier(turn: TurnInput) -> tuple[Line, ...]:
    """The history without the unanswered lines: a caller may pass the whole conversation as history."""
    lines = turn.history
    if turn.unanswered and tuple(line.text for line in lines[-len(turn.unanswered) :]) == turn.unanswered:
        return lines[: -len(turn.unanswered)]
    return lines


def passage(question: str, chunk: Chunk) -> str:
    """The part of a chunk that answers."""
    return quote(question, chunk.text, chunk.heading or chunk.title)


def citation(chunk: Chunk) -> Citation:
    return Citation(title=clean_line(chunk.title), url=chunk.url, chunk_id=chunk.id)


def evidence(hits: tuple[Found, ...], cited: str | None) -> tuple[Evidence, ...]:
    """The first passages as the context panel shows them; `cited` is the id of the quoted chunk."""
    return tuple(
        Evidence(
            title=clean_line(hit.chunk.title),
            url=hit.chunk.url,
            chunk_id=hit.chunk.id,
            score=round(hit.score, 4),
            cited=hit.chunk.id == cited,
            text=clean(hit.chunk.text),
            scores={
                name: round(value, 4)
                for name, value in (("dense", hit.dense), ("lexical", hit.lexical), ("ngram", hit.ngram))
                if value is not None
            },
        )
        for hit in hits[:PASSAGES]
    )


def written_in(chunk: Chunk) -> str:
    """The language of a chunk, by its own mark or else by its words."""
    return chunk.lang or tongue.detect(chunk.text).language or ""
