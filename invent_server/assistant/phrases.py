"""The phrases of small talk in every language, compiled once from config/assistant/smalltalk/*.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from invent_server.assistant.patterns import NAME, Pattern, Readings
from invent_server.assistant.words import Token, distance_one, fold, squeeze, tokens

LANGUAGES = ("es", "en", "fr", "de", "pt", "it", "ca")
"""The order decides between equal phrases of two languages."""

# What a line is when several phrases stand in it, strongest first; also the order between equally long phrases.
KINDS = ("ask_human", "are_you_bot", "goodbye", "decline", "thanks", "negate", "greeting", "affirm", "ack")
_BARE = "bare_human"
_TOLD = "not_human"
_RANK = {kind: -order for order, kind in enumerate((*KINDS, _BARE))}
_MENDED_LENGTH = 5
_TOLD_BEFORE = 6  # words


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase at words `start` to `end` of a line; `languages`: those that know it."""

    kind: str
    start: int
    end: int
    languages: frozenset[str]


class Phrases:
    """All phrases, found by the word that they begin with."""

    def __init__(self) -> None:
        folder = resources.files("config").joinpath("assistant", "smalltalk")
        typing = tomllib.loads(folder.joinpath("typing.toml").read_text("utf-8"))
        self._slang: dict[str, str] = typing["slang"]
        self._names = frozenset(typing["typing"]["names"])
        self._mended: list[str] = typing["typing"]["mended"]
        self.fillers: dict[str, frozenset[str]] = {}
        self.questions: set[str] = set()
        self.negations: set[str] = set()
        self._by_first: dict[str, list[tuple[str, str, Pattern]]] = {}
        known: set[str] = set(typing["typing"]["words"])
        for language in LANGUAGES:
            data = tomllib.loads(folder.joinpath(f"{language}.toml").read_text("utf-8"))
            self.fillers[language] = frozenset(data["fillers"])
            self.questions |= set(data["questions"])
            self.negations |= set(data["negations"])
            known |= self.fillers[language]
            for kind, sources in data["kinds"].items():
                for source in sources:
                    pattern = Pattern(source, data["classes"])
                    known |= pattern.words()
                    for first in pattern.firsts:
                        self._by_first.setdefault(first, []).append((kind, language, pattern))
        self._known = frozenset(known)
        # Only words whose letters are doubled by right (`hello`) differ from their squeezed form.
        self._squeezed: dict[str, set[str]] = {}
        for word in known:
            self._squeezed.setdefault(squeeze(word), set()).add(word)

    def read(self, text: str) -> tuple[list[Token], list[frozenset[str]]]:
        """The words of a line, and what each may stand for. Slang of two words becomes two."""
        words: list[Token] = []
        shouting = text.isupper()
        readings: list[frozenset[str]] = []
        for at, token in enumerate(tokens(text)):
            spelt = self._slang.get(token.text, token.text).split()
            if len(spelt) > 1:
                for index, word in enumerate(spelt):
                    words.append(Token(word, token.start, token.end, token.apart and index == 0))
                    readings.append(frozenset([word]))
                continue
            written = text[token.start : token.end]
            named = token.text in self._names or (
                at > 0 and not shouting and written[:1].isupper() and not _begins_sentence(text, token.start)
            )
            words.append(token)
            readings.append(self._readings(token.text) | {*spelt} | ({NAME} if named else set()))
        return words, readings

    def _readings(self, word: str) -> frozenset[str]:
        if word in self._known:
            return frozenset([word])
        stretched = squeeze(word)
        if stretched != word and stretched in self._squeezed:
            return frozenset(self._squeezed[stretched])
        found = {word}
        if len(word) >= _MENDED_LENGTH:
            found |= {right for right in self._mended if right[0] == word[0] and distance_one(word, right)}
        elif len(word) == _MENDED_LENGTH - 1:
            found |= {right for right in self._mended if sorted(right) == sorted(word) and right[-1] == word[-1]}
        return frozenset(found)

    def longest(self, line: Readings, at: int, only: str | None = None) -> Match | None:
        """The longest phrase that begins at word `at`, of one kind or any; between equals the stronger kind."""
        best: tuple[int, int] | None = None
        kind = ""
        languages: set[str] = set()
        for reading in line[at]:
            for found, language, pattern in self._by_first.get(reading, ()):
                if found == _TOLD or (only is not None and found != only):
                    continue
                end = pattern.longest(line, at)
                rank = (end, _RANK[found])
                if end > at and (best is None or rank > best):
                    best, kind, languages = rank, found, set()
                if end > at and rank == best:
                    languages.add(language)
        if best is None:
            return None
        return Match("ask_human" if kind == _BARE else kind, at, best[0], frozenset(languages))

    def told(self, line: Readings, wish: Match) -> bool:
        """True when the words before a wish for a person say that it is none (`do I have to talk to an agent`)."""
        return any(
            kind == _TOLD and at < pattern.longest(line, at) <= wish.end
            for at in range(max(0, wish.start - _TOLD_BEFORE), wish.start)
            for reading in line[at]
            for kind, _, pattern in self._by_first.get(reading, ())
        )


def _begins_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip(" ¡¿\"'")
    return not before or before[-1] in ".!?…\n:"


@cache
def phrases() -> Phrases:
    """The phrases, compiled at first use (some 30 ms)."""
    return Phrases()


def folded_names(name: str) -> frozenset[str]:
    """The words of a customer's or company's name as they appear in a read line."""
    return frozenset(fold(word) for word in name.split())
