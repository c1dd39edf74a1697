"""What the customer says in a turn: language, small talk or question, intent. No search, no state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from invent_server.assistant import language as tongue
from invent_server.assistant.intents import Label, intents
from invent_server.assistant.smalltalk import Kind, SmallTalk, recognise
from invent_server.assistant.types import Line, TurnInput
from invent_server.assistant.words import tokens
from shared.text import clean

_SHORT = 6  # words of a line that may lean on the question before it
_QUERY = 700  # characters of a question that are searched
_FOLLOWING = frozenset(
    [
        "y",
        "e",
        "o",
        "and",
        "or",
        "what",
        "how",
        "que",
        "pero",
        "but",
        "entonces",
        "then",
        "also",
        "tambien",
        "et",
        "und",
    ]
)
_PRIORITY: tuple[Kind, ...] = (
    "ask_human", "are_you_bot", "negate", "affirm", "goodbye", "thanks", "greeting", "ack", "emoji",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """A turn understood. `question` is empty for small talk; `blank`: the customer sent no text at all."""

    kind: Kind
    question: str
    language: str
    sure: bool
    """The lines themselves told their language."""
    intent: Label
    declined: bool = False
    blank: bool = False


def hear(turn: TurnInput, company: str, default: str) -> Heard:
    """Read all unanswered lines as one."""
    lines = [clean(line) for line in turn.unanswered]
    talk = [recognise(line, (turn.customer, company)) for line in lines]
    text = "\n".join(lines)
    language, sure = _language(text, talk, turn, default)
    blank = not text.strip()
    if any(said.kind == "ask_human" for said in talk):
        return Heard("ask_human", "", language, sure, Label("human", 1.0))
    question = _joined([said.rest for said in talk if said.kind == "not_small_talk"])
    if question:
        label = intents().label(question)
        return Heard("not_small_talk", question, language, sure, label)
    said = min(talk, key=lambda one: _PRIORITY.index(one.kind), default=SmallTalk("emoji", "", None))
    return Heard(said.kind, "", language, sure, Label("smalltalk", 1.0), said.declined, blank)


def _language(text: str, talk: Sequence[SmallTalk], turn: TurnInput, default: str) -> tuple[str, bool]:
    guess = tongue.detect(text)
    if guess.sure and guess.language:
        return guess.language, True
    told = {said.language for said in talk if said.language}
    if len(told) == 1 and (guess.language is None or guess.language in told):
        return told.pop(), True
    return tongue.of_lines(text, turn.language, turn.locale, default), False


def _joined(parts: Sequence[str]) -> str:
    """Several lines as one question, repeated ones once; of a very long text its beginning and its questions."""
    text = " ".join(dict.fromkeys(" ".join(part.split()) for part in parts))
    if len(text) <= _QUERY:
        return text
    asked = " ".join(sentence for sentence in text.replace("?", "?\n").splitlines() if sentence.endswith("?"))
    return f"{text[: _QUERY // 2]} {asked[-_QUERY // 2 :] or text[-_QUERY // 2 :]}"


def leans(question: str) -> bool:
    """True when `question` may be short for one that goes on from the last (`and for Portugal?`)."""
    return 0 < len(tokens(question)) <= _SHORT


def follows(question: str) -> bool:
    """True when it begins like a continuation: `y …`, `and …`, `what about …`."""
    words = tokens(question)
    return bool(words) and words[0].text in _FOLLOWING


def question_before(history: Sequence[Line]) -> str:
    """The customer's last question in `history`, with the one before it when it leaned on that. May be empty."""
    found: list[str] = []
    for line in reversed(history):
        if line.author == "agent":
            break
        if line.author != "customer":
            continue
        rest = recognise(line.text).rest
        if not rest:
            continue
        found.insert(0, rest)
        if not (leans(rest) and follows(rest)) or len(found) == 3:
            break
    return _joined(found)
