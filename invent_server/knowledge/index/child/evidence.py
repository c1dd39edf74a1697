"""Is the answer in this knowledge? One calibrated number out of how the best page covers the question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invent_server.knowledge.index.child.analysis import stem, tokens, weight
from invent_server.knowledge.index.child.engine import group
from invent_server.knowledge.index.child.fitted import table
from invent_server.knowledge.index.child.lexicon import concepts
from invent_server.knowledge.index.child.question import CONCEPT, SYNONYM, Question
from invent_server.knowledge.index.child.ranking import Page, cover, section

if TYPE_CHECKING:
    from invent_server.knowledge.index.child.vectors import Near

_EXACT = 0.9
_SUMS = ("exact", "synonym", "unknown", "unknown_named", "unknown_everyday", "elsewhere", "scattered", "asked")
_MOST = 3.0
"""Where a sum over words stops to grow: a long question is not surer than a full one."""
_LONG, _HEAD = 12, 10
"""Words from which a question, and a title, count as long."""
_SHADED = ("all", "page", *(f"sum_{name}" for name in _SUMS))
_BODY = 0.7
_STEPS = (35, 45, 55, 65, 75)


def features(question: Question, pages: Sequence[Page], near: Near | None = None) -> dict[str, float] | None:
    """What tells an answer from a near miss; `pages` best first. None: there is nothing to go by."""
    if not pages or not (question.total or near):
        return None
    page = pages[0]
    match = page.best[1]
    held = page.covered(question)
    content = [at for at, unit in enumerate(question.units) if unit.word.weight >= 1]
    sums = dict.fromkeys(_SUMS, 0.0)
    for at, unit in enumerate(question.units):
        if at not in content:
            sums["asked"] += unit.weight * held[at] if unit.named else 0.0
        elif not unit.ways:
            sums["unknown_named" if unit.named else "unknown_everyday" if unit.word.everyday else "unknown"] += 1.0
        elif held[at] == 0.0:
            sums["elsewhere"] += unit.weight
        else:
            sums["exact" if held[at] >= _EXACT else "synonym"] += unit.weight
            sums["scattered"] += unit.weight if match.per_unit[at] == 0.0 else 0.0
    foreign = float(page.lang != question.language)
    unknown = cover(question, [float(not unit.ways) for unit in question.units])
    found = {
        "all": match.all,
        "title": match.title,
        "page": cover(question, held),
        "exact_share": cover(question, [float(value >= _EXACT) for value in held]),
        "unknown_share": unknown,
        "of_title": _title_covered(question, page),
        "length": min(len(content), 6) / 6,
        "single": float(len(content) <= 1),
        "foreign": foreign,
        "foreign_unknown": foreign * unknown,
        **{f"sum_{name}": min(value, _MOST) / _MOST for name, value in sums.items()},
    }
    # In a long question a missing word says less than in a short one, under a long title (a question itself) more.
    long = min(len(question.units), _LONG) / _LONG
    head = min(len(page.passages[0][0].chunk.title.split()), _HEAD) / _HEAD
    if near is not None:
        found |= _nearness(pages)
    for name in (*_SHADED, *(("dense", "dense_title", "fielded") if near is not None else ())):
        found |= {f"long_{name}": long * found[name], f"head_{name}": head * found[name]}
    return found | {"long": long, "head": head}


def _nearness(pages: Sequence[Page]) -> dict[str, float]:
    """What the vectors say for the first page, and for the nearest, by itself and against the others."""
    page = pages[0]
    rivals = [other for other in pages[1:] if other.lang == page.lang] or pages[1:]
    mean = sum(other.dense for other in pages) / len(pages)
    spread = (sum((other.dense - mean) ** 2 for other in pages) / len(pages)) ** 0.5
    fielded = sorted((_BODY * other.dense + (1 - _BODY) * other.dense_title for other in pages), reverse=True)
    here = max(page.dense, page.dense_title)
    best = max(max(other.dense, other.dense_title) for other in pages)
    return {
        "dense": page.dense,
        "dense_title": page.dense_title,
        "dense_gap": page.dense - max((other.dense for other in rivals), default=0.0),
        "dense_above": (page.dense - mean) / (spread + 0.02) / 4,
        "lead": min(page.score - max((other.score for other in rivals), default=0.0), 0.5),
        "score": page.score,
        "fielded": fielded[0],
        "margin": fielded[0] - (fielded[1] if fielded[1:] else 0.0),
        "best": best,
        # A cosine says little until it is high, and then nearly all.
        **{f"best_over_{step}": 3 * max(0.0, best - step / 100) for step in _STEPS},
        **{f"here_over_{step}": 3 * max(0.0, here - step / 100) for step in _STEPS},
    }


def evidence(question: Question, pages: Sequence[Page], near: Near | None = None) -> float:
    """The chance (0..1) that the answer to a question stands in the first of its pages."""
    found = features(question, pages, near)
    if found is None:
        return 0.0
    weights = table()[section("evidence", question, near)]
    odds = weights["bias"] + sum(weights.get(name, 0.0) * value for name, value in found.items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))


def _title_covered(question: Question, page: Page) -> float:
    """The share of the page's title that the question names: `gift cards` asks for the page of that name."""
    chunk = page.passages[0][0].chunk
    words = tokens(chunk.title)
    stemmed = [stem(word, chunk.lang) for word in words]
    asked = {(way.group, way.term) for unit in question.units for way in unit.ways}
    meant = [(start, end) for start, end, name in concepts(words, stemmed, chunk.lang) if (CONCEPT, name) in asked]
    fields = group(chunk.lang)
    total = named = 0.0
    for at, word in enumerate(words):
        share = weight(word, chunk.lang)
        total += share
        if (fields, stemmed[at]) in asked:
            named += share
        elif any(start <= at < end for start, end in meant):
            named += share * SYNONYM
    return named / total if total else 0.0
