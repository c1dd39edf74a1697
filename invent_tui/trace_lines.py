"""A message's way as lines: who asked, what was decided and why, then each step as a bar on one scale of time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invent_tui.cells import Line, cell_len, fit, pad, right, wrap
from invent_tui.labels import OUTCOMES, STEPS
from shared.waterfall import bar

if TYPE_CHECKING:
    from invent_tui.words import Words
    from shared.models import Message, Trace, TraceStep

NARROW = 64
"""Below this width what a step was about stands in a line of its own."""
BAR = 24


def trace_lines(trace: Trace, message: Message | None, words: Words, width: int, *, prompt: bool = False) -> list[Line]:
    """All lines of the way that `trace` tells. `prompt`: also what the model was asked."""
    lines = _head(trace, message, words, width)
    lines += [(), *_steps(trace, words, width)]
    lines += _passages(trace, words, width)
    if prompt:
        lines += _prompt(trace, words, width)
    return lines


def why_lines(trace: Trace, words: Words, width: int) -> list[Line]:
    """What the assistant understood and did, with its reason, in the agent's language."""
    tr = words.tr
    lines: list[Line] = []
    if trace.intent.label:
        told = words.dots(words.intent_label(trace.intent.label), words.sure(trace.intent.confidence))
        lines += [(("text", part),) for part in wrap(told, width)]
    if trace.outcome:
        role = "warn" if trace.outcome == "handoff" else "good" if trace.outcome == "answer" else "dim"
        told = words.dots(tr(OUTCOMES.get(trace.outcome, trace.outcome)), words.why(trace.reason or ""))
        lines += [((role, part),) for part in wrap(told, width)]
        lines += [(("dim", part),) for part in wrap(by(trace, words), width)]
    return lines


def by(trace: Trace, words: Words) -> str:
    """Who wrote it."""
    tr = words.tr
    if not trace.engine:
        return ""
    if trace.engine == "extractive":
        if trace.outcome != "answer":
            return ""
        return tr("quoted, without a model")
    return tr("written by {model}", model=trace.engine.partition(":")[2] or trace.engine)


def _head(trace: Trace, message: Message | None, words: Words, width: int) -> list[Line]:
    tr = words.tr
    lines: list[Line] = []
    if message is not None:
        name = tr("the assistant") if message.author.kind == "assistant" else message.author.name or tr("Visitor")
        text = f"{name} {words.clock(message.created_at)}: {' '.join(message.text.split())}"
        lines.append((("strong", fit(text, width, words.glyphs.ellipsis)),))
    lines += why_lines(trace, words, width)
    if trace.total_ms:
        lines.append((("dim", fit(tr("{ms} ms from the first step to the last", ms=round(trace.total_ms)), width)),))
    return lines


def _steps(trace: Trace, words: Words, width: int) -> list[Line]:
    ascii_only = words.glyphs.name == "ascii"
    lines: list[Line] = []
    cells = min(BAR, max(8, width - 32))
    for step in trace.steps:
        name = words.tr(STEPS.get(step.name, step.name))
        took = _ms(step.ms) if step.ms is not None else ""
        drawn = bar(step.offset_ms, step.ms or 0.0, trace.total_ms, cells, ascii_only=ascii_only)
        role = "warn" if step.name in ("not sent", "failed", "uncertain", "failed", "superseded") else "accent"
        head: Line = (
            ("text", pad(name, 12)),
            ("dim", right(_ms(step.offset_ms), 8)),
            (role, f" {drawn} "),
            ("strong", right(took, 7)),
        )
        about = _about(step, words)
        room = width - 12 - 8 - cells - 2 - 7 - 2
        if width >= NARROW and room >= 12:
            parts = wrap(about, room) if about else [""]
            lines.append((*head, ("dim", "  " + parts[0])))
            lines += [(("dim", " " * (width - room) + part),) for part in parts[1:3]]
        else:
            lines.append(head)
            lines += [(("dim", "  " + part),) for part in wrap(about, width - 2)[:2] if part]
    return lines


def _ms(value: float) -> str:
    """Milliseconds as briefly as they are worth."""
    if value >= 60_000:
        return f"{value / 60_000:.1f}min"
    if value >= 10_000:
        return f"{value / 1000:.1f}s"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _about(step: TraceStep, words: Words) -> str:
    """The facts of a step; what the head says already is left out."""
    told = []
    for key, value in step.detail.items():
        if value in (None, "", [], {}) or (step.name == "outcome" and key in ("outcome", "engine")):
            continue
        if step.name == "understood" and key == "label":
            value = words.intent_label(str(value))
        if key == "reason":
            value = words.why(str(value))
        if isinstance(value, float):
            value = f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
        if isinstance(value, list):
            value = "-".join(str(one) for one in dict.fromkeys(map(str, value)))
        told.append(f"{key.replace('_', ' ')} {value}")
    return words.dots(*told)


def _passages(trace: Trace, words: Words, width: int) -> list[Line]:
    tr = words.tr
    lines: list[Line] = []
    for heading, chosen in ((tr("Passages used"), True), (tr("Nearly matched"), False)):
        found = [one for one in trace.evidence if one.cited is chosen]
        if found:
            lines += [(), (("accent.strong", fit(heading, width)),)]
        for one in found:
            ways = " ".join(f"{name} {value:.2f}" for name, value in one.scores.items())
            tail = f" {one.score:.2f}" + (f"  {ways}" if ways and width >= NARROW else "")
            title = pad(one.title, max(8, width - cell_len(tail)), words.glyphs.ellipsis)
            lines.append((("cite" if chosen else "text", title), ("dim", tail)))
    return lines


def _prompt(trace: Trace, words: Words, width: int) -> list[Line]:
    tr = words.tr
    if not trace.prompt:
        text = tr("No model was asked, or what it was asked is kept no longer.")
        return [(), *((("dim", part),) for part in wrap(text, width))]
    lines: list[Line] = []
    for part in trace.prompt:
        lines += [(), (("accent.strong", fit(tr("Asked the model") + f" ({part.role})", width)),)]
        lines += [(("text", line),) for line in wrap(part.text, width)]
    return lines
