"""Misspelt words: which word of the index was meant?"""

from __future__ import annotations

import re
from collections.abc import Callable

_SHORTEST = 4
_LONG = 7
_DOUBLED = re.compile(r"(.)\1+")
_ALIKE = str.maketrans("vjyzkqx", "bgiscss")
_SCANNED = 2_000
"""Words of one prefix that are compared at most: a bound on the time of one search."""


def distance(one: str, other: str, most: int) -> int:
    """Edits between two words (a swap of neighbours is one); anything over `most` is `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, above = above, row
    return above[-1]


def allowed(word: str) -> int:
    """Edits that still leave a word recognisable."""
    if len(word) < _SHORTEST or word.isdigit():
        return 0
    return 1 if len(word) < 9 else 2


def sound(word: str) -> str:
    """A word as it is heard: doubled letters once, letters that customers take for each other as one."""
    return _DOUBLED.sub(r"\1", word.translate(_ALIKE).replace("h", ""))


def slip(word: str, term: str) -> bool:
    """Is one edit between two words a slip of the pen, rather than another word (states, status)?

    Long words have few neighbours; short ones must sound alike or have two letters swapped.
    """
    return len(word) >= _LONG or sound(word) == sound(term) or sorted(word) == sorted(term)


def nearest(word: str, terms: Callable[[str], list[tuple[str, int]]]) -> tuple[str, float] | None:
    """The known word that `word` is most likely a misspelling of, and how alike they are (0..1).

    `terms(prefix)` gives the known words with a prefix and how often they occur. None: nothing is near.
    """
    most = allowed(word)
    if not most:
        return None
    best: tuple[int, int, str] | None = None
    for prefix in _prefixes(word):
        for term, count in terms(prefix)[:_SCANNED]:
            if abs(len(term) - len(word)) > most or term.isdigit() or len(term) < _SHORTEST or not count:
                continue
            if not _near(word, term, most):
                continue
            edits = distance(word, term, most if best is None else best[0])
            if edits <= most and slip(word, term) and (best is None or (edits, -count) < best[:2]):
                best = (edits, -count, term)
    if best is None:
        return None
    return best[2], 1.0 - best[0] / max(len(word), len(best[2]))


def _near(one: str, other: str, most: int) -> bool:
    """Can they be within `most` edits (of 1 or 2)? What differs lies between a common beginning and a common end."""
    size = min(len(one), len(other))
    start = 0
    while start < size and one[start] == other[start]:
        start += 1
    end = 0
    while end < size - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return max(len(one), len(other)) - start - end <= (2 if most == 1 else 6)


def _prefixes(word: str) -> list[str]:
    """Beginnings under which the right word may stand, also when one of its first two letters is off."""
    swapped = word[1] + word[0]
    return list(dict.fromkeys((word[:2], swapped, word[1:3], word[0] + word[2])))
