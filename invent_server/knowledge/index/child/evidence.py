"""Is the answer in this knowledge? One calibrated number out of how the best page covers the question."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invent_server.knowledge.index.child.fitted import table
from invent_server.knowledge.index.child.question import Question
from invent_server.knowledge.index.child.ranking import Page, cover

_WIDEST_MARGIN = 2.5


def features(question: Question, pages: Sequence[Page]) -> dict[str, float] | None:
    """What tells an answer from a near miss; `pages` best first. None: there is nothing to go by."""
    told = [unit for unit in question.units if unit.weight > 0]
    total = sum(unit.weight for unit in told)
    if not pages or not total:
        return None
    top = pages[0]
    match = top.best[1]
    held = top.covered(question)
    content = [unit for unit in told if unit.word.weight >= 1]
    unknown = [unit for unit in content if not unit.ways]
    rivals = [page.score for page in pages[1:] if page.lang == top.lang]
    pairs = list(zip(question.units, held, strict=True))
    return {
        "all": match.all,
        "title": match.title,
        "body": match.body,
        "page": cover(question, held),
        "exact": sum(unit.weight for unit, value in pairs if value >= 0.9) / total,
        "unknown": sum(unit.weight for unit in told if not unit.ways) / total,
        "unknown_count": min(len(unknown), 3) / 3,
        "unknown_common": float(any(unit.named for unit in unknown)),
        "unknown_rare": float(any(not unit.named for unit in unknown)),
        "elsewhere": sum(unit.weight for unit, value in pairs if unit.ways and value == 0) / total,
        "margin": min(top.score - max(rivals, default=top.score - _WIDEST_MARGIN), _WIDEST_MARGIN) / _WIDEST_MARGIN,
        "length": min(len(content), 6) / 6,
        "single": float(len(content) <= 1),
        "rarest": max(unit.weight * (value > 0) for unit, value in pairs),
        "sum": min(sum(unit.weight * value for unit, value in pairs), 4.0) / 4,
        "foreign": float(top.lang != question.language),
    }


def evidence(question: Question, pages: Sequence[Page]) -> float:
    """The chance (0..1) that the answer to a question stands in the first of its pages."""
    found = features(question, pages)
    if found is None:
        return 0.0
    weights = table()["evidence"]
    sum_ = weights["bias"] + sum(weight * found[name] for name, weight in weights.items() if name != "bias")
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, sum_))))
