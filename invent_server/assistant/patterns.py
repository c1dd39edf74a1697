"""Patterns of words for short lines, as written in config/assistant/smalltalk: `(muchas|mil)? gracias {name}?`.

A pattern is a row of items. An item is a word, a choice `(a|b c)` or a class `{name}`; `?` after it: may be missing;
`*`: any number of times. Matching yields every place at which the pattern can end, so the longest is never missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Readings = Sequence[frozenset[str]]
"""For each word of a line, the words that it may stand for (as written, slang resolved, mended)."""

NAME = "\0name"
"""The reading of a word that may be somebody's name."""

_LEX = re.compile(r"\s*(?:([a-z0-9]+)|\{(\w+)\}|([()|?*]))")


@dataclass(slots=True)
class _Word:
    word: str

    def ends(self, line: Readings, at: int) -> set[int]:
        return {at + 1} if at < len(line) and self.word in line[at] else set()


@dataclass(slots=True)
class _Row:
    items: list[Item] = field(default_factory=list)

    def ends(self, line: Readings, at: int) -> set[int]:
        places = {at}
        for item in self.items:
            places = {end for place in places for end in item.ends(line, place)}
            if not places:
                break
        return places


@dataclass(slots=True)
class _Choice:
    rows: list[_Row]

    def ends(self, line: Readings, at: int) -> set[int]:
        return {end for row in self.rows for end in row.ends(line, at)}


@dataclass(slots=True)
class _Class:
    """Entries by their first word: a class may hold hundreds."""

    entries: dict[str, list[_Row]]

    def ends(self, line: Readings, at: int) -> set[int]:
        if at >= len(line):
            return set()
        return {end for reading in line[at] for row in self.entries.get(reading, ()) for end in row.ends(line, at + 1)}


@dataclass(slots=True)
class _Repeat:
    item: Item
    many: bool

    def ends(self, line: Readings, at: int) -> set[int]:
        reached = {at}
        edge = self.item.ends(line, at)
        while edge - reached:
            fresh = edge - reached
            reached |= fresh
            edge = {end for place in fresh for end in self.item.ends(line, place)} if self.many else set()
        return reached


Item = _Word | _Row | _Choice | _Class | _Repeat


class Pattern:
    """One compiled pattern. `firsts` are the words that it can begin with."""

    def __init__(self, source: str, classes: Mapping[str, Iterable[str]]) -> None:
        self.source = source
        self._row = _Parser(source, classes).parse()
        self.firsts, empty = _firsts(self._row)
        if empty:
            raise ValueError(f"this pattern matches nothing at all: {source!r}")

    def longest(self, line: Readings, at: int) -> int:
        """Where the longest match from word `at` ends, or -1."""
        return max(self._row.ends(line, at), default=-1)

    def words(self) -> set[str]:
        """Every word that stands in the pattern."""
        return set(_words(self._row))


class _Parser:
    def __init__(self, source: str, classes: Mapping[str, Iterable[str]]) -> None:
        self._source = source
        self._classes = classes
        self._tokens = [m.groups() for m in _LEX.finditer(source)]
        if _LEX.sub("", source).strip():
            raise ValueError(f"cannot read the pattern {source!r}")
        self._at = 0

    def parse(self) -> _Row:
        row = self._row()
        if self._at != len(self._tokens):
            raise ValueError(f"unbalanced brackets in {self._source!r}")
        return row

    def _row(self) -> _Row:
        row = _Row()
        while self._at < len(self._tokens):
            word, name, sign = self._tokens[self._at]
            if sign in ("|", ")"):
                break
            self._at += 1
            item: Item
            if word:
                item = _Word(word)
            elif name:
                item = _Word(NAME) if name == "name" else self._class(name)
            elif sign == "(":
                item = self._choice()
            else:
                raise ValueError(f"{sign!r} has nothing before it in {self._source!r}")
            if self._at < len(self._tokens) and self._tokens[self._at][2] in ("?", "*"):
                item = _Repeat(item, many=self._tokens[self._at][2] == "*")
                self._at += 1
            row.items.append(item)
        return row

    def _choice(self) -> _Choice:
        rows = [self._row()]
        while self._at < len(self._tokens) and self._tokens[self._at][2] == "|":
            self._at += 1
            rows.append(self._row())
        if self._at >= len(self._tokens):
            raise ValueError(f"unbalanced brackets in {self._source!r}")
        self._at += 1
        return _Choice(rows)

    def _class(self, name: str) -> _Class:
        entries: dict[str, list[_Row]] = {}
        for entry in self._classes[name]:
            first, *others = entry.split()
            entries.setdefault(first, []).append(_Row([_Word(word) for word in others]))
        return _Class(entries)


def _firsts(item: Item) -> tuple[set[str], bool]:
    """The words an item can begin with, and whether it can be empty."""
    if isinstance(item, _Word):
        return {item.word}, False
    if isinstance(item, _Class):
        return set(item.entries), False
    if isinstance(item, _Repeat):
        return _firsts(item.item)[0], True
    if isinstance(item, _Choice):
        parts = [_firsts(row) for row in item.rows]
        return set().union(*(words for words, _ in parts)), any(empty for _, empty in parts)
    words: set[str] = set()
    for part in item.items:
        more, empty = _firsts(part)
        words |= more
        if not empty:
            return words, False
    return words, True


def _words(item: Item) -> Iterable[str]:
    if isinstance(item, _Word):
        yield item.word
    elif isinstance(item, _Repeat):
        yield from _words(item.item)
    elif isinstance(item, _Class):
        for first, rows in item.entries.items():
            yield first
            for row in rows:
                yield from _words(row)
    else:
        for part in item.rows if isinstance(item, _Choice) else item.items:
            yield from _words(part)
