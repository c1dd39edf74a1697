"""Candidates of the engine -> pages in order, with what makes each a good or a bad answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING

from tantivy import DocAddress

from invent_server.knowledge.index.child.analysis import MAX_QUERY_CHARS, tokens, weight
from invent_server.knowledge.index.child.engine import Engine, Passage, framed, gram_analyzer, group
from invent_server.knowledge.index.child.fitted import table
from invent_server.knowledge.index.child.question import CONCEPT, Question

if TYPE_CHECKING:
    from invent_server.knowledge.index.child.vectors import Near

_TITLE_BOOST = 2.0
_WORD_CANDIDATES = 32
_GRAM_CANDIDATES = 16
_PAGES = 12
_WHOLE_PAGES = 6
"""Pages of which all passages are looked at."""
_NEAR_PAGES = 10
_WHOLE_NEAR_PAGES = 4
_PASSAGES = 12
_NEARNESS = 1.0
"""What the cosine of a passage is worth beside its words, when the passage of a page is chosen."""
_MAX_GRAMS = 240
_ANALYZER = gram_analyzer()


@dataclass(frozen=True, slots=True)
class Match:
    """Which share of the question a passage covers, weighted by how telling its words are; all 0..1."""

    all: float
    title: float
    body: float
    per_unit: tuple[float, ...]
    dense: float = 0.0
    """The cosine of the passage, where there are vectors."""


@dataclass(slots=True)
class Page:
    """A candidate: its passages, the engine's scores of the best of them relative to the best page, and `score`."""

    page_id: str
    lang: str
    passages: list[tuple[Passage, Match]]
    words: float = 0.0
    grams: float = 0.0
    dense: float = 0.0
    """Cosine of its nearest passage."""
    dense_title: float = 0.0
    near: float = 0.0
    """`dense` between the farthest (0) and the nearest (1) of the candidates; so is `near_title`."""
    near_title: float = 0.0
    score: float = 0.0

    @property
    def best(self) -> tuple[Passage, Match]:
        """The passage that answers."""
        return max(self.passages, key=self.telling)

    def telling(self, pair: tuple[Passage, Match]) -> tuple[float, int]:
        """How well a passage answers: what stands in its body counts more than what every passage's title says."""
        passage, match = pair
        return match.all + 0.5 * match.body + _NEARNESS * match.dense, -passage.chunk.ordinal

    @property
    def answer(self) -> Passage:
        """The passage that is quoted: never a question that was kept as a key."""
        told = [pair for pair in self.passages if not pair[0].chunk.key]
        best = self.best
        return best[0] if not best[0].chunk.key or not told else max(told, key=self.telling)[0]

    def covered(self, question: Question) -> list[float]:
        """Per word of the question how well any passage of the page holds it."""
        return [max(m.per_unit[at] for _, m in self.passages) for at in range(len(question.units))]


def features(question: Question, page: Page) -> dict[str, float]:
    """What speaks for a page, all 0..1; the weights stand in config/assistant/evidence.toml."""
    match_ = page.best[1]
    held = page.covered(question)
    rarest = max(range(len(held)), key=lambda at: question.units[at].weight * bool(question.units[at].ways), default=0)
    telling = [at for at, unit in enumerate(question.units) if unit.weight > 0.1]
    return {
        "words": page.words,
        "grams": page.grams,
        "all": match_.all,
        "title": match_.title,
        "body": match_.body,
        "page": cover(question, held),
        "rarest": held[rarest] if held else 0.0,
        "share": sum(match_.per_unit[at] > 0 for at in telling) / len(telling) if telling else 0.0,
        "language": float(page.lang == question.language),
        "dense": page.dense,
        "dense_title": page.dense_title,
        "near": page.near,
        "near_title": page.near_title,
    }


def rank(
    engine: Engine, question: Question, text: str, near: Near | None = None, without: Collection[str] = ()
) -> list[Page]:
    """The pages that words, n-grams or vectors find, best first; scores 0..1. `without`: pages to pass over."""
    pages = candidates(engine, question, text, near, without)
    order(question, pages, weights_for(question, engine.languages(), near))
    return pages


def weights_for(question: Question, languages: Collection[str], near: Near | None) -> dict[str, float]:
    """N-grams weigh more when no article is in the language of the question: they find names and cognates."""
    return table()[section("ranking" if question.language in languages else "ranking_foreign", question, near)]


def section(name: str, question: Question, near: Near | None) -> str:
    """The language switch: which weights hold. Vectors weigh less in a language that their model never learned."""
    if near is None:
        return name
    known = near.knows is None or question.language in near.knows
    return f"{near.kind}_{name}" if known else f"{near.kind}_{name}_unknown"


def order(question: Question, pages: list[Page], weights: dict[str, float]) -> None:
    """Score pages and put the best first."""
    most = sum(weights.values())
    for page in pages:
        found = features(question, page)
        page.score = sum(weight * found[name] for name, weight in weights.items()) / most
    pages.sort(key=lambda page: -page.score)


