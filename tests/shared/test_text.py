"""The one boundary for untrusted text, against the hostile set and anything else."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text import BODY_LIMIT, LINE_LIMIT, clean, clean_line, storable

SETS = Path(__file__).parent.parent / "bench" / "sets"
HOSTILE = [
    (one["id"], one["family"], one["text"] * one.get("repeat", 1))
    for one in json.loads((SETS / "hostile.json").read_text("utf-8"))
]
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


@pytest.mark.parametrize(("name", "family", "text"), HOSTILE, ids=[one[0] for one in HOSTILE])
def test_hostile_texts(name: str, family: str, text: str) -> None:
    body, line = clean(text), clean_line(text)
    for shown in (body, line):
        assert not FORBIDDEN.search(shown), repr(shown[:200])
    assert "\n" not in line
    assert len(body) <= BODY_LIMIT
    assert len(line) <= LINE_LIMIT
    if family == "benign":
        assert body == text


any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=200) | st.text(
    st.sampled_from("\x1b[]PX^_\\\x07\x9b\x9d\x9c0123;mAB\n\r\t \u0301\u200d\u200c👩\U000e0041é\ud800"), max_size=60
)


@given(any_text)
def test_nothing_passes_and_twice_is_once(text: str) -> None:
    body, line = clean(text), clean_line(text)
    assert not FORBIDDEN.search(body)
    assert not FORBIDDEN.search(line)
    assert clean(body) == body
    assert clean_line(line) == line
    body.encode()
    line.encode()


@given(any_text)
def test_marks_are_capped(text: str) -> None:
    run = 0
    for c in clean(text):
        run = run + 1 if unicodedata.category(c)[0] == "M" else 0
        assert run <= 4


@given(any_text)
def test_storable_changes_only_what_no_database_holds(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert "\x00" not in kept
    assert len(kept) == len(text)


def test_a_broken_cleaner_would_be_seen() -> None:
    """The control: with a cleaner that only drops ESC, the checks above fail."""
    naive = [text.replace("\x1b", "") for _, family, text in HOSTILE if family != "benign"]
    assert sum(bool(FORBIDDEN.search(text)) for text in naive) > 50


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]52;c;ZXZpbA==\x07b", "a\ufffdb"),
        ("a\x1b]0;title\x1b\\b", "a\ufffdb"),
        ("\x9b31mred", "\ufffdred"),
        ("a\tb", "a    b"),
        ("a\r\nb\u2028c\x85d", "a\nb\nc\nd"),
        ("pay\u202egnp.exe", "paygnp.exe"),
        ("bell\x07", "bell\u2407"),
        ("[/x] [@click=app.quit]go[/]", "[/x] [@click=app.quit]go[/]"),
    ],
)
def test_what_becomes_of_what(text: str, shown: str) -> None:
    assert clean(text) == shown
