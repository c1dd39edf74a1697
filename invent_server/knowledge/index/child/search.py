"""One search: language, question, candidates, order, evidence."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from invent_server.knowledge.index.child.engine import Engine
from invent_server.knowledge.index.child.evidence import evidence
from invent_server.knowledge.index.child.language import identify
from invent_server.knowledge.index.child.question import read
from invent_server.knowledge.index.child.ranking import rank
from invent_server.knowledge.types import Found, SearchResult

if TYPE_CHECKING:
    from invent_server.knowledge.index.child.vectors import Near


def search(
    engine: Engine,
    text: str,
    limit: int,
    hint: str | None = None,
    near: Near | None = None,
    without: Collection[str] = (),
) -> SearchResult:
    """The best pages for a text of any kind; never raises for what the text holds.

    `near`: what lies near it, where there are vectors. `hint`: the language of the conversation so far. `limit`: most
    hits. `without`: pages that are taken for absent.
    """
    began = time.perf_counter()
    language = identify(text, hint, engine.languages())
    question = read(text, language, engine)
    pages = rank(engine, question, text, near, without)
    hits = tuple(
        Found(
            page.answer.chunk,
            round(page.score, 4),
            round(page.words, 4),
            round(page.grams, 4),
            None if near is None else round(page.dense, 4),
        )
        for page in pages[:limit]
    )
    found = evidence(question, pages, near)
    return SearchResult(hits, language, round(found, 4), round((time.perf_counter() - began) * 1000, 2))
