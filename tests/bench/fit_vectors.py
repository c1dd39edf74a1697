"""Fits the weights of the search with vectors (sections `minilm_*` of config/assistant/evidence.toml).

`python -m tests.bench.fit_vectors --model FOLDER --data FOLDER [--write]`. Seen are the tuning companies and the public
sets of `tests.bench.beir`, each in equal shares; each is also held out once and reported. One set of weights per
side of the language switch: the model learned the question's language or not, articles are in it or not.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from invent_server.knowledge.chunk import chunks
from invent_server.knowledge.index.child import evidence, ranking
from invent_server.knowledge.index.child.engine import Engine
from invent_server.knowledge.index.child.fitted import table
from invent_server.knowledge.index.child.language import identify
from invent_server.knowledge.index.child.onnx import MiniLM
from invent_server.knowledge.index.child.question import Question, read
from invent_server.knowledge.index.child.vectors import Near, Vectors, content
from invent_server.knowledge.types import Chunk
from tests.bench.beir import Set, sets
from tests.bench.companies import COMPANIES, Asked, Company, article, pages, questions
from tests.bench.fit import LANGUAGE_WEIGHT, TARGET, put_bar, text_of

LANGUAGE = LANGUAGE_WEIGHT
HORIZON = 100
REFUSED = 0.9
SKIPPED = ("language", "rarest")
SHARES = {"stackfaq": 3.0, "xquad-en": 0.5, "xquad-es": 0.5, "xquad-es-en": 0.5, "xquad-en-es": 0.5}
"""What a public set counts beside a company: what people ask a FAQ in their own words is what we are for."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(slots=True)
class Case:
    """A question to one index, with the pages that were found."""

    group: str
    plain: bool
    answerable: bool
    both: bool
    """The articles are there in both languages."""
    foreign: bool
    question: Question
    near: Near
    pages: list[ranking.Page]
    right: Callable[[ranking.Page], bool]

    @property
    def known(self) -> bool:
        return MiniLM.knows is None or self.question.language in MiniLM.knows

    @property
    def good(self) -> list[bool]:
        return [self.right(page) for page in self.pages]


