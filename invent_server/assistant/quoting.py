"""The part of a passage that answers: a few sentences, list items or table rows of its Markdown, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from invent_server.assistant.words import fold, number_words, stem, stop_words, tokens
from shared.text import clean

LIMIT = 600
"""Characters of a quote."""

_UNITS = 5
_WHOLE = 320  # a passage this short is quoted whole
_NEAR = 0.5  # share of the best unit's score that another needs
_NUMBER_BONUS = 0.6
_HEADING_BONUS = 0.3

_SENTENCE = re.compile(r"(?<=[.!?…])[\"'»”)*_]*\s+(?=[^\s])")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,2}[.)])\s+")
_NUMBERED = re.compile(r"^\s*\d{1,2}[.)]\s+")
_RULE = re.compile(r"^\s*\|?[\s:|-]*-{3,}[\s:|-]*\|?\s*$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\(([^()\s]*)(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]{0,400}>", re.DOTALL)
_SPACE = re.compile(r"[ \t]+")
_DIGIT = re.compile(r"\d")
_ABBREVIATION = re.compile(r"(?:\b(?:ej|etc|art|núm|nº|Sr|Sra|Dr|Dra|Mr|Mrs|Ms|approx|e\.g|i\.e|p|St|No|tel)\.)$")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, item or row. `lead`: index of the unit that introduces it; `joint`: what stands before it."""

    text: str
    joint: str
    lead: int | None = None
    list: bool = False


def quote(question: str, text: str, heading: str = "") -> str:
    """The units of the passage `text` that answer `question`, as simple Markdown of at most LIMIT characters."""
    units = _units(clean(text))
    if not units:
        return ""
    whole = _written(units, range(len(units)), heading)
    if len(whole) <= _WHOLE and len(units) <= _UNITS:
        return whole
    return _written(units, _chosen(units, question, heading), heading)


def pieces(text: str) -> list[str]:
    """`text` in sentences and lines as they are said one after the other; joined they are `text` again."""
    return [piece for piece in re.split(r"(?<=[.!?…:]\s)|(?<=\n)", text) if piece]


def _units(markdown: str) -> list[_Unit]:
    units: list[_Unit] = []
    paragraph: list[str] = []
    head: list[str] = []
    lead: int | None = None
    gap = ""

    def add(text: str, joint: str, by: int | None = None, item: bool = False) -> None:
        if text:
            units.append(_Unit(text, joint if units else "", by, item))

    def close() -> None:
        nonlocal paragraph, lead
        sentences = _sentences(" ".join(paragraph))
        for number, sentence in enumerate(sentences):
            add(sentence, " " if number else gap)
        if sentences:
            lead = len(units) - 1 if _introduces(sentences[-1]) else None
        paragraph = []

    for raw in _TAG.sub(" ", markdown).splitlines():
        line = _simple(raw)
        if not line:
            close()
            head, gap = [], "\n\n"
        elif _RULE.match(line) and "|" in raw:
            close()
        elif line.startswith("|"):
            close()
            cells = [cell.strip() for cell in line.strip("| ").split("|")]
            if head:
                add(_row(head, cells), "\n", lead, item=True)
            else:
                head = cells
        elif _ITEM.match(line):
            close()
            number = _NUMBERED.match(line)
            body = _ITEM.sub("", line)
            add(f"{number[0].strip()} {body}" if number else f"- {body}", "\n", lead, item=True)
        elif line.startswith("#"):
            close()
            add(f"**{line.lstrip('# ')}**", "\n\n")
            lead = len(units) - 1 if units else None
        elif units and units[-1].list and raw[:1] == " " and not paragraph:
            last = units.pop()  # an item that goes on in the next line
            units.append(_Unit(f"{last.text} {line}", last.joint, last.lead, True))
        else:
            if not paragraph:
                gap = gap if units and gap else "\n" if units else ""
            paragraph.append(line)
    close()
    return units


def _introduces(sentence: str) -> bool:
    return sentence.endswith(":") or (sentence.startswith("**") and sentence.endswith("**"))


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    for part in _SENTENCE.split(text.strip()):
        if found and (_ABBREVIATION.search(found[-1]) or part[:1].islower()):
            found[-1] += " " + part
        elif part.strip():
            found.append(part.strip())
    return found


