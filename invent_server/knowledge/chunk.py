"""Markdown -> passages by structure: what is indexed, found and quoted.

A passage is one section, or part of one: headings are never crossed but by sections of a few words, lists and tables
stay whole while they fit, and the parts of a long section overlap so that no answer is cut in two.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from invent_server.knowledge.types import Chunk

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_WORDS = 110
MIN_WORDS = 25
OVERLAP_WORDS = 20

_SENTENCE = re.compile(r"(?<=[.!?…])[\"'»”)]*\s+(?=[^\s])")
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]{0,400}>", re.DOTALL)
_SPACE = re.compile(r"[ \t]+")
_PATH_SEPARATOR = " > "


@cache
def _parser() -> MarkdownIt:
    """Imported at the first article: a fifth of a second that no start of the server should pay."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": 20}).enable("table")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page: the path of its headings below the title, and its Markdown."""

    heading: str
    text: str


@dataclass(slots=True)
class _Block:
    """Units of one block may be parted from each other; `lead` (a table's head) is repeated in front of each part."""

    units: list[str]
    joint: str
    lead: str = ""

    @property
    def text(self) -> str:
        body = self.joint.join(self.units)
        return f"{self.lead}\n{body}" if self.lead else body


@dataclass(slots=True)
class _Section:
    path: tuple[str, ...]
    blocks: list[_Block]


def derive_id(page_id: str, ordinal: int) -> str:
    """The stable id of a page's passage: the same page and place give the same id."""
    return hashlib.blake2b(f"{page_id}\0{ordinal}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def chunks(
    page_id: str,
    source_id: str,
    title: str,
    markdown: str,
    url: str | None = None,
    lang: str = "",
    ids: list[str] | None = None,
) -> list[Chunk]:
    """A page as chunks in reading order. `lang` empty: the index identifies it. `ids` replaces the derived ids.

    A page without text still gives one chunk, so that its title can be found.
    """
    passages = split(markdown, title) or [Passage("", title)]
    names = ids or [derive_id(page_id, number) for number in range(len(passages))]
    if len(names) != len(passages):
        raise ValueError(f"{len(names)} ids for {len(passages)} passages of page {page_id}")
    return [
        Chunk(name, page_id, source_id, number, title, passage.heading, passage.text, url, lang)
        for number, (name, passage) in enumerate(zip(names, passages, strict=True))
    ]


def split(markdown: str, title: str = "") -> list[Passage]:
    """Passages of a text in reading order; a first heading that repeats `title` is left out of the paths."""
    found: list[Passage] = []
    for section in _merged(_sections(markdown, title)):
        heading = _PATH_SEPARATOR.join(section.path)
        found.extend(Passage(heading, text) for text in _pack(section.blocks))
    return found


def plain(markdown: str) -> str:
    """Markdown as words for an index: link targets, tags and marks go, texts stay."""
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)", r"\1", markdown)
    text = _TAG.sub(" ", text)
    return _SPACE.sub(" ", re.sub(r"[*_`#>|~]+|^\s*[-+]\s+|^\s*:?-{3,}:?\s*$", " ", text, flags=re.MULTILINE)).strip()


def _words(text: str) -> int:
    return len(text.split())


def _sections(markdown: str, title: str) -> list[_Section]:
    lines = markdown.splitlines()
    sections = [_Section((), [])]
    path: list[tuple[int, str]] = []
    tokens = _parser().parse(markdown)
    for number, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open":
            level, text = int(token.tag[1]), plain(tokens[number + 1].content)
            path = [part for part in path if part[0] < level]
            if not (len(sections) == 1 and not sections[0].blocks and _same(text, title)):
                path.append((level, text))
            sections.append(_Section(tuple(part[1] for part in path), []))
            continue
        source = "\n".join(lines[token.map[0] : token.map[1]]).strip("\n")
        if block := _block(tokens, number, token, source, lines):
            sections[-1].blocks.append(block)
    return [section for section in sections if section.blocks]


def _same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


