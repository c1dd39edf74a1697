"""Files of every kind, good and bad."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invent_server.knowledge.documents import MAX_BYTES, DocumentError, read_document

SPANISH = "Título\n\nEl envío tarda 3 días."
PAGE = """<html><head><title>Returns | Shop</title><meta charset="latin-1"></head><body><nav><a href="/">Home</a></nav>
<main><h1>Returns &amp; refunds</h1><p>You have <b>30 days</b>.</p><h2>How</h2>
<ol><li>Pack it<ul><li>tape</li></ul></li><li><p>Send it</p></li></ol>
<table><tr><th>Item</th><th>Days</th></tr><tr><td>Shoes</td><td>14</td></tr></table>
<dl><dt>Is it free?</dt><dd>Yes, <a href="javascript:alert(1)">always</a> in España.</dd></dl>
<details><summary>Do you pay?</summary><p>No.</p></details><script>alert(1)</script></main>
<footer>Legal</footer></body></html>"""


@pytest.mark.parametrize(
    "raw",
    [
        SPANISH.encode(),
        SPANISH.encode("utf-8-sig"),
        SPANISH.encode("utf-16"),
        SPANISH.encode("utf-16-le"),
        SPANISH.encode("cp1252"),
        SPANISH.replace("\n", "\r\n").encode(),
    ],
    ids=["utf-8", "bom", "utf-16", "utf-16 without bom", "latin", "windows lines"],
)
def test_encodings(raw: bytes) -> None:
    document = read_document(raw, "nota.txt")
    assert document.title == "Título"
    assert document.markdown == "El envío tarda 3 días."


def test_markdown_title_from_front_matter_heading_or_name() -> None:
    assert read_document(b'---\ntitle: "Hello *you*"\n---\nText', "a.md").title == "Hello you"
    assert read_document(b"# The heading #\n\nText", "a.markdown").title == "The heading"
    assert read_document(b"Text alone", "C:\\docs\\opening-hours_2.md").title == "Opening hours 2"


def test_html_gives_text_structure_and_nothing_else() -> None:
    document = read_document(PAGE.encode("cp1252"), "page.HTML")
    assert document.title == "Returns & refunds"
    for part in ("You have 30 days.", "## How", "1. Pack it", "   - tape", "2. Send it", "| Shoes | 14 |", "España"):
        assert part in document.markdown
    for part in ("alert", "javascript", "Home", "Legal", "<"):
        assert part not in document.markdown


def test_control_sequences_do_not_come_through() -> None:
    document = read_document("# A\u202eB\n\nred \x1b[31mtext\u200b\x07".encode(), "a.md")
    assert "\x1b" not in document.markdown
    assert "\u202e" not in document.title + document.markdown


@pytest.mark.parametrize(
    ("raw", "name", "problem"),
    [
        (b"", "a.md", "empty"),
        (b" \n\t", "a.txt", "empty"),
        (b"%PDF-1.7 ...", "a.md", "PDF"),
        (b"PK\x03\x04....", "a.txt", "zip"),
        (bytes(range(256)) * 20, "a.txt", "binary"),
        (b"\x00" * 100, "a.txt", "binary"),
        (b"text", "a.docx", "not supported"),
        (b"text", "", "not supported"),
        (b"<html><body></body></html>", "a.html", "no text"),
        (b"<script>x</script>", "a.html", "no text"),
        (b"x" * (MAX_BYTES + 1), "a.txt", "at most"),
    ],
)
def test_bad_files_give_one_clear_line(raw: bytes, name: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem) as caught:
        read_document(raw, name)
    assert "\n" not in str(caught.value)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(["a.md", "a.txt", "a.html"]))
def test_any_bytes_are_read_or_refused(raw: bytes, name: str) -> None:
    try:
        document = read_document(raw, name)
    except DocumentError:
        return
    assert document.title
    assert document.markdown


def test_deeply_nested_html_neither_crashes_nor_hangs() -> None:
    assert "end" in read_document(b"<div>" * 150 + b"the end" + b"</div>" * 150, "a.html").markdown
    with pytest.raises(DocumentError, match="no text"):
        read_document(b"<div>" * 50_000 + b"the end", "a.html")
