"""Fits the weights of the search (config/assistant/evidence.toml) on the tuning companies, and on nothing else.

`python -m tests.bench.fit` prints what it found, cross-checked by company; `--write` puts it into the file. Each
company is indexed three times: in both languages, in the question's own and in the other one alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from invent_server.assistant.thresholds import ANSWER, ASK
from invent_server.knowledge.index.child import evidence, ranking
from invent_server.knowledge.index.child.engine import Engine
from invent_server.knowledge.index.child.fitted import table
from invent_server.knowledge.index.child.language import identify
from invent_server.knowledge.index.child.question import Question, read
from tests.bench.companies import COMPANIES, Asked, Company, article, pages, questions

TARGET = Path(__file__).parents[2] / "config" / "assistant" / "evidence.toml"
LANGUAGE_WEIGHT = 0.6
"""Set by hand: an article in the customer's language goes before its translation."""
FOREIGN_GRAMS = 3.0
"""Set by hand between customers' short questions, which want 1 to 3, and those full of names (XQuAD), which want 6."""
FOREIGN_SHARE = 0.5
"""How much a question to foreign articles counts: most knowledge is in the language of its customers."""
BAR = (ANSWER + ASK) / 2
"""Where the assistant without a model begins to answer (invent_server.assistant.thresholds)."""
REFUSED = 0.88
"""Share of unanswerable questions (to articles in both languages) that shall lie below the bar."""
SKIPPED = ("language", "dense", "dense_title", "near", "near_title")

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(slots=True)
class Case:
    company: str
    mode: str
    asked: Asked
    question: Question
    pages: list[ranking.Page]
    good: list[bool]

    @property
    def right(self) -> bool:
        return bool(self.good) and self.good[0]


def cases(company: Company) -> Iterator[Case]:
    """Every question to each of the three indexes."""
    for languages in (("es", "en"), ("es",), ("en",)):
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(Path(folder))
            for _, chunks in pages(company, languages):
                for chunk in chunks:
                    engine.add(engine.prepare(chunk))
            engine.commit()
            engine.show()
            for asked in questions(company):
                mode = "both" if len(languages) == 2 else "own" if asked.lang in languages else "foreign"
                question = read(asked.text, identify(asked.text, None, engine.languages()), engine)
                found = ranking.candidates(engine, question, asked.text)
                good = [
                    article(page.page_id) in asked.articles and (mode != "both" or page.lang == asked.lang)
                    for page in found
                ]
                yield Case(company.name, mode, asked, question, found, good)


def fit_ranking(known: Sequence[Case], steps: int = 400, decay: float = 0.003) -> dict[str, float]:
    """Weights that put the right page first: softmax over the candidates of each question."""
    chosen = [case for case in known if any(case.good) and case.mode != "foreign"]
    names = [name for name in ranking.features(chosen[0].question, chosen[0].pages[0]) if name not in SKIPPED]
    tables = []
    for case in chosen:
        rows = [ranking.features(case.question, page) for page in case.pages]
        tables.append(
            (
                np.array([[row[name] for name in names] for row in rows]),
                LANGUAGE_WEIGHT * np.array([row["language"] for row in rows]),
                np.array(case.good, dtype=float),
            )
        )
    weights = np.zeros(len(names))
    for _ in range(steps):
        slope = np.zeros(len(names))
        for rows_, offset, good in tables:
            score = rows_ @ weights + offset
            chance = np.exp(score - score.max())
            chance /= chance.sum()
            wanted = chance * good
            slope += rows_.T @ (wanted / wanted.sum() - chance)
        weights = np.maximum(weights + 5 * (slope / len(tables) - decay * weights), 0.0)
    return {**dict(zip(names, weights.tolist(), strict=True)), "language": LANGUAGE_WEIGHT}


def order(known: Sequence[Case], weights: dict[str, float]) -> None:
    """Put the pages of each case into the order that `weights` give."""
    for case in known:
        good = {id(page) for page, right in zip(case.pages, case.good, strict=True) if right}
        ranking.order(case.question, case.pages, foreign(weights) if case.mode == "foreign" else weights)
        case.good = [id(page) in good for page in case.pages]


def foreign(weights: dict[str, float]) -> dict[str, float]:
    """The weights for articles of another language than the question's."""
    return {**weights, "grams": FOREIGN_GRAMS * weights["grams"]}


