"""How a message and its answers look, then and anew, side by side where there is room. Pure."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from invent_tui.cells import Line, columns, fit, pad, plain, wrap
from invent_tui.labels import OUTCOMES

if TYPE_CHECKING:
    from invent_tui.rehearsal import Evaluation, Rehearsal
    from invent_tui.words import Words
    from shared.instructions import EvaluationCase, ReplayAnswer

BESIDE = 64
"""Cells from which the answers stand side by side."""


def _(text: str) -> str:
    return text


SECTIONS = {
    "voice": _("Voice"),
    "tone": _("Tone"),
    "goals": _("Goals"),
    "flow": _("Flow"),
    "restrictions": _("Restrictions"),
    "guidelines": _("Guidelines"),
    "escalation": _("Escalation"),
}
WITHOUT_MODEL = {
    "voice": _("put “Greeting: …” on a line of its own to use it without a model"),
    "restrictions": _("only a model reads this; Never say “words” works without one"),
    "escalation": _("only a model reads this; words in quotes work without one"),
}


def answer_lines(state: Rehearsal, name: str, words: Words, width: int) -> list[Line]:
    """The chosen message, the answer then, and the answer anew."""
    tr, g = words.tr, words.glyphs
    if state.message is None:
        return [(("dim", fit(tr("The customer has written nothing yet"), width)),)]
    asked = wrap(state.question or state.message.text, max(8, width - 2))
    found: list[Line] = [(("customer", fit(name, width)),)]
    found += [(("text", f"  {line}"),) for line in asked]
    found.append(())
    beside = width >= BESIDE
    room = (width - 3) // 2 if beside else width
    old, new = _then(state, words, room), _anew(state, words, room)
    if not beside:  # the new answer first: it is what was asked for
        return [*found, *new, (), *old] if new else [*found, *old]
    bar = ("frame", " | " if g.name == "ascii" else " │ ")
    empty: Line = ()
    for left, right in zip_longest(old, new, fillvalue=empty):
        gap = ("text", " " * (room - columns(left)))
        found.append((*left, gap, bar, *right))
    return found


def _then(state: Rehearsal, words: Words, width: int) -> list[Line]:
    tr, old = words.tr, state.old
    if old is None:
        waits = tr("asking…") if state.state == "asking" else tr("{key} answers it anew", key="F5")
        what = tr("not answered") if state.state == "done" else waits
        return [_head(tr("then"), "dim", what, width)]
    version = tr("version {number}", number=old.version) if old.version is not None else ""
    who = words.dots(old.author, version, words.clock(old.at) if old.at else "")
    return [_head(tr("then"), "dim", who, width), *_answer(old, words, width)]


def _anew(state: Rehearsal, words: Words, width: int) -> list[Line]:
    tr, g = words.tr, words.glyphs
    if state.live:
        head = _head(tr("anew"), "assistant", tr("writing"), width)
        return [head, *((("text", line),) for line in wrap(plain(state.live) + g.cursor, width))]
    if state.state == "failed":
        head = _head(tr("anew"), "error", tr("no answer"), width)
        return [head, *((("error", line),) for line in wrap(state.problem, width))]
    if state.new is None:
        what = tr("asking…") if state.state == "asking" else ""
        return [_head(tr("anew"), "dim", what, width)] if what or state.old is not None else []
    took = state.new.timings.get("total")
    facts = words.dots(tr("draft"), f"{took:.0f} ms" if took is not None else "")
    again = words.dots(facts, tr("asking…")) if state.state == "asking" else facts
    return [_head(tr("anew"), "assistant", again, width), *_answer(state.new, words, width)]


def _head(name: str, role: str, rest: str, width: int) -> Line:
    return ((f"{role}", f"{name} "), ("dim", fit(rest, max(0, width - len(name) - 1))))


def _answer(answer: ReplayAnswer, words: Words, width: int) -> list[Line]:
    tr = words.tr
    lines: list[Line] = [(("text", line),) for line in wrap(plain(answer.text), width)] if answer.text else []
    if answer.outcome:
        role = "warn" if answer.outcome == "handoff" else "good" if answer.outcome == "answer" else "dim"
        why = words.why(answer.reason) if answer.outcome == "handoff" else ""
        by = tr("without a model") if answer.engine == "extractive" else answer.engine
        by = by if answer.outcome == "answer" else ""
        told = words.dots(tr(OUTCOMES[answer.outcome]), why, by)
        lines += [((role, line),) for line in wrap(told, width)]
    for number, one in enumerate([one for one in answer.evidence if one.cited] or answer.evidence[:3], 1):
        sure = words.sure(one.score)
        mark = f"[{number}] " if one.cited else f"{words.glyphs.dot} "
        title = pad(one.title, max(4, width - len(mark) - len(sure) - 1), words.glyphs.ellipsis)
        lines.append((("cite" if one.cited else "dim", mark), ("text", title), ("dim", f" {sure}")))
    if not answer.evidence:
        lines += [(("dim", fit(f"[{n}] {one.title}", width)),) for n, one in enumerate(answer.citations, 1)]
    if answer.problem:
        lines += [(("warn", line),) for line in wrap(answer.problem, width)]
    return lines


def section_line(state: Rehearsal, words: Words, width: int) -> Line:
    """All seven sections, the one in the editor marked; where they do not fit, its number."""
    tr, names = words.tr, list(SECTIONS)
    line: list[tuple[str, str]] = []
    for name in names:
        here = name == state.section
        mark = "*" if state.changed(name) else ""
        line += [("accent.strong" if here else "dim", f"{tr(SECTIONS[name])}{mark}"), ("text", " ")]
    if columns(tuple(line)) <= width:
        return tuple(line)
    at = names.index(state.section) + 1
    mark = "*" if state.changed(state.section) else ""
    others = sum(state.changed(name) for name in names if name != state.section)
    more = tr.plural("{count} other changed", "{count} others changed", others) if others else ""
    shown = f"{tr(SECTIONS[state.section])}{mark} {at}/{len(names)}"
    return (("accent.strong", fit(shown, width)), ("dim", fit(f"  {more}" if more else "", width - len(shown))))


def rules_line(state: Rehearsal, words: Words, width: int, *, model: bool) -> Line:
    """Which lines of the section work without a model."""
    from shared.instructions import rules

    tr = words.tr
    found = rules(state.section, state.texts.get(state.section, ""))
    if found:
        numbers = ", ".join(dict.fromkeys(str(rule.line + 1) for rule in found))
        many = len({rule.line for rule in found})
        text = tr.plural(
            "works without a model: line {lines}", "works without a model: lines {lines}", many, lines=numbers
        )
        return (("good", fit(f"{words.glyphs.tick} {text}", width)),)
    told = tr(WITHOUT_MODEL.get(state.section, _("only a model reads this section")))
    return (("dim" if model else "warn", fit(told, width)),)


def evaluation_lines(evaluation: Evaluation | None, words: Words, width: int, rows: int) -> list[Line]:
    """Progress, counts, and the first messages that are answered otherwise."""
    tr, g = words.tr, words.glyphs
    if evaluation is None:
        return []
    if evaluation.problem:
        return [(("error", fit(evaluation.problem, width)),)]
    done, result = evaluation.done, evaluation.result
    if result is None:
        length = max(8, min(30, width - 26))
        filled = length * done // evaluation.total if evaluation.total else 0
        bar = ("#" if g.name == "ascii" else "━") * filled
        rest = ("-" if g.name == "ascii" else "─") * (length - filled)
        count = f" {done}/{evaluation.total} " if evaluation.total else " "
        lines: list[Line] = [(("accent", bar), ("frame", rest), ("dim", fit(count + tr("F6 stops"), width - length)))]
    elif not result.total:
        return [(("dim", fit(tr("This assistant has answered nobody yet."), width)),)]
    else:
        parts = [tr.plural("{count} message", "{count} messages", result.total)]
        parts.append(tr("{count} the same", count=result.same))
        parts.append(tr("{count} reworded", count=result.reworded) if result.reworded else "")
        parts.append(tr("{count} changed", count=result.changed))
        parts.append(tr("{count} without the model", count=result.failed) if result.failed else "")
        lines = [(("warn" if result.changed else "good", fit(words.dots(*parts), width)),)]
    return [*lines, *(_case(case, words, width) for case in evaluation.cases[: max(0, rows - 1)])]


def _case(case: EvaluationCase, words: Words, width: int) -> Line:
    tr = words.tr
    if case.difference == "outcome" and case.old.outcome and case.new.outcome:
        arrow = "->" if words.glyphs.name == "ascii" else "→"
        what = f"{tr(OUTCOMES[case.old.outcome])} {arrow} {tr(OUTCOMES[case.new.outcome])}"
    else:
        what = {
            "sources": tr("other sources"),
            "text": tr("reworded"),
            "failed": tr("the model was away"),
        }.get(case.difference, "")
    room = max(8, width - len(what) - 3)
    return (("text", f"  {pad(case.question, room, words.glyphs.ellipsis)} "), ("dim", what))
