"""What a turn follows: the published sections as the model reads them, and their rules as they hold without a model.

Words are compared as customers write them: without accents, whatever the case, number and gender; `abogad*` stands for
every word that begins so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from invent_server.assistant.words import fold, tokens
from shared.instructions import SECTIONS, Rule, Section, amounts, rules
from shared.text import clean


@dataclass(frozen=True)
class Instructions:
    """One set of sections. `version` is None for a draft."""

    version: int | None = 0
    texts: Mapping[Section, str] = field(default_factory=dict)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The lines that work without a model."""
        return tuple(rule for name in SECTIONS for rule in rules(name, self.texts.get(name, "")))

    @cached_property
    def guarded(self) -> bool:
        """Something must never be said."""
        return any(rule.kind == "never_say" for rule in self.rules)

    def hand_over(self, lines: Sequence[str]) -> str | None:
        """The words of the customer's `lines` for which a person is to answer."""
        calling = [rule for rule in self.rules if rule.kind == "hand_over"]
        if not calling:
            return None
        text = "\n".join(lines)
        said = _words(text)
        for rule in calling:
            if rule.over is not None and not any(amount > rule.over for amount in amounts(text)):
                continue
            if phrase := _first(rule.phrases, said):
                return phrase
        return None

    def forbidden(self, text: str) -> str | None:
        """The words in the assistant's `text` that are never to be said."""
        if not self.guarded:
            return None
        said = _words(text)
        found = (_first(rule.phrases, said) for rule in self.rules if rule.kind == "never_say")
        return next(filter(None, found), None)

    def wording(self, kind: str, language: str) -> str:
        """The company's own greeting or goodbye in a language; empty: it has none."""
        own = (rule.text for rule in self.rules if rule.kind == kind and rule.language == language)
        return clean(next(own, ""))


NONE = Instructions()
"""No instructions at all."""


def _first(phrases: Sequence[str], said: Sequence[str]) -> str | None:
    return next((phrase for phrase in phrases if _holds(said, _phrase(phrase))), None)


def _words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


@lru_cache(maxsize=1024)
def _phrase(text: str) -> tuple[tuple[str, bool], ...]:
    """The words of a phrase, each with whether it stands for all that begin so."""
    parts = [(part, part.endswith("*")) for part in text.split()]
    return tuple((token.text, open_) for part, open_ in parts for token in tokens(part))


def _holds(said: Sequence[str], phrase: Sequence[tuple[str, bool]]) -> bool:
    size = len(phrase)
    if not size:
        return False
    return any(
        all(_same(said[at + n], word, open_) for n, (word, open_) in enumerate(phrase))
        for at in range(len(said) - size + 1)
    )


def _same(said: str, word: str, open_: bool) -> bool:
    return said.startswith(word) if open_ else said == word or _trunk(said) == _trunk(word)


@lru_cache(maxsize=8192)
def _trunk(word: str) -> str:
    """A word without the endings of number and gender: `abogadas` -> `abogad`, `refunds` -> `refund`."""
    word = fold(word)
    if len(word) <= 3 or word.isdigit():
        return word
    for ending in ("es", "as", "os", "s", "a", "o", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
