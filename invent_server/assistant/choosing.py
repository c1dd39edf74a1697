"""A question back and the customer's choice. Nothing is kept between the turns: the options stand in the chat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from invent_server.assistant.types import Line
from invent_server.assistant.words import fold, stem, tokens

ASKED = "several_candidates"
"""Reason of a turn that asked which page is meant."""

REMINDED = "choose"
"""Reason of a turn that asked for the choice again."""

_OPTION = re.compile(r"^(\d)\. (.+)$", re.MULTILINE)
_NUMBER = re.compile(r"(?:^|[^\w.,€$%])#?([1-9])(?![\w%€$]|[.,]\d)")
_LONGEST = 8  # words of a line that can be a choice

_ORDINALS = {
    1: {"primera", "primero", "primer", "uno", "una", "first", "one", "former", "arriba"},
    2: {"segunda", "segundo", "dos", "second", "two"},
    3: {"tercera", "tercero", "tercer", "tres", "third", "three"},
}
_LAST = {"ultima", "ultimo", "last", "latter"}
_NOT_ALONE = {"one", "una", "uno"}  # `that one`, `una pregunta`: a number only beside few other words
_NEITHER = {"ninguna", "ninguno", "ningun", "neither", "none", "otra", "otro", "other", "else"}


@dataclass(frozen=True, slots=True)
class Pending:
    """A question back that is still open: its options, and the customer's lines before it."""

    titles: tuple[str, ...]
    question: tuple[str, ...]


def pending(history: Sequence[Line]) -> Pending | None:
    """The open question back at the end of `history`, if there is one."""
    at = len(history)
    while at > 0:
        at -= 1
        line = history[at]
        if line.author == "customer":
            continue
        if line.author != "assistant" or line.outcome != "ask":
            return None
        if line.reason == ASKED:
            titles = tuple(title for _, title in _OPTION.findall(line.text))
            return Pending(titles, _asked_before(history[:at])) if titles else None
        if line.reason != REMINDED:
            return None
    return None


def _asked_before(history: Sequence[Line]) -> tuple[str, ...]:
    """The customer's lines right before a question back."""
    found: list[str] = []
    for line in reversed(history):
        if line.author != "customer":
            break
        found.insert(0, line.text)
    return tuple(found)


def choice(text: str, titles: Sequence[str]) -> int | None:
    """Which of `titles` is meant: its index; -1 for none of them; None when the line says neither."""
    words = [token.text for token in tokens(text)]
    if not words or len(words) > _LONGEST:
        return None
    by_number = _by_number(text, words, len(titles))
    if by_number is not None:
        return by_number
    by_title = _by_title(words, titles)
    if by_title is not None:
        return by_title
    return -1 if _NEITHER & set(words) else None


def _by_number(text: str, words: list[str], count: int) -> int | None:
    digits = {int(digit) for digit in _NUMBER.findall(text)}
    if len(digits) == 1 and (number := digits.pop()) <= count:
        return number - 1
    named = {
        number
        for number, names in _ORDINALS.items()
        for word in words
        if word in names and number <= count and (word not in _NOT_ALONE or len(words) == 1)
    }
    if _LAST & set(words):
        named.add(count)
    return named.pop() - 1 if len(named) == 1 else None


def _by_title(words: list[str], titles: Sequence[str]) -> int | None:
    """The title that alone shares the most distinctive words with the line."""
    said = {stem(word) for word in words}
    stems = [{stem(fold(token.text)) for token in tokens(title)} for title in titles]
    shared = set.intersection(*stems) if len(stems) > 1 else set()
    scores = [sum(1 for trunk in (said & own) - shared if len(trunk) > 2) for own in stems]
    best = max(scores)
    return scores.index(best) if best > 0 and scores.count(best) == 1 else None
