"""What changes between two sets of sections, line by line. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from shared.instructions import SECTIONS, DiffLine, DiffMark, InstructionDiff, Section, SectionDiff

AROUND = 2
"""Unchanged lines shown before and after a change."""


def difference(old: str, before: Mapping[Section, str], new: str, after: Mapping[Section, str]) -> InstructionDiff:
    """The sections that differ; `old` and `new` name the two sets."""
    changed = [name for name in SECTIONS if before[name] != after[name]]
    return InstructionDiff(
        old=old,
        new=new,
        sections=[SectionDiff(section=name, lines=_lines(before[name], after[name])) for name in changed],
    )


def _lines(before: str, after: str) -> list[DiffLine]:
    marks: dict[str, DiffMark] = {"+": "+", "-": "-", " ": " "}
    found = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=AROUND))[2:]
    return [
        DiffLine(mark=marks[line[:1]], text=line[1:]) if line[:1] in marks else DiffLine(mark=" ", text="…")
        for line in found
        if not (line.startswith("@@") and line is found[0])
    ]
