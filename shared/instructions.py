"""The seven sections of an assistant's instructions, and which of their lines work without a model. Pure.

A line is free text for the model. Some lines are also rules that hold whether a model writes or not:

* escalation: `Hand over when a customer writes “lawyer” or “abogado”`: the quoted words, in what the CUSTOMER writes,
  call a person. With an amount (`“refund” over 100 €`) only above it. A line that begins with a negation is no rule.
* restrictions: `Never say “guaranteed”`: the quoted words are never in what the ASSISTANT says; a person answers
  instead. Only a line that begins with a negation is a rule.
* voice: `Greeting: Hi, ...` and `Goodbye: ...`, in Spanish `Saludo:` and `Despedida:`: the text itself, in the language
  of the word before the colon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field

from shared.models import Citation, Evidence, OutcomeKind, Wire
from shared.text import Body, Line

Section = Literal["voice", "tone", "goals", "flow", "restrictions", "guidelines", "escalation"]
SECTIONS: tuple[Section, ...] = get_args(Section)
SECTION_LIMIT = 4_000
"""Longest text of one section, in characters."""
NOTE_LIMIT = 300

Kind = Literal["hand_over", "never_say", "greeting", "goodbye"]

# Every repetition is bounded: customers' texts go through some of these on the way to an answer.
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]{1,80})[\"”“»]")
_NEGATED = re.compile(r"(?:do(?:es)? not|don[’']?t|never|not?|avoid|nunca|jamás|evita\w*|sin)\b", re.IGNORECASE)
_BULLET = re.compile(r"[\s\-*•–·\d.)]*")
_SAID = re.compile(r"(greeting|goodbye|saludo|despedida)\s*:\s*(\S.*)", re.IGNORECASE)
_SPOKEN: dict[str, tuple[Kind, str]] = {
    "greeting": ("greeting", "en"),
    "goodbye": ("goodbye", "en"),
    "saludo": ("greeting", "es"),
    "despedida": ("goodbye", "es"),
}
_DIGITS = r"\d[\d.,]{0,15}"
_MONEY = r"(?:€|\$|£|euros?\b|eur\b|usd\b|dollars?\b|d[oó]lares\b|pounds?\b)"
_AMOUNT = re.compile(
    rf"[€$£]\s{{0,3}}({_DIGITS})|(?<![\d.,])({_DIGITS})\s{{0,3}}{_MONEY}",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"(?:over|above|more than|exceed\w{0,4}|m[aá]s de|superior(?:es)? a|mayor(?:es)? (?:de|que)|por encima de|>)"
    rf"\s{{1,3}}([€$£]\s{{0,3}}{_DIGITS}|{_DIGITS}\s{{0,3}}{_MONEY})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A line that works without a model. `phrases`: any of them; `over`: only with an amount above this.

    `text` and `language` belong to a greeting and a goodbye.
    """

    line: int
    kind: Kind
    phrases: tuple[str, ...] = ()
    over: float | None = None
    text: str = ""
    language: str = ""


def rules(section: str, text: str) -> list[Rule]:
    """The rules of a section, in the order of their lines (0 = the first)."""
    read = {"voice": _spoken, "escalation": _hand_over, "restrictions": _never_say}.get(section)
    if read is None:
        return []
    found = (read(number, line[_bullet(line) :]) for number, line in enumerate(text.splitlines()))
    return [rule for rule in found if rule is not None]


def _bullet(line: str) -> int:
    match = _BULLET.match(line)
    return match.end() if match else 0


def _quoted(line: str) -> tuple[str, ...]:
    return tuple(stripped for phrase in _QUOTED.findall(line) if (stripped := phrase.strip()))


def _hand_over(number: int, line: str) -> Rule | None:
    phrases = _quoted(line)
    if not phrases or _NEGATED.match(line):
        return None
    over = _OVER.search(line)
    return Rule(number, "hand_over", phrases, max(amounts(over[1]), default=None) if over else None)


def _never_say(number: int, line: str) -> Rule | None:
    phrases = _quoted(line)
    return Rule(number, "never_say", phrases) if phrases and _NEGATED.match(line) else None


def _spoken(number: int, line: str) -> Rule | None:
    match = _SAID.match(line)
    if match is None:
        return None
    kind, language = _SPOKEN[match[1].lower()]
    return Rule(number, kind, text=match[2].strip().strip('"“”„«» '), language=language)


def amounts(text: str) -> list[float]:
    """The sums of money that a text names: `1.200,50 €`, `$80`."""
    return [value for match in _AMOUNT.finditer(text) if (value := _number(match[1] or match[2])) is not None]