def fit_evidence(known: Sequence[Case], steps: int = 3000, decay: float = 0.05) -> dict[str, float]:
    """Logistic regression: is the question answerable?"""
    rows = [(case, found) for case in known if (found := evidence.features(case.question, case.pages))]
    names = list(rows[0][1])
    x = np.array([[found[name] for name in names] for _, found in rows])
    y = np.array([float(case.asked.answerable) for case, _ in rows])
    share = np.array([FOREIGN_SHARE if case.mode == "foreign" else 1.0 for case, _ in rows])
    middle, spread = x.mean(0), x.std(0) + 1e-9
    z = (x - middle) / spread
    weights, bias = np.zeros(len(names)), 0.0
    for _ in range(steps):
        wrong = (1 / (1 + np.exp(-(z @ weights + bias))) - y) * share / share.sum()
        weights -= 0.5 * (z.T @ wrong + decay * weights)
        bias -= 0.5 * float(wrong.sum())
    plain = weights / spread
    return {**dict(zip(names, plain.tolist(), strict=True)), "bias": bias - float(plain @ middle)}


def odds(case: Case, weights: dict[str, float]) -> float:
    """The evidence of a case before the logistic function."""
    found = evidence.features(case.question, case.pages)
    if found is None:
        return -30.0
    return weights["bias"] + sum(weights[name] * value for name, value in found.items())


def report(known: Sequence[Case], weights: dict[str, float], mode: str) -> str:
    """Right pages on top, AUROC, and answers that stay when 75, 80, 85 of 100 unanswerable ones are refused."""
    some = [case for case in known if case.mode == mode]
    good = [(odds(case, weights), case.right) for case in some if case.asked.answerable]
    bad = sorted(odds(case, weights) for case in some if not case.asked.answerable)
    auroc = sum((one > other) + 0.5 * (one == other) for one, _ in good for other in bad) / len(good) / len(bad)
    kept = [
        f"{share}: {sum(right and value > bad[int(len(bad) * share / 100)] for value, right in good) / len(good):.3f}"
        for share in (75, 80, 85)
    ]
    return f"{mode:8} first {sum(r for _, r in good) / len(good):.3f} auroc {auroc:.3f} answered at {', '.join(kept)}"


def put_bar(weights: dict[str, float], bad: Sequence[float], share: float) -> None:
    """Move the constant so that `share` of the unanswerable questions lie below BAR; `bad`: their odds."""
    weights["bias"] += float(np.log(BAR / (1 - BAR))) - float(np.quantile(bad, share))


def text_of(sections: dict[str, dict[str, float]]) -> str:
    """The file."""
    head = (
        "# Weights of the search. Fitted by `python -m tests.bench.fit --write` on tests/bench/sets/tuning alone:\n"
        "# [ranking] by softmax over the candidates of each question, [evidence] by logistic regression (is the\n"
        f"# question answerable?), its constant moved so that {REFUSED:.0%} of the unanswerable ones stay below "
        f"{BAR:.2f}.\n"
        "# [minilm_...]: by `python -m tests.bench.fit_vectors`, on those and the public sets of tests.bench.beir.\n"
    )
    body = [
        f"\n[{name}]\n" + "\n".join(f"{key} = {value:.4f}" for key, value in values.items())
        for name, values in sections.items()
    ]
    return head + "\n".join(body) + "\n"


def main() -> None:
    """Fit, cross-check, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    known = [case for company in COMPANIES["tuning"] for case in cases(company)]
    companies = sorted({case.company for case in known})

    for name in companies:
        train, test = [case for case in known if case.company != name], [case for case in known if case.company == name]
        ranks = fit_ranking(train)
        order(known, ranks)
        weights = fit_evidence(train)
        for mode in ("both", "own", "foreign"):
            print(f"held out {name:7}", report(test, weights, mode))
    ranks = fit_ranking(known)
    order(known, ranks)
    weights = fit_evidence(known)
    bad = [odds(case, weights) for case in known if case.mode == "both" and not case.asked.answerable]
    put_bar(weights, bad, REFUSED)
    for mode in ("both", "own", "foreign"):
        print("all            ", report(known, weights, mode))
    found = {"ranking": ranks, "ranking_foreign": foreign(ranks), "evidence": weights}
    text = text_of({**found, **{name: values for name, values in table().items() if name not in found}})
    print(text)
    if given.write:
        TARGET.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
