"""What a customer wants, by a few examples per intent: no training job, an added example holds at once.

Words (stemmed), pairs of words and character n-grams weighted by how rare they are; a text is compared with every
example (cosine). An intent's score mixes its best examples with all its examples; the lead over the next intent and
the score itself give the confidence. Sparse and in pure Python: under two milliseconds for hundreds of examples.
"""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise

from invent_server.assistant.words import stem, stop_words, tokens

NONE = "none"
"""The label of the examples that belong to no intent; a text that is nearest to them gets no label."""

_WORDS = 40  # of a long text are enough
_GRAMS = range(3, 6)
_GRAM_WEIGHT = 0.45
_PAIR_WEIGHT = 0.6
_NEAREST = (0.6, 0.25, 0.15)  # weights of the best examples
_NEAREST_SHARE = 0.65  # of the score comes from the nearest examples, the rest from the mean of all
_FLOOR = 0.25  # confidence below which a text has no label
_OUTSIDE = 0.25  # score from which a text is like what no support team answers
_STOP_WEIGHT = 0.35  # of the words that every example holds


@dataclass(frozen=True, slots=True)
class Label:
    """`name` is None out of scope; `confidence` lies between 0 and 1.

    `outside`: not only unlike every intent, but like the things that no support team answers.
    """

    name: str | None
    confidence: float
    outside: bool = False


class Intents:
    """Examples by intent, and the label that a text gets by them."""

    def __init__(self, examples: Iterable[tuple[str, str]] = ()) -> None:
        self._labels: list[str] = []
        self._features: list[dict[str, float]] = []
        self._postings: dict[str, list[tuple[int, float]]] = {}
        self._rarity: dict[str, float] = {}
        self._sizes: Counter[str] = Counter()
        self._stale = True
        for name, text in examples:
            self.add(name, text)

    def add(self, name: str, text: str) -> None:
        """`text` is an example of intent `name` from the next call of `label` on."""
        self._labels.append(name)
        self._features.append(_features(text))
        self._stale = True

    def label(self, text: str) -> Label:
        """The intent of `text` with its confidence."""
        scores = self.scores(text)
        if not scores:
            return Label(None, 0.0)
        ranked = sorted(scores.items(), key=lambda pair: -pair[1])
        name, best = ranked[0]
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        confidence = min(1.0, best * (1.0 + (best - second) / best)) if best else 0.0
        if name == NONE:
            return Label(None, round(confidence, 3), outside=best >= _OUTSIDE)
        if confidence < _FLOOR:
            return Label(None, round(1.0 - confidence, 3))
        return Label(name, round(confidence, 3))

    def scores(self, text: str) -> dict[str, float]:
        """The score of every intent that has anything in common with `text`, between 0 and 1."""
        if self._stale:
            self._index()
        query = {f: w * self._rarity[f] for f, w in _features(text).items() if f in self._rarity}
        length = math.sqrt(sum(w * w for w in _weighted(_features(text), self._rarity).values()))
        if not query or not length:
            return {}
        near: dict[int, float] = {}
        for feature, weight in query.items():
            share = weight / length
            for example, other in self._postings[feature]:
                near[example] = near.get(example, 0.0) + share * other
        by_label: dict[str, list[float]] = {}
        for example, score in near.items():
            by_label.setdefault(self._labels[example], []).append(score)
        return {name: self._mixed(name, sorted(values, reverse=True)) for name, values in by_label.items()}

    def knows(self, word: str) -> bool:
        """True when a folded word, or one of its family, stands in an example and carries meaning."""
        if self._stale:
            self._index()
        return word not in stop_words() and "w" + stem(word) in self._rarity

    def _mixed(self, name: str, values: list[float]) -> float:
        nearest = sum(value * weight for value, weight in zip(values, _NEAREST, strict=False))
        mean = sum(values) / self._sizes[name]
        return _NEAREST_SHARE * nearest + (1 - _NEAREST_SHARE) * min(1.0, 3.0 * mean)

    def _index(self) -> None:
        """Weighs all examples again; a few milliseconds for hundreds, only after examples were added."""
        count = len(self._features)
        seen = Counter(feature for features in self._features for feature in features)
        self._rarity = {feature: math.log((1 + count) / (1 + n)) + 1.0 for feature, n in seen.items()}
        self._sizes = Counter(self._labels)
        self._postings = {}
        for example, features in enumerate(self._features):
            weighted = _weighted(features, self._rarity)
            length = math.sqrt(sum(w * w for w in weighted.values())) or 1.0
            for feature, weight in weighted.items():
                self._postings.setdefault(feature, []).append((example, weight / length))
        self._stale = False


def _weighted(features: dict[str, float], rarity: dict[str, float]) -> dict[str, float]:
    """Features times rarity; what no example knows counts as the rarest."""
    unknown = max(rarity.values(), default=1.0)
    return {feature: weight * rarity.get(feature, unknown) for feature, weight in features.items()}


def _features(text: str) -> dict[str, float]:
    words = [token.text for token in tokens(text)[:_WORDS]]
    stop = stop_words()
    found: dict[str, float] = {}
    stems = [stem(word) for word in words]
    for word, trunk in zip(words, stems, strict=True):
        found["w" + trunk] = _STOP_WEIGHT if word in stop else 1.0
        if word in stop:
            continue
        padded = f" {word} "
        for size in _GRAMS:
            for at in range(len(padded) - size + 1):
                found["g" + padded[at : at + size]] = _GRAM_WEIGHT
    for one, other in pairwise(stems):
        found[f"p{one} {other}"] = _PAIR_WEIGHT
    return found


@cache
def intents() -> Intents:
    """The intents of config/assistant/intents.toml; one object for the process."""
    file = resources.files("config").joinpath("assistant", "intents.toml")
    data: dict[str, dict[str, list[str]]] = tomllib.loads(file.read_text("utf-8"))
    return Intents((name, text) for name, languages in data.items() for texts in languages.values() for text in texts)
