"""A small world for the assistant's tests: a search over a few pages, and turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from invent_server.assistant.types import Line, TurnInput, TurnResult
from invent_server.assistant.words import stem, stop_words, tokens
from invent_server.knowledge.types import Chunk, Found, IndexUnavailable, SearchResult
from shared.models import OutcomeKind


def chunk(title: str, text: str, lang: str, heading: str = "") -> Chunk:
    """A page of one passage; its id is its title."""
    name = title.lower().replace(" ", "-")
    return Chunk(name, f"page-{name}", "source", 0, title, heading, text, f"https://shop.example/{name}", lang)


PAGES = (
    chunk(
        "Gastos de envío",
        "El envío a la península cuesta 4,90 € y es gratis a partir de 60 €.\n\n"
        "Fuera de la península:\n\n- Baleares: 7,50 €\n- Canarias: 14,90 €\n- Portugal: 9,90 €",
        "es",
    ),
    chunk("Devoluciones", "Tienes 30 días para devolver. La devolución es gratis en tienda.", "es"),
    chunk("Garantía", "La garantía dura tres años y cubre la batería.", "es"),
    chunk("Shipping costs", "Shipping costs 4.90 euros. To Portugal it is 9.90 euros.", "en"),
    chunk("Returns", "You have 30 days to return an item. Returns in store are free.", "en"),
    chunk("Enamel care", "Never put enamel mugs in the microwave. Wash them by hand.", "en"),
)


@dataclass
class Search:
    """Finds pages by the share of the query's words that they hold. `evidence` set by the test overrules it."""

    pages: Sequence[Chunk] = PAGES
    evidence: float | None = None
    away: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)
    language: str = "en"
    asked: list[str] = field(default_factory=list)
    hints: list[str | None] = field(default_factory=list)

    async def __call__(self, query: str, /, *, k: int, lang: str | None) -> SearchResult:
        if self.away:
            raise IndexUnavailable("away")
        self.asked.append(query)
        self.hints.append(lang)
        words = {stem(t.text) for t in tokens(query) if t.text not in stop_words()}
        found = [Found(page, self._score(page, words)) for page in self.pages]
        hits = sorted((hit for hit in found if hit.score > 0), key=lambda hit: -hit.score)[:k]
        best = hits[0].score if hits else 0.0
        return SearchResult(tuple(hits), self.language, best if self.evidence is None else self.evidence, 1.0)

    def _score(self, page: Chunk, words: set[str]) -> float:
        if page.title in self.scores:
            return self.scores[page.title]
        own = {stem(t.text) for t in tokens(f"{page.title} {page.text}")}
        return len(words & own) / len(words) if words else 0.0


@dataclass
class Ear:
    """Collects what is emitted."""

    pieces: list[str] = field(default_factory=list)

    async def __call__(self, piece: str) -> None:
        self.pieces.append(piece)


def turn(
    *lines: str, history: Sequence[Line] = (), language: str | None = None, locale: str | None = None
) -> TurnInput:
    return TurnInput(
        "c1", "Lucía Fernández", lines, tuple(history), language, locale, company="Casa Lumbre", default_language="es"
    )


def said(text: str, outcome: OutcomeKind | None = "answer", reason: str | None = "found") -> Line:
    """An earlier line of the assistant."""
    return Line("assistant", text, outcome, reason)


def asked(text: str) -> Line:
    """An earlier line of the customer."""
    return Line("customer", text)


def after(history: Sequence[Line], line: str, result: TurnResult) -> tuple[Line, ...]:
    """`history` with one more line and its answer."""
    reply = () if result.outcome == "silence" else (Line("assistant", result.text, result.outcome, result.reason),)
    return (*history, Line("customer", line), *reply)
