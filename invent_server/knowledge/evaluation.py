"""How well the search finds, and how well it knows what it does not: a set in BEIR layout in a scratch index.

`corpus.jsonl {_id, title, text, url?, lang?, questions?}`, `queries.jsonl {_id, text, lang?}`, `qrels.tsv` (query,
document, grade). `questions` of a document are what customers asked that it answers: more keys to find it by.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invent_server.knowledge.chunk import chunks, derive_id
from invent_server.knowledge.dense import Vectors
from invent_server.knowledge.index.client import Index
from invent_server.knowledge.types import Chunk, IndexUnavailable
from invent_server.models.embedding import EmbeddingModel
from shared.settings import Settings
from shared.text import storable

DEEP = 50
"""Hits that are looked at."""
PRECISION = 0.95
_START = 30.0
_TOGETHER = 100

Told = Callable[[str, int, int], None]


class BadSet(Exception):
    """The folder holds no set: the message names file and line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    id: str
    title: str
    text: str
    url: str | None
    lang: str
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str
    lang: str | None
    grades: dict[str, float]
    """Document -> how well it answers (over 0)."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What came of a question: the grades of the hits in order, the evidence with and without what answers it."""

    query: Query
    hits: tuple[str, ...]
    evidence: float
    evidence_without: float
    seconds: float


