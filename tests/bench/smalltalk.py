"""How often does the assistant without a model react rightly to small talk?

`python -m tests.bench.smalltalk [--set tuning|test|holdout]` sends every line of the sets as the first of a
conversation through the whole responder (with an empty index) and prints one JSON line per set. Right is the kind of
reply: a greeting, honesty about being a machine, a person, a search, or (for thanks, goodbye, yes, no, ok and emoji)
a short answer or silence.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path

from invent_server.assistant.extractive import Extractive
from invent_server.assistant.types import TurnInput, TurnResult
from invent_server.knowledge.types import SearchResult

SETS = Path(__file__).parent / "sets"
FILES = {
    "tuning": SETS / "tuning" / "smalltalk.jsonl",
    "test": SETS / "smalltalk.jsonl",
    "holdout": SETS / "smalltalk_holdout.jsonl",
}

_CLASSES = {
    "greeting": "greeting",
    "are_you_bot": "are_you_bot",
    "ask_human": "person",
    "not_small_talk": "search",
    **dict.fromkeys(("thanks", "goodbye", "ack", "emoji", "affirm", "negate"), "short"),
}


class _Empty:
    """An index without pages that remembers what it was asked."""

    asked = ""

    async def __call__(self, query: str, /, *, k: int, lang: str | None) -> SearchResult:
        self.asked = query
        return SearchResult((), lang or "", 0.0, 0.0)


async def _silent(piece: str) -> None:
    """Nobody listens."""


def reaction(result: TurnResult, asked: str) -> str:
    """The class of a reply."""
    if asked:
        return "search"
    if result.outcome == "handoff":
        return "person"
    if result.outcome == "answer" and result.reason in ("greeting", "are_you_bot"):
        return result.reason
    return "short"


async def measure(name: str) -> dict[str, object]:
    """The share right of one set, in all and per kind, and how long a turn takes."""
    search = _Empty()
    responder = Extractive(search)
    right: dict[str, list[bool]] = defaultdict(list)
    times: list[float] = []
    for line in FILES[name].read_text("utf-8").splitlines():
        row = json.loads(line)
        search.asked = ""
        began = time.perf_counter()
        result = await responder(TurnInput("c", "customer", (row["text"],), (), None, None), _silent)
        times.append((time.perf_counter() - began) * 1000)
        right[row["kind"]].append(reaction(result, search.asked) == _CLASSES[row["kind"]])
    return {
        "set": name,
        "lines": len(times),
        "right": round(statistics.fmean(one for kind in right.values() for one in kind), 4),
        "kinds": {kind: round(statistics.fmean(values), 3) for kind, values in sorted(right.items())},
        "p95_ms": round(sorted(times)[int(len(times) * 0.95)], 2),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=sorted(FILES), action="append")
    for name in parser.parse_args().set or list(FILES):
        print(json.dumps(asyncio.run(measure(name))))


if __name__ == "__main__":
    main()
