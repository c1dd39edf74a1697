"""Markdown -> passages."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invent_server.knowledge.chunk import MAX_WORDS, chunks, derive_id, plain, split

PAGE = """# Returns

You have 30 days to return what you bought, whatever the reason, as long as it is unused and in its own box, with us.

## How to do it

1. Ask for a label in your account, under the order that the article belongs to, and print it on plain paper.
2. Pack the article well and stick the label on the outside of the box where it can be read by a machine.

### From abroad

| Country | Days |
| --- | --- |
| France | 14 |
| Italy | 21 |

Outside these countries you pay for the way back yourself, and customs may ask you for a paper that we send by email.
"""


def test_sections_keep_their_path_and_the_title_is_not_repeated() -> None:
    found = split(PAGE, "Returns")
    assert [passage.heading for passage in found] == ["", "How to do it", "How to do it > From abroad"]
    assert found[1].text.startswith("1. Ask")
    assert "2. Pack" in found[1].text
    assert "| France | 14 |" in found[2].text


def test_a_section_of_a_few_words_joins_the_one_before() -> None:
    found = split("## Hours\n\nWe open at nine and close at five, Monday to Friday.\n\n## Phone\n\nCall 555 014.")
    assert len(found) == 1
    assert found[0].text.endswith("**Phone**\n\nCall 555 014.")


def test_long_text_is_cut_at_sentences_with_an_overlap() -> None:
    sentences = [f"Sentence number {n} has exactly eight words here." for n in range(40)]
    found = split(" ".join(sentences))
    assert all(len(passage.text.split()) <= MAX_WORDS for passage in found)
    for before, after in itertools.pairwise(found):
        assert after.text.split(". ")[0] in before.text
    assert all(any(sentence in passage.text for passage in found) for sentence in sentences)


def test_a_long_list_is_cut_between_items_and_a_table_keeps_its_head() -> None:
    items = "\n".join(f"- item {n} costs {n} euros and lasts {n} days" for n in range(40))
    rows = "\n".join(f"| plan {n} | {n} euros a month | {n} users at most |" for n in range(40))
    listed, tabled = split(items), split(f"| Plan | Price | Users |\n| --- | --- | --- |\n{rows}")
    assert len(listed) > 1
    assert all(line.startswith("- item") for passage in listed for line in passage.text.splitlines())
    assert len(tabled) > 1
    assert all(passage.text.startswith("| Plan | Price | Users |\n| ---") for passage in tabled)


def test_chunks_have_stable_ids_and_a_page_without_text_is_found_by_its_title() -> None:
    first, again = chunks("p", "s", "Returns", PAGE), chunks("p", "s", "Returns", PAGE)
    assert first == again
    assert first[0].id == derive_id("p", 0)
    assert [chunk.ordinal for chunk in first] == [0, 1, 2]
    assert [chunk.text for chunk in chunks("p", "s", "Only a title", "")] == ["Only a title"]
    with pytest.raises(ValueError, match="1 ids for 3"):
        chunks("p", "s", "Returns", PAGE, ids=["one"])


def test_plain_keeps_words_and_drops_marks() -> None:
    assert plain("**See** [our `terms`](https://x.example/a_b) <b>now</b>\n\n- one\n- two").split() == (
        ["See", "our", "terms", "now", "one", "two"]
    )


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=3000))
def test_any_text_splits(text: str) -> None:
    for passage in split(text, text[:10]):
        assert passage.text.strip()
