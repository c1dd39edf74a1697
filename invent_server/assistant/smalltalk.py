"""Small talk: lines that need no search, and the question that is left when a greeting is taken off.

A line is read from left to right: the longest phrase at each word (phrases.py), else a filler, else a name. When
nothing is left over the line is small talk. Anything else in it makes it a question; greeting and thanks are peeled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from invent_server.assistant.patterns import NAME, Readings
from invent_server.assistant.phrases import KINDS, Match, Phrases, folded_names, phrases
from invent_server.assistant.words import Token

Kind = Literal[
    "ask_human", "are_you_bot", "goodbye", "thanks", "negate", "greeting", "affirm", "ack", "emoji", "not_small_talk"
]

_LONGEST = 60  # words of a line that can be small talk; a wish for a person is looked for in twice as many
_PEELED = {"greeting", "thanks"}
_NAMED = {"greeting", "thanks", "goodbye"}
_ANSWERS = {"ack", "affirm", "negate", "thanks"}
_ONLY_QUESTION_MARKS = re.compile(r"[?¿!\s]*[?¿][?¿!\s]*")
_EDGE = " \t\n,.;:!¡-–—…)("


@dataclass(frozen=True, slots=True)
class SmallTalk:
    """What a line is. `rest` is the question that remains (empty for small talk); `language` None: not certain.

    `declined` marks the friendly kind of no (`no, thanks`), after which nothing more is wanted.
    """

    kind: Kind
    rest: str
    language: str | None
    declined: bool = False


def recognise(text: str, names: Sequence[str] = ()) -> SmallTalk:
    """Small talk, or the question in `text`. `names`: people and company that may be called by name."""
    known = phrases()
    words, line = known.read(text)
    if not words:
        puzzled = _ONLY_QUESTION_MARKS.fullmatch(text.strip()) is not None
        return SmallTalk("negate" if puzzled else "emoji", "", None)
    called = frozenset().union(*(folded_names(name) for name in names))
    found = _phrases_of(known, line[: 2 * _LONGEST])
    wish = _wish(known, line[: 2 * _LONGEST], found)
    if wish:
        return SmallTalk("ask_human", "", _language([wish]))
    left = _left_over(known, words, line, found, called)
    if found and not left and len(words) <= _LONGEST and not _asks(known, text, words, line, found):
        kind = min((match.kind for match in found), key=KINDS.index)
        if kind == "decline":
            return SmallTalk("negate", "", _language(found), declined=True)
        return SmallTalk(cast(Kind, kind), "", _language(found))
    return SmallTalk("not_small_talk", _peeled(known, text, words, line, found, called), None)


def _phrases_of(known: Phrases, line: Readings) -> list[Match]:
    found: list[Match] = []
    at = 0
    while at < len(line):
        match = known.longest(line, at)
        if match:
            found.append(match)
        at = match.end if match else at + 1
    return found


def _wish(known: Phrases, line: Readings, found: list[Match]) -> Match | None:
    """The wish for a person that stands anywhere in the line, unless it is part of something else or only told."""
    for at in range(len(line)):
        wish = known.longest(line, at, only="ask_human")
        if wish is None or known.told(line, wish):
            continue
        if not any(m.kind != "ask_human" and m.start <= at and wish.end <= m.end for m in found):
            return wish
    return None


def _left_over(
    known: Phrases, words: list[Token], line: Readings, found: list[Match], called: frozenset[str]
) -> list[int]:
    """The words that belong to no phrase and are neither fillers nor a name after a greeting."""
    covered = {at for match in found for at in range(match.start, match.end)}
    languages = {language for match in found for language in match.languages}
    fillers = frozenset().union(*(known.fillers[language] for language in languages))
    named = {at for match in found if match.kind in _NAMED for at in _name_after(words, line, match.end, called)}
    return [
        at
        for at in range(len(words))
        if at not in covered and at not in named and not line[at] & fillers and words[at].text not in called
    ]


def _name_after(words: list[Token], line: Readings, at: int, called: frozenset[str]) -> list[int]:
    """At most two words that may be a name, right after a greeting, up to the end or a mark."""
    end = at
    while end < len(words) and end < at + 2 and (NAME in line[end] or words[end].text in called):
        end += 1
    return list(range(at, end)) if end == len(words) or words[end].apart else []


def _asks(known: Phrases, text: str, words: list[Token], line: Readings, found: list[Match]) -> bool:
    """True for `ok, and then?`: an answer with fillers and a question mark is a question."""
    if "?" not in text or not all(match.kind in _ANSWERS for match in found):
        return False
    return sum(match.end - match.start for match in found) < len(words)


def _language(found: list[Match]) -> str | None:
    """The language that alone knows most of the phrases; None when two do."""
    votes: dict[str, int] = {}
    for match in found:
        for language in match.languages:
            votes[language] = votes.get(language, 0) + match.end - match.start
    best = max(votes.values(), default=0)
    winners = [language for language, count in votes.items() if count == best]
    return winners[0] if len(winners) == 1 else None


def _peeled(
    known: Phrases, text: str, words: list[Token], line: Readings, found: list[Match], called: frozenset[str]
) -> str:
    """`text` without the greeting and thanks at its ends."""
    begins = {match.start: match for match in found}
    ends = {match.end: match for match in found}
    first, last = 0, len(words)
    while first < last:
        match = begins.get(first)
        if match is None or not _may_go(known, match, words, line):
            break
        first = match.end
        if match.kind in _NAMED:
            first += len(_name_after(words, line, first, called))
    while last > first:
        match = ends.get(last)
        if match is None or match.start < first or match.kind not in _NAMED:
            break
        if match.kind != "thanks" and not words[match.start].apart:
            break
        last = match.start
    if first >= last:
        return text.strip()
    start = words[first].start if first else 0
    if first and text[start - 1] in "¿¡":
        start -= 1
    end = len(text) if last == len(words) else words[last - 1].end
    if last < len(words) and "?" in text[end : words[last].start]:
        end = text.index("?", end) + 1
    return text[start:end].strip(_EDGE) or text.strip()


def _may_go(known: Phrases, match: Match, words: list[Token], line: Readings) -> bool:
    """Greetings go always; `ok`, `vale`, `sí` only before a mark or a question word: they may belong to it."""
    if match.kind in _PEELED:
        return True
    if match.end >= len(words):
        return False
    if match.kind in ("goodbye", "are_you_bot"):
        return words[match.end].apart
    if match.kind not in ("ack", "affirm"):
        return False
    return words[match.end].apart or bool(line[match.end] & known.questions)