def _simple(line: str) -> str:
    """A line without images, tags and quote marks; links as their text, with an outside address behind it."""

    def link(match: re.Match[str]) -> str:
        label, target = match[1], match[2]
        if match[0].startswith("!"):
            return label
        outside = target.startswith(("http://", "https://"))
        return f"{label} ({target})" if outside and label and label != target else label or target

    return _SPACE.sub(" ", _LINK.sub(link, line)).strip().lstrip("> ").strip()


def _row(head: list[str], cells: list[str]) -> str:
    """A table's row as one line: `- **Team**: Price 7 €, Users unlimited`."""
    named = [f"{name} {cell}".strip() for name, cell in zip(head[1:], cells[1:], strict=False) if cell]
    first = cells[0].strip("*")
    return f"- **{first}**: {', '.join(named)}" if first and named else f"- {first or ', '.join(named)}"


def _chosen(units: list[_Unit], question: str, heading: str) -> list[int]:
    """The best unit, what introduces it, and others nearly as good, while they fit."""
    scores = _scores(units, question, heading)
    ranked = sorted(range(len(units)), key=lambda at: (-scores[at], at))
    best = ranked[0]
    chosen = _with_lead(units, best)
    if not scores[best]:  # nothing in common (another language): from the beginning on
        ranked = list(range(len(units)))
    else:
        ranked = [at for at in ranked if scores[at] >= _NEAR * scores[best]] + _around(units, best)
    for at in ranked:
        wider = chosen | _with_lead(units, at)
        if len(wider) <= _UNITS + 1 and len(_written(units, sorted(wider), heading)) <= LIMIT:
            chosen = wider
    return sorted(chosen)


def _with_lead(units: list[_Unit], at: int) -> set[int]:
    lead = units[at].lead
    # A sentence that announces a list is nothing without the list's first item.
    following = {at + 1} if _introduces(units[at].text) and at + 1 < len(units) else set()
    return {at, *following} if lead is None else {at, lead, *following}


def _around(units: list[_Unit], best: int) -> list[int]:
    """Neighbours of the best unit: its list, or the sentences beside it."""
    if units[best].list:
        same = [at for at in range(len(units)) if units[at].list and units[at].lead == units[best].lead]
        return sorted(same, key=lambda at: abs(at - best))
    return [at for at in (best + 1, best - 1) if 0 <= at < len(units)]


def _scores(units: list[_Unit], question: str, heading: str) -> list[float]:
    words = [token.text for token in tokens(question)]
    asked = {stem(word) for word in words if word not in stop_words()}
    wants_number = not number_words().isdisjoint(words)
    about = {stem(fold(token.text)) for token in tokens(heading)}
    stems = [{stem(token.text) for token in tokens(unit.text)} for unit in units]
    scores: list[float] = []
    for unit, own in zip(units, stems, strict=True):
        score = 0.0
        for word in asked:
            weight = _HEADING_BONUS if word in about else 1.0
            likeness = max((_like(word, other) for other in own), default=0.0)
            holders = sum(1 for others in stems if word in others) or 1
            score += weight * likeness / holders**0.5
        if score and wants_number and _DIGIT.search(unit.text):
            score += _NUMBER_BONUS
        scores.append(score)
    return scores


def _like(one: str, other: str) -> float:
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    return 0.6 if len(short) >= 4 and long.startswith(short[: max(4, len(short) - 1)]) else 0.0


def _written(units: list[_Unit], chosen: range | list[int], heading: str) -> str:
    text = ""
    before = -1
    for at in chosen:
        unit = units[at]
        joint = "" if not text else unit.joint if at == before + 1 else "\n" if unit.list else " "
        if not text and unit.list and heading:
            text = f"{heading.split(' > ')[-1].rstrip(':')}:\n"
        if text and not joint.startswith("\n") and before >= 0 and units[before].list:
            joint = "\n\n"
        text += joint + unit.text
        before = at
    return text if len(text) <= LIMIT else text[: LIMIT - 1].rsplit(" ", 1)[0].rstrip() + "…"
