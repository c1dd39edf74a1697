"""A customer's line -> what to look for: per word the ways in which a passage may hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from invent_server.knowledge.index.child.analysis import WEAK, Word, everyday_words, query_words, stem, weight
from invent_server.knowledge.index.child.engine import GROUPS, Engine, framed_term, group
from invent_server.knowledge.index.child.lexicon import concepts, vocabulary
from invent_server.knowledge.index.child.vocabulary import nearest

CONCEPT = "concepts"
_OTHER_LANGUAGE = 0.9
_FOREIGN_STEM = 5
"""Shorter stems mean different things in different languages."""
SYNONYM = 0.75
_TYPO = 0.9
_RELATIVE = 0.7
_RELATIVES = 3
_FAMILY = 5
"""Letters that words of one family share at least at their beginning."""
_EVERYDAY = 0.4
_MISSPELT_EVERYDAY = 5


@dataclass(frozen=True, slots=True)
class Way:
    """A term that stands for a word: in the fields of a language group, or CONCEPT. `quality`: 1 = the word itself."""

    group: str
    term: str
    quality: float
    count: int

    @property
    def framed(self) -> str:
        return framed_term(self.term)


@dataclass(frozen=True, slots=True)
class Unit:
    """A word of the question, its weight (how much it says x how rare it is here, 0..1) and its ways; none: unknown."""

    word: Word
    ways: tuple[Way, ...]
    weight: float
    named: bool
    """The table of synonyms knows it: it is a common word of support talk."""


@dataclass(frozen=True)
class Question:
    """What a text asks, in its language."""

    language: str
    units: tuple[Unit, ...]

    @cached_property
    def weights(self) -> tuple[float, ...]:
        return tuple(unit.weight for unit in self.units)

    @cached_property
    def total(self) -> float:
        return sum(self.weights)

    @property
    def known(self) -> list[Unit]:
        return [unit for unit in self.units if unit.ways]


def read(text: str, language: str, engine: Engine) -> Question:
    """What a text asks of the index as it is now."""
    words = [_meant(word, language) for word in query_words(text, language)]
    meant = concepts([word.text for word in words], [word.stem for word in words], language)
    units = (_unit(engine, words, at, meant, language) for at in range(len(words)))
    return Question(language, tuple(unit for unit in units if unit.weight))


def _meant(word: Word, language: str) -> Word:
    """A misspelt everyday word (peudo, becuase) is that word."""
    if word.weight < 1 or word.everyday or len(word.text) < _MISSPELT_EVERYDAY:
        return word
    return _everyday_slip(word, language) or word


@lru_cache(maxsize=4096)
def _everyday_slip(word: Word, language: str) -> Word | None:
    known = everyday_words(language)
    if word.text in known or word.text in vocabulary(language):
        return None
    near = nearest(word.text, lambda prefix: [(other, 1) for other in known if other.startswith(prefix)])
    return Word(near[0], stem(near[0], language), weight(near[0], language), True) if near else None


def _unit(engine: Engine, words: Sequence[Word], at: int, meant: list[tuple[int, int, str]], language: str) -> Unit:
    word = words[at]
    # An empty word inside a phrase of the table (darme de BAJA) says something after all.
    spans = {name: end - start for start, end, name in meant if start <= at < end}
    if not word.weight and not any(length > 1 for length in spans.values()):
        return Unit(word, (), 0.0, False)
    ways = _same(engine, word, word.text, language, 1.0)
    for name in spans:
        if count := max(engine.frequency("body_concepts", name), engine.frequency("title_concepts", name)):
            ways.append(Way(CONCEPT, name, SYNONYM, count))
    if not ways and word.weight >= 1 and not spans:
        ways = [] if word.everyday else _misspelt(engine, word, language)
        ways = ways or _relatives(engine, word, language)
    share = word.weight or WEAK
    if any(length > 1 for length in spans.values()):
        share = max(share, 0.5)
    if not ways and word.everyday:
        share *= _EVERYDAY
    count = max((way.count for way in ways), default=0)
    return Unit(word, tuple(ways), share * rarity(count, engine.size), bool(spans))


def _misspelt(engine: Engine, word: Word, language: str) -> list[Way]:
    near = nearest(word.text, lambda prefix: engine.terms("surface", prefix))
    return _same(engine, word, near[0], language, _TYPO * near[1]) if near else []


def _relatives(engine: Engine, word: Word, language: str) -> list[Way]:
    """Words of one family that the stemmer keeps apart: manually and manual, firmar and firma."""
    base, field = word.stem, group(language)
    if len(base) < _FAMILY:
        return []
    known = {
        term: max(count, engine.frequency(f"title_{field}", term))
        for name in ("body", "title")
        for term, count in engine.terms(f"{name}_{field}", base[:_FAMILY])
    }
    near = [term for term in known if _one_family(base, term)]
    return [Way(field, term, _RELATIVE, known[term]) for term in sorted(near, key=len)[:_RELATIVES]]


def _one_family(one: str, other: str) -> bool:
    shared = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared >= _FAMILY and max(len(one), len(other)) - shared <= (2 if shared < min(len(one), len(other)) else 4)


def _same(engine: Engine, word: Word, spelling: str, language: str, quality: float) -> list[Way]:
    """The word itself; in passages of other languages only what its own language does not know (names, terms)."""
    own = group(language)
    found: list[Way] = []
    for name in (own, *(name for name in GROUPS if name != own)):
        term = stem(spelling, language if name == own else name)
        count = max(engine.frequency(f"body_{name}", term), engine.frequency(f"title_{name}", term))
        if count and (name == own or (not found and word.weight >= 1 and len(term) >= _FOREIGN_STEM)):
            found.append(Way(name, term, quality if name == own else quality * _OTHER_LANGUAGE, count))
    return found


def rarity(count: int, size: int) -> float:
    """How telling a term is that stands in `count` of `size` passages: 1 = nowhere, near 0 = everywhere."""
    top = math.log(1 + size + 0.5)
    return min(1.0, math.log(1 + (size - min(count, size) + 0.5) / (count + 0.5)) / top) if size else 1.0
