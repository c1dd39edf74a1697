"""A file that somebody gives us -> title and Markdown. Bytes, name and contents are untrusted."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from invent_server.knowledge.html import HtmlError, read_html
from shared.text import clean, clean_line

MAX_BYTES = 10 * 1024 * 1024
"""A document of words that is larger is none that anybody wrote."""
FORMATS = {".md": "markdown", ".markdown": "markdown", ".txt": "text", ".html": "html", ".htm": "html"}
_TITLE_LIMIT = 120
_SNIFF = 65_536
_CONTROL_SHARE = 0.02
_KNOWN_BINARY = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a zip or Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{1,40})""", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"""^title:\s*["']?(.+?)["']?\s*$""", re.MULTILINE)
_HEADING = re.compile(r"^(?:#[ \t]+(.+?)[ \t#]*|([^\n]+)\n=+[ \t]*)$", re.MULTILINE)


class DocumentError(Exception):
    """Why a file cannot be taken in, in one line for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `title` is never empty."""

    title: str
    markdown: str


def read_document(raw: bytes, name: str) -> Document:
    """A file as a document. `name` tells its format. May take a second of a large page. Raises DocumentError."""
    kind = FORMATS.get(PurePath(name.replace("\\", "/")).suffix.lower())
    if kind is None:
        raise DocumentError(f"this kind of file is not supported; use {', '.join(sorted(FORMATS))}")
    if len(raw) > MAX_BYTES:
        raise DocumentError(f"the file has {len(raw) / 1_048_576:.1f} MB, at most {MAX_BYTES // 1_048_576} are read")
    if not raw.strip():
        raise DocumentError("the file is empty")
    text = _decoded(raw, kind)
    found = _READERS[kind](text)
    markdown = clean(found.markdown, MAX_BYTES).strip()
    if not markdown:
        raise DocumentError("the file holds no text")
    title = clean_line(found.title, _TITLE_LIMIT) or _from_name(name)
    return Document(title, markdown)


def _decoded(raw: bytes, kind: str) -> str:
    """The text of bytes: by BOM, by what a page says, as UTF-8, as UTF-16 without BOM, as Windows Latin."""
    for magic, what in _KNOWN_BINARY:
        if raw.startswith(magic):
            raise DocumentError(f"this is {what}, whatever its name says; use {', '.join(sorted(FORMATS))}")
    encoding = next((name for bom, name in _BOMS if raw.startswith(bom)), None)
    if encoding is None and b"\x00" in raw[:_SNIFF]:
        encoding = _wide(raw)
        if encoding is None:
            raise DocumentError("this is binary data, not text")
    if encoding is None and kind == "html" and (said := _CHARSET.search(raw[:4096])):
        encoding = _known(said[1].decode("ascii"))
    text = None
    for candidate in (encoding, "utf-8") if encoding else ("utf-8",):
        try:
            text = raw.decode(candidate)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    if text is None:
        text = raw.decode("cp1252", "replace")
    head = text[:_SNIFF]
    controls = sum(c < " " and c not in "\t\n\r\f\v" for c in head)
    if controls > _CONTROL_SHARE * len(head) + 2:
        raise DocumentError("this is binary data, not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _wide(raw: bytes) -> str | None:
    """UTF-16 without BOM: every other byte of Latin text is zero."""
    head = raw[:_SNIFF]
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[offset::2]
        if half and half.count(0) > 0.4 * len(half) and head[1 - offset :: 2].count(0) < 0.1 * len(half):
            return name
    return None


def _known(name: str) -> str | None:
    """A charset that a page names, when Python knows it as one of text."""
    try:
        info = codecs.lookup(name)
    except LookupError:
        return None
    # Browsers read what calls itself Latin-1 as Windows Latin.
    return "cp1252" if info.name in ("iso8859-1", "ascii") else info.name if info._is_text_encoding else None


def _markdown(text: str) -> Document:
    front = _FRONT_MATTER.match(text)
    title = ""
    if front:
        named = _FRONT_TITLE.search(front[1])
        title, text = (named[1] if named else ""), text[front.end() :]
    if not title and (heading := _HEADING.search(text)):
        title = heading[1] or heading[2]
    return Document(re.sub(r"[*_`]", "", title), text)


def _plain(text: str) -> Document:
    lines = text.strip().splitlines()
    first = lines[0].strip() if lines else ""
    alone = len(lines) > 1 and not lines[1].strip() and len(first) <= _TITLE_LIMIT
    return Document(first if alone else "", "\n".join(lines[1:]).strip() if alone and len(lines) > 2 else text)


def _page(text: str) -> Document:
    try:
        article = read_html(text)
    except HtmlError as error:
        raise DocumentError(str(error)) from None
    return Document(article.title, article.markdown)


def _from_name(name: str) -> str:
    stem = PurePath(name.replace("\\", "/")).stem
    return clean_line(re.sub(r"[-_]+", " ", stem), _TITLE_LIMIT).capitalize() or "Untitled"


_READERS: dict[str, Callable[[str], Document]] = {"markdown": _markdown, "text": _plain, "html": _page}