def _number(digits: str) -> float | None:
    """A number as people write it: the last separator is the decimal one unless three digits follow it."""
    digits = digits.rstrip(".,")
    whole, mark, part = max((digits.rpartition(sign) for sign in ".,"), key=lambda cut: len(cut[0]) if cut[1] else -1)
    if not mark or len(part) == 3:
        whole, part = digits, "0"
    plain = re.sub(r"[.,]", "", whole)
    return float(f"{plain}.{part}") if plain.isdigit() and part.isdigit() else None


# ---- on the wire ---------------------------------------------------------------------------------------------------


class RuleLine(Wire):
    """A line of a section that works without a model."""

    line: int
    kind: Kind
    phrases: list[Line] = Field(default_factory=list)
    over: float | None = None


class InstructionSection(Wire):
    """One section: the draft, and what is published. `revision` rises with every change of the draft."""

    section: Section
    text: Body
    published: Body
    changed: bool
    revision: int
    author: Line = ""
    updated_at: str | None = None
    rules: list[RuleLine] = Field(default_factory=list)


class InstructionVersion(Wire):
    """A published set. Version 0 is what Invent brings; `sections` is empty in lists."""

    version: int
    note: Line = ""
    author: Line = ""
    restored: int | None = None
    changed: list[Section] = Field(default_factory=list)
    sections: dict[Section, Body] = Field(default_factory=dict)
    created_at: str | None = None


class Instructions(Wire):
    """An assistant's draft beside its published version. `revision`: of the whole draft.

    `tokens` is what the draft costs in each prompt, `limit` what it may cost.
    """

    assistant: str
    version: InstructionVersion
    sections: list[InstructionSection]
    revision: int
    tokens: int
    limit: int


DiffMark = Literal["+", "-", " "]


class DiffLine(Wire):
    mark: DiffMark
    text: Body


class SectionDiff(Wire):
    """The changed lines of one section with a little of what stands around them."""

    section: Section
    lines: list[DiffLine]


class InstructionDiff(Wire):
    """What changes from one text to the other; each is a version's number, `draft` or `published`."""

    old: str
    new: str
    sections: list[SectionDiff]


class ReplayAnswer(Wire):
    """How one turn ended. `version`: of the instructions; None for a draft (and where it is not known)."""

    outcome: OutcomeKind | None = None
    reason: Line = ""
    detail: Line = ""
    text: Body = ""
    language: str | None = None
    author: Line = ""
    engine: Line = ""
    problem: Line = ""
    """Why the model's answer was not used, where there is one."""
    version: int | None = None
    citations: list[Citation] = Field(default_factory=list)
    evidence: list[Evidence] = Field(default_factory=list)
    timings: dict[str, float] = Field(default_factory=dict)
    at: str | None = None


class Replay(Wire):
    """A customer's lines answered anew. `old`: what was answered then; None when nothing was."""

    message_id: str
    conversation_id: str
    question: Body
    old: ReplayAnswer | None
    new: ReplayAnswer


class ReplayBegan(Wire):
    type: Literal["began"] = "began"
    message_id: str
    conversation_id: str
    question: Body
    old: ReplayAnswer | None


class ReplayToken(Wire):
    type: Literal["token"] = "token"
    text: Body


class ReplayDone(Wire):
    type: Literal["done"] = "done"
    new: ReplayAnswer


class EvaluationBegan(Wire):
    type: Literal["began"] = "began"
    total: int


class EvaluationCase(Wire):
    """One message answered under both. `difference`: what changed most, empty: nothing; `failed`: a model was away."""

    type: Literal["case"] = "case"
    done: int
    total: int
    message_id: str
    conversation_id: str
    question: Line
    difference: Literal["", "outcome", "sources", "text", "failed"]
    old: ReplayAnswer
    new: ReplayAnswer


class EvaluationDone(Wire):
    """`changed` counts outcome and sources; another wording alone is `reworded`. Nobody says which is better."""

    type: Literal["done"] = "done"
    total: int
    same: int
    reworded: int
    changed: int
    failed: int


class Failure(Wire):
    """The work broke off; nothing more comes."""

    type: Literal["error"] = "error"
    message: Line


ReplayFrame = Annotated[ReplayBegan | ReplayToken | ReplayDone | Failure, Field(discriminator="type")]
EvaluationFrame = Annotated[EvaluationBegan | EvaluationCase | EvaluationDone | Failure, Field(discriminator="type")]


def as_lines(section: str, text: str) -> list[RuleLine]:
    """The rules of a section as the API tells them."""
    return [
        RuleLine(line=one.line, kind=one.kind, phrases=list(one.phrases), over=one.over) for one in rules(section, text)
    ]


def tidy(sections: Mapping[str, str]) -> dict[Section, str]:
    """All seven sections; those that are not given are empty."""
    return {name: sections.get(name, "") for name in SECTIONS}
