"""The filter language: what it takes, and that each mistake is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.filters import FilterError, Term, parse


@pytest.mark.parametrize(
    ("source", "terms"),
    [
        ("", ()),
        ("pedido roto", (Term("text", ("pedido",)), Term("text", ("roto",)))),
        ("is:waiting", (Term("is", ("waiting",)),)),
        ("-is:closed", (Term("is", ("closed",), True),)),
        ("channel:wa,mail", (Term("channel", ("whatsapp", "email")),)),
        ('customer:"Lucía Fernández"', (Term("customer", ("Lucía Fernández",)),)),
        ('"two words"', (Term("text", ("two words",)),)),
        ('-"two words"', (Term("text", ("two words",), True),)),
        ("older:2h", (Term("older", ("7200.0",)),)),
        ('tag:a,"b,c",d', (Term("tag", ("a", "b,c", "d")),)),
        ("4182", (Term("text", ("4182",)),)),
        ("a - b", (Term("text", ("a",)), Term("text", ("-",)), Term("text", ("b",)))),
    ],
)
def test_parse(source: str, terms: tuple[Term, ...]) -> None:
    assert parse(source) == terms


@pytest.mark.parametrize(
    ("source", "position"),
    [("foo:bar", 0), ("is:open foo:bar", 8), ("is:funny", 3), ("older:soon", 6), ('tag:"open', 4), ("is:", 3)],
)
def test_mistakes_have_a_place(source: str, position: int) -> None:
    with pytest.raises(FilterError) as error:
        parse(source)
    assert error.value.position == position


@given(st.text())
def test_never_anything_but_terms_or_a_filter_error(source: str) -> None:
    error: FilterError | None = None
    try:
        parse(source)
    except FilterError as found:
        error = found
    assert error is None or 0 <= error.position <= len(source)
