"""Small talk: lines that need no search, and the question that is left when a greeting is taken off.

A line is read from left to right: the longest phrase at each word (phrases.py), else a filler, else a name. When
nothing is left over the line is small talk. Anything else in it makes it a question; greeting and thanks are peeled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from invent_server.assistant.intents import intents
from invent_server.assistant.patterns import NAME, Readings
from invent_server.assistant.phrases import KINDS, Match, Phrases, folded_names, phrases
from invent_server.assistant.words import Token

Kind = Literal[
    "ask_human", "are_you_bot", "goodbye", "thanks", "negate", "greeting", "affirm", "ack", "emoji", "not_small_talk"
]

_READ = 1000  # characters of a line that are read; what is longer is a letter
_LONGEST = 60  # words of a line that can be small talk; a wish for a person is looked for in twice as many
_PEELED = {"greeting", "thanks"}
_NAMED = {"greeting", "thanks", "goodbye"}
_CLOSING = {"thanks", "goodbye"}
_REFUSING = {"negate", "decline"}
_MAIN = {"es", "en"}
_BESIDE = 3  # words
_TURNS = {"pero", "but", "aunque", "mais", "aber", "mas", "however", "though"}
_ANSWERS = {"ack", "affirm", "negate", "thanks"}
_ONLY_QUESTION_MARKS = re.compile(r"[?¿!\s]*[?¿][?¿!\s]*")
_EDGE = " \t\r\n,.;:!¡-–—…)("


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
    return _long(text, names) if len(text) > _READ else _line(text, tuple(names))


@lru_cache(maxsize=1024)
def _line(text: str, names: tuple[str, ...]) -> SmallTalk:
    """A line that is no letter. Kept: each turn reads the earlier lines of its conversation again."""
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
    kind = _kind(known, text, words, line, found, called) if len(words) <= _LONGEST else None
    if kind == "decline":
        return SmallTalk("negate", "", _language(found), declined=True)
    if kind is not None:
        return SmallTalk(cast(Kind, kind), "", _language(found))
    return SmallTalk("not_small_talk", _peeled(known, text, words, line, found, called), None)


def _long(text: str, names: Sequence[str]) -> SmallTalk:
    """A letter: never small talk; a wish for a person is looked for at both ends, where it is said."""
    head, tail = text[:_READ], text[-_READ // 2 :]
    begun = recognise(head, names)
    if "ask_human" in (begun.kind, recognise(tail, names).kind):
        return SmallTalk("ask_human", "", begun.language)
    rest = text[head.index(begun.rest[:40]) :] if begun.rest else text
    return SmallTalk("not_small_talk", rest.strip() or text, None)


def _kind(
    known: Phrases, text: str, words: list[Token], line: Readings, found: list[Match], called: frozenset[str]
) -> str | None:
    """What kind of small talk the whole line is; None when there is anything else in it."""
    covered = {at for match in found for at in range(match.start, match.end)}
    uncovered = [at for at in range(len(words)) if at not in covered]
    if any(line[at] & known.negations for at in uncovered):
        return None  # `not solved`, `no funciona`
    turn = next((at for at in uncovered if line[at] & _TURNS), None)
    if turn is not None:  # `thanks, but …`: what comes after it counts
        found = [match for match in found if match.start > turn]
        if not any(match.kind in _REFUSING for match in found):
            return None
    left = _left_over(known, words, line, found, called, uncovered)
    if not found or (left and ("?" in text or not _harmless(words, line, known, found, left))):
        return None
    # `ok, and then?`: assent with fillers and a question mark is a question
    if "?" in text and uncovered and all(match.kind in _ANSWERS for match in found):
        return None
    return min((match.kind for match in found), key=KINDS.index)


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
    known: Phrases,
    words: list[Token],
    line: Readings,
    found: list[Match],
    called: frozenset[str],
    uncovered: list[int],
) -> list[int]:
    """The words that belong to no phrase and are neither fillers nor a name after a greeting."""
    languages = {language for match in found for language in match.languages}
    fillers = frozenset().union(*(known.fillers[language] for language in languages))
    named = {at for match in found if match.kind in _NAMED for at in _name_after(words, line, match.end, called)}
    return [at for at in uncovered if at not in named and not line[at] & fillers and words[at].text not in called]


def _harmless(words: list[Token], line: Readings, known: Phrases, found: list[Match], left: list[int]) -> bool:
    """True when thanks or a goodbye stand beside a few words that no support question is made of."""
    if len(left) > _BESIDE or not any(match.kind in _CLOSING for match in found):
        return False
    if any(line[at] & known.questions or words[at].text.isdigit() for at in left):
        return False
    return not any(intents().knows(words[at].text) for at in left)


def _name_after(words: list[Token], line: Readings, at: int, called: frozenset[str]) -> list[int]:
    """At most two words that may be a name, right after a greeting, up to the end or a mark."""
    end = at
    while end < len(words) and end < at + 2 and (NAME in line[end] or words[end].text in called):
        end += 1
    return list(range(at, end)) if end == len(words) or words[end].apart else []


def _language(found: list[Match]) -> str | None:
    """The language that alone knows most of the phrases, es and en before the others; None when two do."""
    votes: dict[str, int] = {}
    for match in found:
        for language in match.languages:
            votes[language] = votes.get(language, 0) + match.end - match.start
    best = max(votes.values(), default=0)
    winners = [language for language, count in votes.items() if count == best]
    winners = [language for language in winners if language in _MAIN] or winners
    return winners[0] if len(winners) == 1 else None


def _peeled(
    known: Phrases, text: str, words: list[Token], line: Readings, found: list[Match], called: frozenset[str]
) -> str:
    """`text` without the greeting and thanks at its ends."""
    begins = {match.start: match for match in found}
    first, last = 0, len(words)
    while (match := begins.get(first)) and first < last and _may_go(known, match, words, line):
        first = match.end
        if match.kind in _NAMED:
            first += len(_name_after(words, line, first, called))
    for match in reversed(found):
        end = match.end + len(_name_after(words, line, match.end, called))  # `Un saludo, Lucía`
        if match.start < first or match.kind not in _NAMED or last not in (match.end, end):
            break
        if match.kind != "thanks" and not words[match.start].apart:
            break
        last = match.start
    if first >= last:
        return text.strip()
    start = words[first].start
    if text[:start].endswith(("¿", "¡")):
        start -= 1
    end = words[last].start if last < len(words) else len(text)
    return text[start if first else 0 : end].strip(_EDGE).strip() or text.strip()


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
