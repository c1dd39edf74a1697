"""Fitting and wrapping: never wider than asked, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from invent_tui.cells import cell_len, fit, pad, plain, right, wrap
from shared.text import clean

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(clean)


@given(TEXTS, st.integers(2, 60))
def test_wrapped_lines_fit_and_keep_every_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(TEXTS.map(lambda text: text.replace("\n", " ")), st.integers(1, 60))
def test_fitted_text_has_the_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) <= width
    assert cell_len(pad(text, width)) == width
    assert cell_len(right(text, width)) == width


def test_words_break_at_spaces() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrap("a\n\nb", 5) == ["a", "", "b"]
    assert wrap("你好世界", 4) == ["你好", "世界"]


def test_the_marks_of_markdown_go_and_nothing_else() -> None:
    assert plain("**Madrid**: `4 €`\n## Plazos\n- 2 * 3 ** 4 [1]") == "Madrid: 4 €\nPlazos\n- 2 * 3 ** 4 [1]"
    assert plain("[ayuda](https://a.example/x) [2](no)") == "ayuda (https://a.example/x) [2](no)"
