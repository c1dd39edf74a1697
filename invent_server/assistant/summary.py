"""What a colleague needs to know before the first word, in three lines taken from the chat itself."""

from __future__ import annotations

from collections.abc import Sequence

from invent_server.assistant.hearing import follows, leans
from invent_server.assistant.smalltalk import recognise
from invent_server.assistant.types import Line
from shared.i18n import Texts, texts
from shared.text import clean_line

_LONGEST = 160  # characters of a line that is repeated
_READ = 400  # characters of a line that are read
_EARLIER = 2  # questions before the last


def summarize(history: Sequence[Line], language: str) -> str:
    """What happened, what the customer wants now, what was tried: three lines in `language`. Empty for no history."""
    if not history:
        return ""
    heard = [recognise(clean_line(line.text, _READ)) for line in history if line.author == "customer"]
    wishes = any(said.kind == "ask_human" for said in heard)
    # Without greetings; what was said twice once.
    asked = list(dict.fromkeys(_short(said.rest) for said in heard if said.rest))
    tr = texts("server", language)
    lines = [
        (tr("What happened"), _happened(tr, asked)),
        (tr("Wants now"), _wanted(tr, asked, wishes)),
        (tr("Tried"), _tried(tr, history)),
    ]
    return "\n".join(f"{name}: {text}" for name, text in lines)


def _happened(tr: Texts, asked: list[str]) -> str:
    if not asked:
        return tr("The customer has not described anything yet.")
    if len(asked) == 1:
        return tr("The customer wrote: {text}", text=_quoted(asked[:1]))
    return tr("The customer first wrote: {text}", text=_quoted(asked[:_EARLIER]))


def _wanted(tr: Texts, asked: list[str], wishes: bool) -> str:
    if not asked:
        return tr("To talk to a person.") if wishes else tr("Not said.")
    last = asked[-1]
    if len(asked) > 1 and leans(last) and follows(last):
        last = f"{asked[-2]} {last}"
    wanted = _quoted([_short(last)])
    return tr("{text} The customer asked for a person.", text=wanted) if wishes else wanted


def _tried(tr: Texts, history: Sequence[Line]) -> str:
    answers = [line for line in history if line.author == "assistant" and line.outcome == "answer"]
    found = [line for line in answers if line.reason == "found"]
    asked = any(line.author == "assistant" and line.outcome == "ask" for line in history)
    people = [line for line in history if line.author == "agent"]
    tried: list[str] = []
    if found:
        tried.append(tr("The assistant answered: {text}", text=_quoted([_short(found[-1].text)])))
    if asked:
        tried.append(tr("The assistant asked back."))
    if people:
        tried.append(tr("A colleague answered: {text}", text=_quoted([_short(people[-1].text)])))
    return " ".join(tried) or tr("Nothing yet.")


def _quoted(parts: Sequence[str]) -> str:
    return " ".join(f"“{part}”" for part in parts)


def _short(text: str) -> str:
    return clean_line(text, _LONGEST)