def candidates(
    engine: Engine, question: Question, text: str, near: Near | None = None, without: Collection[str] = ()
) -> list[Page]:
    """The pages that words, n-grams or vectors find, not in order yet; the most promising with all their passages."""
    found: dict[str, Page] = {}
    pages: dict[tuple[int, int], Page | None] = {}

    def take(address: DocAddress) -> Page | None:
        """Look at a passage, once; the page it belongs to, None when that is to be passed over."""
        place = (address.segment_ord, address.doc)
        if place in pages:
            return pages[place]
        passage = engine.passage(address)
        chunk = passage.chunk
        if chunk.page_id in without:
            pages[place] = None
            return None
        page = found.setdefault(chunk.page_id, Page(chunk.page_id, chunk.lang, []))
        page.passages.append((passage, match(question, passage, near)))
        pages[place] = page
        return page

    for kind, hits in (("words", _by_words(engine, question)), ("grams", _by_grams(engine, text, question))):
        top = 0.0
        for score, address in hits:
            page = take(address)
            if page is not None:
                top = top or score
                setattr(page, kind, max(getattr(page, kind), score / top))
    ranked = sorted(found.values(), key=lambda page: -(page.words + 0.3 * page.grams))[:_PAGES]
    whole = ranked[:_WHOLE_PAGES]
    if near is not None:
        nearest = [page_id for page_id in near.pages if page_id not in without][:_NEAR_PAGES]
        for page_id in nearest:
            place = engine.chunk(near.nearest[page_id])
            page = take(place) if place is not None else None  # None: gone since its vector was made
            if page is not None and page not in ranked:
                ranked.append(page)
        whole += [page for page in ranked if page.page_id in nearest[:_WHOLE_NEAR_PAGES] and page not in whole]
    for page in whole:
        for address in engine.page(page.page_id, _PASSAGES):
            take(address)
    if near is not None:
        _measure(ranked, near)
    return ranked


def _measure(pages: Sequence[Page], near: Near) -> None:
    """How near each page is, by itself and among the others."""
    heads = {page.page_id: page.passages[0][0].chunk.title for page in pages}
    titles = near.titles(set(heads.values()))
    for page in pages:
        page.dense = near.pages.get(page.page_id, near.horizon)
        page.dense_title = titles.get(heads[page.page_id], page.dense)
    for name, source in (("near", "dense"), ("near_title", "dense_title")):
        values = [getattr(page, source) for page in pages]
        least = min(values, default=0.0)
        span = max(values, default=0.0) - least
        for page, value in zip(pages, values, strict=True):
            setattr(page, name, (value - least) / span if span > 0 else 0.0)


def match(question: Question, passage: Passage, near: Near | None = None) -> Match:
    """How much of a question a passage holds, in its title, in its body, in either."""
    fields = group(passage.chunk.lang)
    size = len(question.units)
    in_title, in_body = [0.0] * size, [0.0] * size
    for at, unit in enumerate(question.units):
        for way in unit.ways:
            if way.group == CONCEPT:
                heads, bodies = passage.title_concepts, passage.body_concepts
            elif way.group == fields:
                heads, bodies = passage.title, passage.body
            else:
                continue
            if way.quality > in_title[at] and way.framed in heads:
                in_title[at] = way.quality
            if way.quality > in_body[at] and way.framed in bodies:
                in_body[at] = way.quality
    both = tuple(map(max, in_title, in_body))
    dense = near.passages.get(passage.chunk.id, near.horizon) if near is not None else 0.0
    return Match(cover(question, both), cover(question, in_title), cover(question, in_body), both, dense)


def cover(question: Question, held: Sequence[float]) -> float:
    """The share of the question, by weight, that is held."""
    return sum(map(mul, question.weights, held)) / question.total if question.total else 0.0


def _by_words(engine: Engine, question: Question) -> list[tuple[float, DocAddress]]:
    queries = []
    for unit in question.known:
        terms = []
        for way in unit.ways:
            share = max(unit.word.weight, 0.25) * way.quality
            terms += [(f"body_{way.group}", way.term, share), (f"title_{way.group}", way.term, share * _TITLE_BOOST)]
        queries.append(engine.best_of(terms))
    return engine.search(engine.all_of(queries), _WORD_CANDIDATES) if queries else []


def _by_grams(engine: Engine, text: str, question: Question) -> list[tuple[float, DocAddress]]:
    words = [word for word in tokens(text[:MAX_QUERY_CHARS]) if weight(word, question.language) >= 1.0]
    grams = list(dict.fromkeys(_ANALYZER.analyze(framed(words))))[:_MAX_GRAMS] if words else []
    return engine.search(engine.any_of([("grams", gram, 1.0) for gram in grams]), _GRAM_CANDIDATES) if grams else []
