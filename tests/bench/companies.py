"""The companies and questions that answers are measured on. `tuning` may be looked at; the others only measure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from invent_server.knowledge.chunk import chunks
from invent_server.knowledge.types import Chunk

SETS = Path(__file__).parent / "sets"
_CONFIG = Path(__file__).parents[2] / "config"


@dataclass(frozen=True, slots=True)
class Company:
    """A folder of articles (LANG/NAME.md) and files of questions about them."""

    name: str
    articles: Path
    questions: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question; `articles` (names without language) that answer it, none when the knowledge holds no answer."""

    id: str
    lang: str
    text: str
    kind: str
    articles: frozenset[str]

    @property
    def answerable(self) -> bool:
        return bool(self.articles)


def _tuning(name: str, articles: Path) -> Company:
    return Company(name, articles, tuple(sorted((SETS / "tuning" / name).glob("*questions.jsonl"))))


COMPANIES = {
    "demo": (Company("demo", _CONFIG / "demo" / "knowledge", (SETS / "demo_questions.jsonl",)),),
    "second": (Company("second", SETS / "second_company", (SETS / "second_questions.jsonl",)),),
    "demo-plain": (Company("demo", _CONFIG / "demo" / "knowledge", (SETS / "demo_plain_questions.jsonl",)),),
    "second-plain": (Company("second", SETS / "second_company", (SETS / "second_plain_questions.jsonl",)),),
    "tuning": (
        *(_tuning(name, SETS / "tuning" / name) for name in ("saas", "clinic", "electro", "hotel")),
        _tuning("demo", _CONFIG / "demo" / "knowledge"),
    ),
}


def pages(company: Company, languages: tuple[str, ...] = ("es", "en")) -> Iterator[tuple[str, list[Chunk]]]:
    """Its articles as pages named LANG/NAME."""
    for file in sorted(company.articles.rglob("*.md")):
        if file.parent.name in languages:
            text = file.read_text("utf-8")
            title = next(line for line in text.splitlines() if line.startswith("# "))[2:]
            name = f"{file.parent.name}/{file.stem}"
            yield name, chunks(name, company.name, title, text)


def questions(company: Company) -> list[Asked]:
    """Its questions."""
    rows = (
        json.loads(line) for file in company.questions for line in file.read_text("utf-8").splitlines() if line.strip()
    )
    return [Asked(row["id"], row["lang"], row["text"], row["kind"], frozenset(row["articles"])) for row in rows]


def article(page_id: str) -> str:
    """The name of a page's article, the same in each language."""
    return page_id.rpartition("/")[2]
