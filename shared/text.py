"""The one boundary for untrusted text: customers, pages, files, models, channel names, errors of others.

Stored is what came (`storable`); shown is what these functions return. Terminal control sequences, invisible and
direction-changing characters never pass; emoji, Persian, Arabic and Indic text do. Every function is idempotent.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import BeforeValidator

BODY_LIMIT = 20_000
LINE_LIMIT = 300
_MARKS = 4  # combining marks kept on one base character; Vietnamese and Hebrew need up to 3
_JOINERS = "\u200c\u200d"

# Nothing in plain Latin text needs work: one scan in C decides (most lines end here).
_SUSPECT = re.compile("[^\x20-\x7e\n\xa1-\xac\xae-\u02ff\u2010-\u2015\u2018-\u201e\u2022\u2026\u20ac]")
_BLANKS = re.compile(r"\n{4,}")

# ECMA-48: CSI; then OSC, DCS, SOS, PM, APC up to BEL or ST (or the end: an unterminated one swallows the rest of its
# line only, so that a customer cannot hide a whole text); then two-character escapes. Both 7-bit and 8-bit forms.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]?"
)
# Dropped outright: bidi controls, zero-width space, word joiners, BOM, soft hyphen, fillers, annotation and tag
# characters, deprecated format characters, variation selectors supplement, noncharacters.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|[" + "".join(chr(plane * 0x10000 + low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF)) + "]"
)
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x09\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_JOINER_RUN = re.compile(f"([{_JOINERS}])[{_JOINERS}]+")
_LONE_JOINER = re.compile(f"(?:^|(?<=[\\s\x00-\x7f]))[{_JOINERS}]+|[{_JOINERS}]+(?=$|[\\s\x00-\x7f])")
_SPACE = re.compile(r"\s+")


def storable(text: str) -> str:
    """`text` as a database can hold it: lone surrogates become U+FFFD, NUL its picture. Nothing else changes."""
    if "\x00" in text:
        text = text.replace("\x00", "\u2400")
    return _SURROGATE.sub("\ufffd", text)


def clean(text: str, limit: int = BODY_LIMIT) -> str:
    """A body of several lines, safe for terminal, browser, log and prompt; at most `limit` characters."""
    if _SUSPECT.search(text):
        text = _scrub(text)
    text = _BLANKS.sub("\n\n\n", text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def clean_line(text: str, limit: int = LINE_LIMIT) -> str:
    """One line (a name, a title, a label): as `clean`, white space folded, no joiners but within emoji."""
    if _SUSPECT.search(text):
        text = _scrub(text[: limit * 8])
        text = "".join(c for i, c in enumerate(text) if c not in _JOINERS or _in_emoji(text, i))
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _in_emoji(text: str, at: int) -> bool:
    """True for the zero-width joiner inside an emoji sequence such as a family."""
    return (
        text[at] == "\u200d" and at + 1 < len(text) and at > 0 and text[at - 1] > "\u2000" and text[at + 1] > "\u2000"
    )


def _scrub(text: str) -> str:
    text = _SURROGATE.sub("\ufffd", text)
    text = _SEQUENCES.sub("\ufffd", text)
    text = _NEWLINES.sub("\n", text).replace("\t", "    ")
    text = _INVISIBLE.sub("", text)
    text = _CONTROL.sub(_picture, text)
    text = _JOINER_RUN.sub(r"\1", text)
    text = _LONE_JOINER.sub("", text)
    return _cap_marks(text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0x0A:
        return "\n"
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def _cap_marks(text: str) -> str:
    """At most `_MARKS` combining marks after a base character, none at the start of a line."""
    if text.isascii() or not any(unicodedata.category(c)[0] == "M" for c in text):
        return text
    kept: list[str] = []
    marks = _MARKS
    for c in text:
        if unicodedata.category(c)[0] == "M":
            marks += 1
            if marks > _MARKS:
                continue
        else:
            marks = _MARKS if c == "\n" else 0
        kept.append(c)
    return "".join(kept)


def _as_body(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _as_line(value: object) -> object:
    return clean_line(value) if isinstance(value, str) else value


Body = Annotated[str, BeforeValidator(_as_body)]
"""A pydantic field of several lines that is clean by construction."""

Line = Annotated[str, BeforeValidator(_as_line)]
"""A pydantic field of one line that is clean by construction."""
