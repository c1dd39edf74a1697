"""How often does the assistant without a model answer right, and how often does it rightly say nothing?

`python -m tests.bench.answers [--company demo|second|tuning]` fills a real index process in a scratch folder, asks
every question as the first line of a conversation and prints one JSON line per company. An answer is right when it
quotes the right article; a question back is right when the right article is among the pages that it offers. A refusal
is a handoff.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import structlog

from invent_server.assistant.extractive import Extractive
from invent_server.assistant.types import TurnInput, TurnResult
from invent_server.knowledge.index.client import Index
from invent_server.knowledge.types import SearchResult
from shared.settings import load
from tests.bench.companies import COMPANIES, Asked, Company, article, pages, questions
from tests.bench.vectors import embedded


async def _silent(text: str) -> None:
    """Nobody listens."""


class _Watched:
    """The search, with its last result kept for the count."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.last: SearchResult | None = None
        self.times: list[float] = []

    async def __call__(self, query: str, /, *, k: int, lang: str | None) -> SearchResult:
        self.last = await self._index.search(query, k, lang)
        self.times.append(self.last.ms)
        return self.last


def _right(asked: Asked, result: TurnResult, titles: dict[str, set[str]]) -> bool:
    if not asked.answerable:
        return result.outcome == "handoff"
    if result.outcome == "answer":
        return any(name in asked.articles for quoted in result.citations for name in titles.get(quoted.title, ()))
    return result.outcome == "ask" and any(
        title in result.text for title, names in titles.items() if names & asked.articles
    )


async def measure(company: Company, languages: tuple[str, ...] = ("es", "en")) -> dict[str, object]:
    """The figures of one company; `languages` of the articles that are indexed."""
    settings = load().index
    titles: dict[str, set[str]] = defaultdict(set)
    outcomes: dict[str, list[bool]] = defaultdict(list)
    evidences: dict[bool, list[float]] = {True: [], False: []}
    said: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder), settings)
        await index.start(wait=30)
        try:
            known = list(pages(company, languages))
            for name, chunks in known:
                titles[chunks[0].title].add(article(name))
            await index.replace_many(known)
            await index.commit(1)
            dense = await embedded(index)
            search = _Watched(index)
            responder = Extractive(search)
            for asked in questions(company):
                search.last = None
                turn = TurnInput(asked.id, "customer", (asked.text,), (), None, None)
                result = await responder(turn, _silent)
                right = _right(asked, result, titles)
                kind = "answered" if asked.answerable else "refused"
                for key in (f"{kind}_right", f"{kind}_right_{asked.lang}", f"kind_{asked.kind}"):
                    outcomes[key].append(right)
                said[f"{kind[:-2]}:{result.outcome}"] += 1
                evidences[asked.answerable].append(search.last.evidence if search.last else 0.0)
        finally:
            await index.close()
    shares = {name: round(statistics.fmean(values), 3) for name, values in sorted(outcomes.items())}
    times = sorted(search.times)
    return {
        "company": company.name,
        "articles": "+".join(languages),
        "vectors": dense,
        **shares,
        "auroc": round(_auroc(evidences[True], evidences[False]), 3),
        "outcomes": dict(said),
        "search_p95_ms": times[int(len(times) * 0.95)] if times else None,
    }


def _auroc(good: list[float], bad: list[float]) -> float:
    wins = sum((one > other) + 0.5 * (one == other) for one in good for other in bad)
    return wins / (len(good) * len(bad))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--company", choices=sorted(COMPANIES), default="demo")
    parser.add_argument("--articles", default="es,en", help="languages of the articles that are indexed")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for company in COMPANIES[given.company]:
        print(json.dumps(asyncio.run(measure(company, tuple(given.articles.split(","))))))


if __name__ == "__main__":
    main()
