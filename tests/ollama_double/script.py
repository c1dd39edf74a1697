"""What the double says: ordered rules, each with conditions and a list of steps. Without a rule it echoes.

A step is a dict with one key:
`text` (a text, said word by word, or the list of its pieces), `thinking`, `tool_calls` (in the last object) or
`early_tool_calls`, `delay` (seconds), `usage` (counts of the last object), `done_reason`, `error_before`
(`{"status", "error"}`), `error_mid` (text), `end_without_done`, `drop` (TCP reset), `stall` (for ever), `half_line`,
`garbage_line`, `u0085`, `many_objects_in_one_write`, `split_utf8`, `huge_line` (bytes), `format_mode`; for embeddings
`nan`, `wrong_dims`, `missing_row`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Step = dict[str, Any]
KINDS = {
    "text", "thinking", "tool_calls", "early_tool_calls", "delay", "usage", "done_reason", "error_before", "error_mid",
    "end_without_done", "drop", "stall", "half_line", "garbage_line", "u0085", "many_objects_in_one_write",
    "split_utf8", "huge_line", "format_mode", "nan", "wrong_dims", "missing_row",
}  # fmt: skip


@dataclass
class Rule:
    """`steps` for the calls that fit every condition that is set. `times`: it wears off after so many."""

    steps: Sequence[Step]
    model: str | None = None
    text: str | None = None
    """Regular expression, searched in the last user text (or the first text to embed)."""
    prompt: str | None = None
    """Regular expression, searched in every text of the call: what the model was told."""
    tool_result: str | None = None
    format: bool | None = None
    tools: bool | None = None
    call: int | None = None
    """Only the call with this number, counted from 1."""
    path: str | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        for step in self.steps:
            if len(step) != 1 or not step.keys() <= KINDS:
                raise ValueError(f"{step} is no step; known are {', '.join(sorted(KINDS))}")

    def fits(self, path: str, body: dict[str, Any], number: int) -> bool:
        if self.times == 0 or (self.path and self.path != path) or (self.call and self.call != number):
            return False
        if self.model and self.model != body.get("model"):
            return False
        if self.text is not None and not re.search(self.text, asked(body)):
            return False
        told = " ".join(str(one.get("content", "")) for one in body.get("messages") or [])
        if self.prompt is not None and not re.search(self.prompt, told):
            return False
        if self.tool_result is not None and not re.search(self.tool_result, _last(body, "tool")):
            return False
        if self.format is not None and self.format != bool(body.get("format")):
            return False
        return self.tools is None or self.tools == bool(body.get("tools"))


@dataclass
class Script:
    rules: list[Rule] = field(default_factory=list)

    def steps(self, path: str, body: dict[str, Any], number: int) -> list[Step] | None:
        """The steps of the first rule that fits; None: no rule does."""
        for rule in self.rules:
            if rule.fits(path, body, number):
                if rule.times is not None:
                    rule.times -= 1
                return list(rule.steps)
        return None


def asked(body: dict[str, Any]) -> str:
    """What the call is about: the last user text, the prompt, the first text to embed."""
    if "prompt" in body:
        return str(body["prompt"])
    given = body.get("input")
    if given is not None:
        return str(given[0] if isinstance(given, list) and given else given)
    return _last(body, "user")


def _last(body: dict[str, Any], role: str) -> str:
    messages = body.get("messages") or []
    return next((str(one.get("content", "")) for one in reversed(messages) if one.get("role") == role), "")


def words(text: str | Sequence[str]) -> list[str]:
    """A text in pieces as a model says it: each word with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text) if isinstance(text, str) else list(text)


def echo(body: dict[str, Any]) -> list[Step]:
    """The default: the first sentence of passage 1 with its number, or what was asked."""
    whole = "\n".join(str(one.get("content", "")) for one in body.get("messages") or [])
    passage = re.search(r"^\[1\] [^\n]*\n(.+?)(?=^\[\d+\] |\n\n\n|\Z)", whole, re.MULTILINE | re.DOTALL)
    if passage is None:
        return [{"text": f"You said: {asked(body)}"}]
    sentence = re.split(r"(?<=[.!?])\s", " ".join(passage[1].split()))[0]
    return [{"text": f"{sentence} [1]"}]