class Embedding:
    """Vectors of texts, each made once; kept in a file between runs."""

    def __init__(self, folder: Path, kept: Path) -> None:
        self._model = MiniLM(folder)
        self._kept = kept
        self._known: dict[str, Any] = pickle.loads(kept.read_bytes()) if kept.is_file() else {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._model.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def keep(self) -> None:
        self._kept.write_bytes(pickle.dumps(self._known))


def near(question: Vectors, vectors: Vectors, known: Sequence[Chunk], titles: dict[str, Vectors]) -> Near:
    """What Chroma would find."""
    cosines = vectors @ question
    best = np.argsort(-cosines)[:HORIZON]
    found: dict[str, float] = {}
    nearest: dict[str, str] = {}
    for at in best:
        found.setdefault(known[at].page_id, float(cosines[at]))
        nearest.setdefault(known[at].page_id, known[at].id)
    passages = {known[at].id: float(cosines[at]) for at in best}

    def of(wanted: Any) -> dict[str, float]:
        return {title: float(titles[title] @ question) for title in wanted if title in titles}

    return Near("minilm", MiniLM.knows, passages, found, nearest, float(cosines[best[-1]]), of)


def cases(
    group: str,
    known: Sequence[tuple[str, list[Chunk]]],
    asked: Sequence[tuple[str, bool, bool, Callable[[ranking.Page], bool]]],
    embed: Embedding,
    both: bool = False,
) -> Iterator[Case]:
    """`asked`: text, plain, answerable, which page is right. Of public sets each question is also asked without it."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        every = [chunk for _, parts in known for chunk in parts]
        for chunk in every:
            engine.add(engine.prepare(chunk))
        engine.commit()
        engine.show()
        vectors = embed([content(chunk) for chunk in every])
        heads = sorted({chunk.title for chunk in every if chunk.title})
        titles = dict(zip(heads, embed(heads), strict=True)) if heads else {}
        for (text, plain, answerable, right), vector in zip(asked, embed([row[0] for row in asked]), strict=True):
            question = read(text, identify(text, None, engine.languages()), engine)
            lies = near(vector, vectors, every, titles)
            first = ranking.candidates(engine, question, text, lies)
            without = [page.page_id for page in first if right(page)] if group in SHARES else []
            foreign = question.language not in engine.languages()
            yield Case(group, plain, answerable, both, foreign, question, lies, first, right)
            if without:
                found = ranking.candidates(engine, question, text, lies, without)
                yield Case(group, plain, False, both, foreign, question, lies, found, right)


def company_cases(company: Company, embed: Embedding) -> Iterator[Case]:
    """Every question to its company's articles in both languages, in its own alone and in the other one alone."""
    for languages in (("es", "en"), ("es",), ("en",)):
        both = len(languages) == 2

        def right(asked: Asked, both: bool = both) -> Callable[[ranking.Page], bool]:
            return lambda page: article(page.page_id) in asked.articles and (not both or page.lang == asked.lang)

        rows = [(one.text, "plain" in one.id, one.answerable, right(one)) for one in questions(company)]
        yield from cases(company.name, list(pages(company, languages)), rows, embed, both)


def public_cases(name: str, one: Set, embed: Embedding) -> Iterator[Case]:
    """Every question of a public set."""
    known = [(row["_id"], chunks(row["_id"], name, row["title"], row["text"], None, row["lang"])) for row in one.corpus]
    answers = dict(one.right)

    def right(document: str) -> Callable[[ranking.Page], bool]:
        return lambda page: page.page_id == document

    yield from cases(name, known, [(q["text"], False, True, right(answers[q["_id"]])) for q in one.queries], embed)


def shares(some: Sequence[Case]) -> Floats:
    """Every group counts the same, public ones less."""
    sizes: dict[str, int] = {}
    for case in some:
        sizes[case.group] = sizes.get(case.group, 0) + 1
    found = np.array([SHARES.get(case.group, 1.0) / sizes[case.group] for case in some])
    parts: Floats = found / found.sum()
    return parts


def fit_ranking(some: Sequence[Case], steps: int = 800, decay: float = 0.0005) -> dict[str, float]:
    """Weights that put the right page first: softmax over the candidates of each question."""
    chosen = [case for case in some if case.answerable and any(case.good)]
    names = [name for name in ranking.features(chosen[0].question, chosen[0].pages[0]) if name not in SKIPPED]
    most = max(len(case.pages) for case in chosen)
    x = np.zeros((len(chosen), most, len(names)))
    offset = np.full((len(chosen), most), -1e9)
    good = np.zeros((len(chosen), most))
    for at, case in enumerate(chosen):
        rows = [ranking.features(case.question, page) for page in case.pages]
        x[at, : len(rows)] = [[row[name] for name in names] for row in rows]
        offset[at, : len(rows)] = [LANGUAGE * row["language"] for row in rows]
        good[at, : len(rows)] = case.good
    share = shares(chosen)
    weights = np.zeros(len(names))
    for _ in range(steps):
        score = x @ weights + offset
        chance = np.exp(score - score.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        wanted = chance * good
        wanted /= wanted.sum(1, keepdims=True) + 1e-12
        slope = np.einsum("ijk,ij,i->k", x, wanted - chance, share)
        weights = np.maximum(weights + 5 * (slope - decay * weights), 0.0)
    return {**dict(zip(names, weights.tolist(), strict=True)), "language": LANGUAGE}


def fit_evidence(some: Sequence[Case], steps: int = 3000, decay: float = 0.02) -> dict[str, float]:
    """Logistic regression: does the first page answer? The pages are in order."""
    rows = [(case, found) for case in some if (found := evidence.features(case.question, case.pages, case.near))]
    names = list(rows[0][1])
    x = np.array([[found[name] for name in names] for _, found in rows])
    y = np.array([float(case.answerable) for case, _ in rows])
    share = shares([case for case, _ in rows])
    middle, spread = x.mean(0), x.std(0) + 1e-9
    z = (x - middle) / spread
    weights, bias = np.zeros(len(names)), 0.0
    for _ in range(steps):
        wrong = (1 / (1 + np.exp(-(z @ weights + bias))) - y) * share
        weights -= 0.5 * (z.T @ wrong + decay * weights)
        bias -= 0.5 * float(wrong.sum())
    plain = weights / spread
    return {**dict(zip(names, plain.tolist(), strict=True)), "bias": bias - float(plain @ middle)}


def odds(case: Case, weights: dict[str, float]) -> float:
    """The evidence of a case before the logistic function."""
    found = evidence.features(case.question, case.pages, case.near)
    if found is None:
        return -30.0
    return weights["bias"] + sum(weights[name] * value for name, value in found.items())


def gain(some: Sequence[Case]) -> tuple[float, float]:
    """nDCG@10 and share of right first pages."""
    total = first = 0.0
    for case in some:
        good = case.good[:10]
        ideal = sum(1 / np.log2(at + 2) for at in range(min(max(sum(case.good), 1), 10)))
        total += sum(value / np.log2(at + 2) for at, value in enumerate(good)) / ideal
        first += bool(good) and good[0]
    return total / len(some), first / len(some)


def report(label: str, some: Sequence[Case], weights: dict[str, float]) -> None:
    """One line per group."""
    for group in sorted({case.group for case in some}):
        cases_ = [case for case in some if case.group == group]
        values = [(odds(case, weights), case) for case in cases_]
        good = [value for value, case in values if case.answerable]
        bad = sorted(value for value, case in values if not case.answerable)
        auroc = np.mean([[(a > b) + 0.5 * (a == b) for b in bad] for a in good])
        kept = [
            np.mean([value > bad[int(len(bad) * share)] and case.good[0] for value, case in values if case.answerable])
            for share in (0.85, 0.9)
        ]
        ndcg, first = gain([case for case in cases_ if case.answerable])
        print(
            f"{label:10} {group:12} ndcg {ndcg:.3f} first {first:.3f} auroc {auroc:.3f} "
            f"kept {kept[0]:.2f} {kept[1]:.2f}"
        )


def order(some: Sequence[Case], weights: dict[str, float]) -> None:
    """Put the pages of each case into the order that `weights` give."""
    for case in some:
        ranking.order(case.question, case.pages, weights)


def main() -> None:
    """Fit, hold each group out once, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "invent-vectors.pickle")
    parser.add_argument("--quick", action="store_true", help="hold nothing out")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    embed = Embedding(given.model, given.kept)
    known = [case for company in COMPANIES["tuning"] for case in company_cases(company, embed)]
    known += [case for name, one in sets(given.data).items() for case in public_cases(name, one, embed)]
    embed.keep()
    found: dict[str, dict[str, float]] = {}
    for suffix, learned in (("", True), ("_unknown", False)):
        for kind in ("ranking", "ranking_foreign"):
            some = [case for case in known if case.known == learned and case.foreign == kind.endswith("foreign")]
            for group in () if given.quick else sorted({case.group for case in some}):
                test = [case for case in some if case.group == group and case.answerable]
                order(test, fit_ranking([case for case in some if case.group != group], 200))
                print(f"held out {group:12} {kind}{suffix} ndcg {gain(test)[0]:.3f} first {gain(test)[1]:.3f}")
            weights = found[f"minilm_{kind}{suffix}"] = fit_ranking(some)
            order(some, weights)
        some = [case for case in known if case.known == learned]
        for group in () if given.quick else sorted({case.group for case in some}):
            held = fit_evidence([case for case in some if case.group != group], 1000)
            report(
                f"held{suffix}", [case for case in some if case.group == group and not case.foreign] or some[:0], held
            )
        weights = found[f"minilm_evidence{suffix}"] = fit_evidence(some)
        bad = [odds(case, weights) for case in some if case.both and not case.answerable]
        put_bar(weights, bad, REFUSED)
        report(f"all{suffix}", some, weights)
    # Nobody measured the cosines of other models: they help with the order, the words alone say whether to answer.
    found["multilingual_ranking"] = found["multilingual_ranking_foreign"] = found["minilm_ranking"]
    found["multilingual_evidence"] = table()["evidence"]
    kept = {name: values for name, values in table().items() if name not in found}
    if given.write:
        TARGET.write_text(text_of({**kept, **found}), "utf-8")


if __name__ == "__main__":
    main()
