"""Questions that a company's own pages can answer, taken from their headings. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.i18n import Texts
from shared.text import clean_line

_HEADING = re.compile(r"^(#{1,4})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_MARKS = re.compile(r"[*_`]|\[([^\]]*)\]\([^)]*\)")
WORDS = 16
"""A heading of more words is no question of a customer's."""


@dataclass(frozen=True, slots=True)
class Proposed:
    text: str
    title: str
    """The page that holds the answer."""


def proposed(pages: Sequence[tuple[str, str]], count: int, tr: Texts) -> list[Proposed]:
    """`count` questions from pages (title, Markdown), each from another page, spread over all of them."""
    found = [(title, _question(title, text)) for title, text in pages]
    real = [Proposed(question, title) for title, question in found if question]
    if len(real) < count:
        real = [
            Proposed(question or tr("What about {topic}?", topic=_lowered(title)), title) for title, question in found
        ]
    step = max(1.0, len(real) / count)
    return [real[int(number * step)] for number in range(min(count, len(real)))]


def _question(title: str, text: str) -> str:
    """The heading of a page that is a question as it stands; empty if none is."""
    headings = [clean_line(_MARKS.sub(r"\1", found[2])).strip() for found in _HEADING.finditer(text)]
    return next((one for one in (*headings, title) if one.endswith("?") and len(one.split()) <= WORDS), "")


def _lowered(title: str) -> str:
    """A title inside a sentence: its first letter small, unless the word is an abbreviation."""
    first = title.split(" ", 1)[0]
    return title if sum(letter.isupper() for letter in first) > 1 else title[:1].lower() + title[1:]
