"""One search: language, question, candidates, order, evidence."""

from __future__ import annotations

import time

from invent_server.knowledge.index.child.engine import Engine
from invent_server.knowledge.index.child.evidence import evidence
from invent_server.knowledge.index.child.language import identify
from invent_server.knowledge.index.child.question import read
from invent_server.knowledge.index.child.ranking import rank
from invent_server.knowledge.types import Found, SearchResult


def search(engine: Engine, text: str, limit: int, hint: str | None = None) -> SearchResult:
    """The best pages for a text of any kind; never raises for what the text holds.

    `hint`: the language of the conversation so far. `limit`: most hits.
    """
    began = time.perf_counter()
    language = identify(text, hint, engine.languages())
    question = read(text, language, engine)
    pages = rank(engine, question, text)
    hits = tuple(
        Found(page.best[0].chunk, round(page.score, 4), round(page.words, 4), round(page.grams, 4))
        for page in pages[:limit]
    )
    return SearchResult(
        hits, language, round(evidence(question, pages), 4), round((time.perf_counter() - began) * 1000, 2)
    )
