"""Public sets (the folder of `--data`) as BEIR folders, which `invent eval retrieval` reads.

`python -m tests.bench.beir --data FOLDER --out FOLDER` writes one folder per column of docs/benchmarks.md:
`corpus.jsonl`, `queries.jsonl`, `qrels.tsv`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Set:
    """A corpus with its questions; `right` holds (question, document)."""

    corpus: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    right: list[tuple[str, str]] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """As files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in (("corpus", self.corpus), ("queries", self.queries)):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")
        lines = (f"{query}\t{document}\t1\n" for query, document in self.right)
        (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")


def stackfaq(data: Path) -> Set:
    """FAQ threads with what people ask in other words."""
    found = Set()
    pairs = json.loads((data / "stackfaq" / "stackExchange-FAQ.json").read_text("utf-8"))["root"]["qapair"]
    for at, pair in enumerate(pairs):
        found.corpus.append(
            {
                "_id": f"d{at}",
                "title": pair["question"],
                "text": "\n\n".join(filter(None, pair["answer"])),
                "lang": "en",
            }
        )
        asked = [text for text in pair["rephr"] if text and len(text.strip()) > 1]
        for number, text in enumerate(asked):
            found.queries.append({"_id": f"q{at}-{number}", "text": text, "lang": "en"})
            found.right.append((f"q{at}-{number}", f"d{at}"))
    return found


def xquad(data: Path, asked: str, written: str) -> Set:
    """Questions in one language to paragraphs in the same or another."""
    found = Set()
    questions = dict(_xquad(data, asked))
    for place, (text, _) in _xquad(data, written):
        found.corpus.append({"_id": place, "title": "", "text": text, "lang": written})
        for number, question in enumerate(questions[place][1]):
            found.queries.append({"_id": f"{place}-{number}", "text": question, "lang": asked})
            found.right.append((f"{place}-{number}", place))
    return found


def _xquad(data: Path, lang: str) -> Iterator[tuple[str, tuple[str, list[str]]]]:
    articles = json.loads((data / "xquad" / f"xquad.{lang}.articles-1-24.json").read_text("utf-8"))["data"]
    for one, article in enumerate(articles):
        for two, part in enumerate(article["paragraphs"]):
            yield f"p{one}-{two}", (part["context"].strip("\ufeff "), [entry["question"] for entry in part["qas"]])


def sets(data: Path) -> dict[str, Set]:
    """Column -> set."""
    return {
        "stackfaq": stackfaq(data),
        "xquad-en": xquad(data, "en", "en"),
        "xquad-es": xquad(data, "es", "es"),
        "xquad-es-en": xquad(data, "es", "en"),
        "xquad-en-es": xquad(data, "en", "es"),
    }


def main() -> None:
    """Write the folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for name, one in sets(given.data).items():
        one.write(given.out / name)
        print(name, len(one.corpus), "documents", len(one.queries), "questions")


if __name__ == "__main__":
    main()