def read_set(folder: Path) -> tuple[list[Document], list[Query]]:
    """A set; questions that nothing answers are left out. Raises BadSet."""
    documents = [
        Document(
            _text(row, "_id", where),
            storable(_text(row, "title", where, "")),
            storable(_text(row, "text", where, "")),
            _text(row, "url", where, "") or None,
            _text(row, "lang", where, ""),
            tuple(storable(str(one)) for one in row.get("questions") or []),
        )
        for where, row in _rows(folder / "corpus.jsonl")
    ]
    known = {document.id for document in documents}
    grades = _grades(folder)
    queries = [
        Query(id_, storable(_text(row, "text", where)), _text(row, "lang", where, "") or None, grades.get(id_, {}))
        for where, row in _rows(folder / "queries.jsonl")
        for id_ in [_text(row, "_id", where)]
    ]
    if len(known) != len(documents):
        raise BadSet(f"{folder / 'corpus.jsonl'}: two documents have the same _id")
    for query in queries:
        if lost := sorted(set(query.grades) - known):
            raise BadSet(f"qrels.tsv: question {query.id} is answered by {lost[0]}, which corpus.jsonl lacks")
    asked = [query for query in queries if query.grades]
    if not asked:
        raise BadSet(f"{folder}: qrels.tsv names no question of queries.jsonl")
    return documents, asked


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadSet(f"{file} cannot be read: {reason}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            raise BadSet(f"{file}, line {number}: no JSON") from None
        if not isinstance(row, dict):
            raise BadSet(f"{file}, line {number}: no object")
        yield f"{file}, line {number}", row


def _text(row: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if value is None and default is not None:
        value = default
    if not isinstance(value, str):
        raise BadSet(f"{where}: {key} is missing or no text")
    return value


def _grades(folder: Path) -> dict[str, dict[str, float]]:
    file = folder / "qrels.tsv"
    if not file.is_file() and (folder / "qrels" / "test.tsv").is_file():
        file = folder / "qrels" / "test.tsv"
    found: dict[str, dict[str, float]] = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadSet(f"{file} cannot be read: {reason}") from None
    for number, line in enumerate(lines, 1):
        parts = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or (number == 1 and not _number(parts[-1])):
            continue  # an empty line, or the head
        grade = _number(parts[2]) if len(parts) == 3 else None
        if grade is None:
            raise BadSet(f"{file}, line {number}: not query, document and grade between tabs")
        if float(parts[2]) > 0:
            found.setdefault(parts[0].strip(), {})[parts[1].strip()] = float(parts[2])
    return found


def _number(text: str) -> str | None:
    try:
        return text if math.isfinite(float(text)) else None
    except ValueError:
        return None


def pages(documents: Sequence[Document]) -> Iterator[tuple[str, list[Chunk]]]:
    """The documents as the index takes them, their questions as keys."""
    for one in documents:
        parts = chunks(one.id, "eval", one.title, one.text, one.url, one.lang)
        for number, question in enumerate(one.questions, 1):
            id_ = derive_id(one.id, -number)
            parts.append(Chunk(id_, one.id, "eval", -number, one.title, "", question, one.url, one.lang))
        yield one.id, parts


async def retrieval(folder: Path, settings: Settings, model: EmbeddingModel, told: Told) -> dict[str, float]:
    """The figures. `told(what, done, total)` hears how far it is. Raises BadSet, IndexUnavailable."""
    documents, queries = await asyncio.to_thread(read_set, folder)
    # A store of vectors that others use is no place for a scratch index.
    own = settings.model_copy(update={"index": settings.index.model_copy(update={"chroma": "", "timeout": _START})})
    with tempfile.TemporaryDirectory(prefix="invent-eval-") as scratch:
        index = Index(Path(scratch), own.index)
        await index.start(wait=_START)
        try:
            await _fill(index, documents, told)
            vectors = Vectors(index, own, model)
            await vectors.look()
            await _embedded(index, vectors, told)
            asked = []
            for number, query in enumerate(queries):
                asked.append(await _ask(index, vectors, query))
                told("Asking", number + 1, len(queries))
        finally:
            await index.close()
    return figures(asked)


async def _fill(index: Index, documents: Sequence[Document], told: Told) -> None:
    for start in range(0, len(documents), _TOGETHER):
        part = documents[start : start + _TOGETHER]
        await index.replace_many(await asyncio.to_thread(lambda some: list(pages(some)), part))
        told("Indexing", start + len(part), len(documents))
    await index.commit(1)


async def _embedded(index: Index, vectors: Vectors, told: Told) -> None:
    """Wait for the vectors, where there are to be some. Raises IndexUnavailable."""
    if not vectors.wanted:
        return
    while not (state := vectors.state()).ready:
        if problem := state.problem or index.state().problem:
            raise IndexUnavailable(problem)
        told("Embedding", state.done, state.total or index.state().chunks)
        await asyncio.sleep(0.1)


async def _ask(index: Index, vectors: Vectors, query: Query) -> _Asked:
    began = time.perf_counter()
    vector = await vectors.question(query.text)
    found = await index.search(query.text, DEEP, query.lang, vector)
    took = time.perf_counter() - began
    without = await index.search(query.text, 1, query.lang, vector, list(query.grades))
    hits = tuple(hit.chunk.page_id for hit in found.hits)
    return _Asked(query, hits, found.evidence, without.evidence, took)


def figures(asked: Sequence[_Asked]) -> dict[str, float]:
    """Means over the questions; the names are those of the field."""
    seconds = sorted(one.seconds for one in asked)
    found = {
        "ndcg@10": statistics.fmean(_ndcg(one) for one in asked),
        "recall@5": statistics.fmean(
            len(set(one.hits[:5]) & set(one.query.grades)) / len(one.query.grades) for one in asked
        ),
        "mrr": statistics.fmean(_reciprocal(one) for one in asked),
        "auroc": auroc([one.evidence for one in asked], [one.evidence_without for one in asked]),
        "coverage@95": coverage(asked),
        "p95_ms": seconds[math.ceil(len(seconds) * 0.95) - 1] * 1000,
    }
    return {name: round(value, 2 if name == "p95_ms" else 4) for name, value in found.items()}


def _ndcg(one: _Asked) -> float:
    gained = sum(one.query.grades.get(hit, 0.0) / math.log2(at + 2) for at, hit in enumerate(one.hits[:10]))
    best = sorted(one.query.grades.values(), reverse=True)[:10]
    return gained / sum(grade / math.log2(at + 2) for at, grade in enumerate(best))


def _reciprocal(one: _Asked) -> float:
    return next((1 / at for at, hit in enumerate(one.hits, 1) if hit in one.query.grades), 0.0)


def auroc(good: Sequence[float], bad: Sequence[float]) -> float:
    """The chance that a question with its answer there has more evidence than one without."""
    ranked = sorted([(value, True) for value in good] + [(value, False) for value in bad])
    wins, below, at = 0.0, 0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        rights = sum(right for _, right in ranked[at:end])
        wrongs = end - at - rights
        wins += rights * (below + wrongs / 2)
        below += wrongs
        at = end
    return wins / (len(good) * len(bad))


def coverage(asked: Sequence[_Asked]) -> float:
    """The largest share of the questions that can be answered, by a bar on the evidence, with PRECISION right first
    hits among all that is answered: what passes the bar without its article counts as a wrong answer."""
    said = [(one.evidence, bool(one.hits) and one.hits[0] in one.query.grades, True) for one in asked]
    said += [(one.evidence_without, False, False) for one in asked]
    said.sort(key=lambda row: -row[0])
    right = answered = best = 0
    for at, (value, correct, there) in enumerate(said, 1):
        right += correct
        answered += there
        last = at == len(said) or said[at][0] != value
        if last and right >= PRECISION * at:
            best = answered
    return best / len(asked)
