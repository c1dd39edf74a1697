"""The table of synonyms (config/assistant/synonyms.toml): words and phrases of a language -> concepts of none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from invent_server.knowledge.index.child.analysis import stem, tokens

_TELLING_STEM = 4
"""A shorter stem is shared by strangers (mes, mesa): such words count only in the forms that the table lists."""

_SIGNS = tuple(
    (concept, re.compile(pattern, re.IGNORECASE))
    for concept, pattern in (
        ("price", r"[€$£]\s?\d|\d\s?(?:€|\$|£|euros?\b|eur\b|usd\b|dollars?\b)"),
        ("discount", r"\d\s?%"),
        ("hours", r"\b\d{1,2}[:h]\d{2}\b|\b\d{1,2}\s?[ap]m\b"),
        ("how_long", r"\b\d+ (?:(?:working|business) )?(?:minut|hour|day|week|month|year|hora|dia|día|semana|mes|año)"),
        ("email", r"\w@\w"),
        ("phone_number", r"(?<!\d)\+?\d(?:[ -]?\d){6,}"),
    )
)

Phrases = dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]]


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads(resources.files("config").joinpath("assistant/synonyms.toml").read_text("utf-8"))


@cache
def vocabulary(lang: str) -> frozenset[str]:
    """All words of the table in a language, folded."""
    return frozenset(
        word for section in _table().values() for words in section.values() for word in tokens(words.get(lang, ""))
    )


@cache
def _phrases(lang: str) -> Phrases:
    """First key -> [(keys of the whole phrase, concepts)]."""
    found: dict[tuple[str, ...], list[str]] = {}
    for section in _table().values():
        for concept, words in section.items():
            for phrase in words.get(lang, "").split(","):
                entry = tokens(phrase)
                key = tuple(_key(word, stem(word, lang), lang) for word in entry)
                if key and concept not in found.setdefault(key, []):
                    found[key].append(concept)
    table: Phrases = {}
    for key, names in found.items():
        table.setdefault(key[0], []).append((key, tuple(names)))
    return table


@cache
def _verbs(lang: str) -> frozenset[str]:
    """Short stems that belong to a verb of the table: all its forms are meant."""
    return frozenset(stem(word, lang) for word in vocabulary(lang) if word.endswith(("ar", "er", "ir")))


def _key(word: str, stemmed: str, lang: str) -> str:
    if len(stemmed) >= _TELLING_STEM or lang != "es" or stemmed in _verbs(lang):
        return stemmed
    return f"={word}"


def concepts(words: Sequence[str], stemmed: Sequence[str], lang: str) -> list[tuple[int, int, str]]:
    """What folded words and their stems mean: (first word, word after the last, concept), all that match."""
    table = _phrases(lang)
    if not table:
        return []
    keys = [_key(word, base, lang) for word, base in zip(words, stemmed, strict=True)]
    found: list[tuple[int, int, str]] = []
    for at, first in enumerate(keys):
        for key, names in table.get(first, ()):
            if len(key) == 1 or tuple(keys[at : at + len(key)]) == key:
                found.extend((at, at + len(key), name) for name in names)
    return found


def signs(text: str) -> list[str]:
    """What figures and marks in a text mean: an amount of money answers a question for a price."""
    return [concept for concept, pattern in _SIGNS if pattern.search(text)]
