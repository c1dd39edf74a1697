"""The index process under load: searches while it fills, searches when it is full, its memory.

`python -m tests.bench.index [--chunks N]` fills a real index process with N made-up passages (words by Zipf's law,
among them those of the tuning companies) while it asks their questions without a pause, then asks again at rest.
Prints one JSON line; times in milliseconds, as the server sees them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from invent_server.knowledge.index.client import Index
from invent_server.knowledge.types import Chunk
from shared.settings import load
from shared.tasks import Tasks
from tests.bench.companies import COMPANIES, pages, questions

WORDS = 90
PER_PAGE = 4


def texts(count: int, seed: int = 7) -> Iterator[str]:
    """Made-up passages: every tenth word of a rank that follows Zipf's law over 60,000 made-up words."""
    chance = random.Random(seed)
    real = [w for company in COMPANIES["tuning"] for _, parts in pages(company) for p in parts for w in p.text.split()]
    made = ["".join(chance.choices("abcdefghilmnoprstuv", k=chance.randint(4, 11))) for _ in range(60_000)]
    for _ in range(count):
        yield " ".join(
            real[int(len(real) * chance.random() ** 2)]
            if chance.random() < 0.7
            else made[min(int(60_000 ** chance.random()), 59_999)]
            for _ in range(WORDS)
        )


def share(times: list[float], part: float) -> float:
    """A quantile in milliseconds."""
    return round(sorted(times)[min(int(len(times) * part), len(times) - 1)] * 1000, 1)


def memory(pid: int) -> dict[str, int]:
    """Proportional set of a process in MB: its own, and the pages of files (the index) that the system may drop."""
    found = dict.fromkeys(("Pss_Anon", "Pss_File"), 0)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = round(int(rest.split()[0]) / 1000)
    return {"own": found["Pss_Anon"], "files": found["Pss_File"]}


async def measure(count: int) -> dict[str, object]:
    """All figures."""
    asked = [question.text for company in COMPANIES["tuning"] for question in questions(company)]
    given = list(texts(count))
    many = [
        (
            f"p{page}",
            [
                Chunk(f"c{page}-{n}", f"p{page}", "s", n, " ".join(text.split()[:5]), "", text, None, "")
                for n, text in enumerate(given[page * PER_PAGE : (page + 1) * PER_PAGE])
            ],
        )
        for page in range(count // PER_PAGE)
    ]
    tasks = Tasks(lambda error: print(repr(error)))
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder), load().index)
        await index.start(wait=30)
        assert index._process is not None
        idle = memory(index._process.pid)
        times: list[float] = []

        async def ask() -> None:
            while True:
                for text in asked:
                    began = time.perf_counter()
                    await index.search(text)
                    times.append(time.perf_counter() - began)

        for company in COMPANIES["tuning"]:
            await index.replace_many(pages(company))
        await index.commit(1)
        began = time.perf_counter()
        asking = tasks.start(ask())
        await index.replace_many(many)
        await index.commit(2)
        took = time.perf_counter() - began
        asking.cancel()
        during, times = times, []
        await asyncio.sleep(2)
        for text in asked:
            began = time.perf_counter()
            await index.search(text)
            times.append(time.perf_counter() - began)
        full = memory(index._process.pid)
        await index.close()
    return {
        "chunks": count,
        "filled_s": round(took, 1),
        "searches_meanwhile": len(during),
        "meanwhile_ms": {"p50": share(during, 0.5), "p99": share(during, 0.99), "p99.9": share(during, 0.999)},
        "worst_ms": share(during, 1.0),
        "at_rest_ms": {"p50": share(times, 0.5), "p95": share(times, 0.95), "p99": share(times, 0.99)},
        "pss_mb": {"empty": idle, "full": full},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20_000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(json.dumps(asyncio.run(measure(parser.parse_args().chunks))))


if __name__ == "__main__":
    main()