def _block(tokens: list[Token], number: int, token: Token, source: str, lines: list[str]) -> _Block | None:
    if token.type in ("bullet_list_open", "ordered_list_open"):
        items = [
            "\n".join(lines[t.map[0] : t.map[1]]).rstrip()
            for t in tokens[number + 1 : _end(tokens, number)]
            if t.type == "list_item_open" and t.level == 1 and t.map
        ]
        return _Block([item for item in items if item.strip()], "\n")
    if token.type == "table_open":
        rows = source.splitlines()
        return _Block(rows[2:] or rows, "\n", "\n".join(rows[:2]) if rows[2:] else "")
    if token.type in ("hr", "html_block"):
        text = _TAG.sub(" ", source) if token.type == "html_block" else ""
        return _Block(_sentences(text), " ") if text.strip() else None
    if token.type in ("paragraph_open", "blockquote_open"):
        return _Block(_sentences(source), " ") if source.strip() else None
    return _Block(source.splitlines(), "\n") if source.strip() else None  # code


def _end(tokens: list[Token], start: int) -> int:
    level = tokens[start].level
    for number in range(start + 1, len(tokens)):
        if tokens[number].level == level and tokens[number].nesting == -1:
            return number
    return len(tokens)


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE.split(text.strip()) if part.strip()]


def _merged(sections: list[_Section]) -> list[_Section]:
    """Sections of a few words join the one before them under the headings that both share, their own kept as text."""
    found: list[_Section] = []
    for section in sections:
        size = sum(_words(block.text) for block in section.blocks)
        before = found[-1] if found else None
        if before is not None and size < MIN_WORDS:
            room = MAX_WORDS - sum(_words(block.text) for block in before.blocks)
            if size + 5 <= room:
                before.blocks += (
                    [_Block([f"**{section.path[-1]}**"], "\n"), *section.blocks] if section.path else (section.blocks)
                )
                continue
        found.append(section)
    return found


def _pack(blocks: list[_Block]) -> list[str]:
    """Texts of at most MAX_WORDS: whole blocks where they fit, else their units, with an overlap between the parts."""
    texts: list[str] = []
    parts: list[str] = []
    room = MAX_WORDS
    for block in blocks:
        size = _words(block.text)
        if size <= room:
            parts.append(block.text)
            room -= size
            continue
        if size <= MAX_WORDS and MAX_WORDS - room >= MAX_WORDS // 2:
            texts.append("\n\n".join(parts))
            tail = _tail(parts[-1]) if size <= MAX_WORDS - OVERLAP_WORDS else ""
            parts = [tail, block.text] if tail else [block.text]
            room = MAX_WORDS - _words(" ".join(parts))
            continue
        room = _pack_units(block, texts, parts, room)
    if parts:
        texts.append("\n\n".join(parts))
    return texts


def _pack_units(block: _Block, texts: list[str], parts: list[str], room: int) -> int:
    """Spread one block's units over several texts; what is left over stays in `parts`. Returns the room left."""
    held: list[str] = []
    fresh = False
    room -= _words(block.lead)

    def shown() -> str:
        body = block.joint.join(held)
        return f"{block.lead}\n{body}" if block.lead and held else body

    for unit in (piece for whole in block.units for piece in _cut(whole)):
        size = _words(unit)
        if size > room and (held or parts):
            texts.append("\n\n".join([*parts, shown()] if held else parts))
            last = held[-1] if held else parts[-1]
            tail = last if _words(last) <= OVERLAP_WORDS else _tail(last) if block.joint == " " else ""
            parts.clear()
            held = [tail] if tail else []
            room = MAX_WORDS - _words(block.lead) - _words(tail)
            fresh = False
        held.append(unit)
        fresh = True
        room -= size
    if held and fresh:
        parts.append(shown())
    return room


def _tail(text: str) -> str:
    """The end of a text as overlap: its last sentence when that is short enough, else nothing that would be cut."""
    last = _sentences(text.splitlines()[-1])[-1] if text.strip() else ""
    return last if 0 < _words(last) <= OVERLAP_WORDS else ""


def _cut(unit: str) -> list[str]:
    """A sentence or list item that is longer than a whole passage, cut between words."""
    words = unit.split(" ")
    if _words(unit) <= MAX_WORDS:
        return [unit]
    step = MAX_WORDS - OVERLAP_WORDS
    return [" ".join(words[start : start + step]) for start in range(0, len(words), step)]
