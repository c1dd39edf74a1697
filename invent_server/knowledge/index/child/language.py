"""Which language is this? Its n-grams, its function words and its letters together; made for lines of a few words."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from functools import cache
from importlib import resources

from invent_server.knowledge.index.child.analysis import tokens, word_list
from invent_server.knowledge.index.child.lexicon import vocabulary

LANGUAGES = ("es", "en", "fr", "de", "pt", "it", "ca")
_SAMPLE = 600
"""Characters that are looked at: more make no surer."""
_LONGEST = 5
_EIGHTHS = 8
_TELLING = 2.5
"""What one function word is worth, in units of the model's log likelihood per square root of a byte."""
_LETTERS = {
    "es": re.compile(r"[ñ¿¡]|ción\b|\b\w{3,}[aeáé]is\b"),
    "pt": re.compile(r"[ãõ]|ção\b"),
    "de": re.compile(r"[ßäö]"),
    "fr": re.compile(r"[èêùœ]|\b[ldjcnqs]'"),
    "ca": re.compile(r"l·l|ny\b|\b[ldsnm]'|ç"),
    "it": re.compile(r"[ìò]\b|\b(?:l|dell|un|all)'"),
}
_LETTER = 2.0
_CONVERSATION = 2.0
_KNOWN = 0.7
"""For a language that the knowledge is written in: customers come for what is there."""
_FALLBACK = "en"


@cache
def _ngrams() -> dict[str, tuple[int, ...]]:
    """N-gram -> weights in the order of LANGUAGES (config/assistant/languages.tsv)."""
    lines = resources.files("config").joinpath("assistant/languages.tsv").read_text("utf-8").split("\n")
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    if tuple(rows[0][1:]) != LANGUAGES:
        raise ValueError("languages.tsv holds other languages than this program knows")
    shared: dict[tuple[int, ...], tuple[int, ...]] = {}
    found: dict[str, tuple[int, ...]] = {}
    for name, *weights in rows[1:]:
        values = tuple(map(int, weights))
        found[name] = shared.setdefault(values, values)
    return found


def _by_letters(text: str) -> list[float]:
    """The log likelihood of each language by the n-grams of a text, against their mean."""
    table = _ngrams()
    counts: dict[tuple[int, ...], dict[str, int]] = {}
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - _LONGEST), end):
            weights = table.get(text[start:end])
            if weights is not None:
                seen = counts.setdefault(weights, {})
                seen[text[start:end]] = seen.get(text[start:end], 0) + 1
                break
    scores = [0.0] * len(LANGUAGES)
    for weights, seen in counts.items():
        share = sum(math.log1p(count) for count in seen.values()) / _EIGHTHS
        for at, weight in enumerate(weights):
            scores[at] += share * weight
    return scores


@cache
def _telling(lang: str) -> frozenset[str]:
    """Words that speak for a language."""
    return frozenset().union(*(word_list(lang, kind) for kind in ("hints", "stop", "weak")), vocabulary(lang))


def identify(text: str, hint: str | None = None, known: Collection[str] = ()) -> str:
    """The language of a text as a code of two letters; never fails.

    `hint`: the language of the conversation so far. It decides what the text itself leaves open (a name, a number).
    `known`: the languages of the knowledge.
    """
    sample = text[:_SAMPLE].lower()
    words = tokens(sample)
    if not words:
        return hint or _FALLBACK
    scores = dict.fromkeys(LANGUAGES, 0.0)
    size = len(sample.encode("utf-8", "replace"))
    letters = _by_letters(" ".join(("", *sample.split(), "")))
    for lang, score in zip(LANGUAGES, letters, strict=True):
        scores[lang] += (score - max(letters)) / size**0.5
    for lang in LANGUAGES:
        telling = _telling(lang)
        scores[lang] += _TELLING * sum(word in telling for word in words) / len(words) ** 0.5
        scores[lang] += _KNOWN * (lang in known)
        if lang in _LETTERS and _LETTERS[lang].search(sample):
            scores[lang] += _LETTER
    if hint in scores:
        scores[hint] += _CONVERSATION / len(words) ** 0.5
    return max(LANGUAGES, key=lambda lang: scores[lang])
