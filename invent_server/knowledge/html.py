"""An HTML page -> its article as Markdown. Everything in it is untrusted: only texts come out, never an attribute.

readability finds the article in a page full of furniture, but on help-like pages (lists, tables, questions and
answers) it loses whole sections; then the page's own body without its furniture is the better text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import lxml.html
from lxml.etree import ParserError
from lxml.html import HtmlElement
from readability import Document as Readability

_FURNITURE = {
    *("script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "video", "audio"),
    *("map", "form", "button", "input", "select", "textarea", "nav", "footer", "aside", "dialog", "menu", "head"),
    *("link", "meta"),
}
_FURNITURE_ROLES = {"navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alertdialog"}
_FURNITURE_NAME = re.compile(
    r"\b(?:cookie|consent|breadcrumb|newsletter|share|social|sidebar|related|comments?|pagination|skip-?link|menu|navbar)\b",
    re.IGNORECASE,
)
_ENOUGH = {True: 0.6, False: 0.1}
"""Share of the plain text's words that the article must hold to be believed: of what the page itself marks as its
main part, or of all of its body (where comments and teasers stand too)."""
_SHORT_PAGE = 400
_ENOUGH_OF_SHORT = 0.9
"""On a page of so few words every list and table that readability drops is a loss."""
_A_FEW = 20
_MAX_DEPTH = 200
_SPACE = re.compile(r"\s+")
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6, "summary": 3, "dt": 4}
_BLOCKS = {
    *("p", "div", "section", "article", "main", "header", "figure", "figcaption", "address", "center", "details"),
    *("dd", "dl", "body", "html", "fieldset"),
}
_MARKUP = re.compile(r"^(\s*)([#>+-]|\d+[.)])(?=\s)")


class HtmlError(Exception):
    """The page cannot be read, in one line."""


@dataclass(frozen=True, slots=True)
class Article:
    """Title (may be empty) and Markdown (may be empty: a page without text)."""

    title: str
    markdown: str


def read_html(text: str) -> Article:
    """The article of a page. Raises HtmlError."""
    try:
        tree = lxml.html.document_fromstring(text)
    except (ParserError, ValueError, AssertionError) as error:
        raise HtmlError(f"the page is no HTML that can be read ({_line(error)})") from None
    title = _title(tree)
    _strip(tree)
    body, marked = _body(tree)
    plain = to_markdown(body)
    article = _article(text)
    size = len(plain.split())
    if len(article.split()) < (_ENOUGH_OF_SHORT if size < _SHORT_PAGE else _ENOUGH[marked]) * size:
        article = plain
    return Article(title, article)


def _article(text: str) -> str:
    """What readability takes for the article; empty when it finds none or breaks."""
    try:
        summary = Readability(text).summary(html_partial=True)
        tree = lxml.html.fragment_fromstring(summary, create_parent="div")
    except Exception:
        # It raises whatever lxml and its own heuristics raise on broken pages; the plain body is there.
        return ""
    _strip(tree)
    return to_markdown(tree)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _title(tree: HtmlElement) -> str:
    """The page's heading, else its title without the site's name."""
    heads = [_SPACE.sub(" ", head.text_content()).strip() for head in tree.iter("h1")]
    titles = [_SPACE.sub(" ", element.text_content()).strip() for element in tree.iter("title")]
    if len([head for head in heads if head]) == 1:
        return next(head for head in heads if head)
    return re.split(r"\s+[|–—·»-]\s+", titles[0])[0] if titles and titles[0] else next(iter(heads), "")


def _strip(tree: HtmlElement) -> None:
    """Take out what no reader reads."""
    doomed = [element for element in tree.iter() if not isinstance(element.tag, str) or _furniture(element)]
    for element in doomed:
        if element.getparent() is not None:
            element.drop_tree()


def _furniture(element: HtmlElement) -> bool:
    if element.tag in _FURNITURE:
        return True
    if element.get("role") in _FURNITURE_ROLES or element.get("aria-hidden") == "true" or "hidden" in element.attrib:
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    return element.tag in ("div", "section", "ul", "ol") and bool(_FURNITURE_NAME.search(names.replace("_", " ")))


def _body(tree: HtmlElement) -> tuple[HtmlElement, bool]:
    """The element that holds the page's own text, and whether the page marks it so: main, else the body."""
    for path in (".//main", ".//*[@role='main']"):
        found = tree.find(path)
        if found is not None and len(found.text_content().split()) > _A_FEW:
            return found, True
    body = tree.find("body")
    return (body if body is not None else tree), False


def to_markdown(element: HtmlElement) -> str:
    """An element's text as Markdown: headings, lists, tables, code; links and emphasis only as their text."""
    writer = _Writer()
    writer.block(element, 0, 0)
    return writer.text()


class _Writer:
    """Collects blocks; a block is closed by an empty line, list items by a line end."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._run: list[str] = []

    def text(self) -> str:
        self.flush()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()

    def flush(self, prefix: str = "") -> None:
        """Close the paragraph that is being written."""
        words = _SPACE.sub(" ", "".join(self._run)).strip()
        self._run.clear()
        if words:
            self._lines += [prefix + (words if prefix else _MARKUP.sub(r"\1\\\2", words)), ""]

    def block(self, element: HtmlElement, depth: int, level: int) -> None:
        """Write an element and its children; `level` of nested lists."""
        tag = element.tag
        if depth > _MAX_DEPTH:
            self._run.append(element.text_content())
        elif tag in _HEADINGS:
            self.flush()
            self._run.append(element.text_content())
            self.flush("#" * _HEADINGS[tag] + " ")
        elif tag in ("ul", "ol"):
            self._list(element, depth, level)
        elif tag == "table":
            self._table(element, depth, level)
        elif tag == "pre":
            self.flush()
            code = element.text_content().strip("\n").replace("```", "'''")
            self._lines += ["```", *code.splitlines(), "```", ""]
        elif tag in ("br", "hr"):
            self.flush()
        else:
            separate = tag in _BLOCKS
            if separate:
                self.flush()
            self._children(element, depth, level)
            if separate:
                self.flush()

    def _children(self, element: HtmlElement, depth: int, level: int) -> None:
        self._run.append(element.text or "")
        for child in element:
            self.block(child, depth + 1, level)
            self._run.append(child.tail or "")

    def _list(self, element: HtmlElement, depth: int, level: int) -> None:
        self.flush()
        number = 0
        for item in element:
            number += 1
            inner = _Writer()
            inner._children(item, depth + 1, level + 1)
            lines = [line for line in inner.text().splitlines() if line.strip()]
            if not lines:
                continue
            mark = f"{number}. " if element.tag == "ol" else "- "
            self._lines.append(mark + lines[0].lstrip("# "))
            self._lines += [f"{' ' * len(mark)}{line}" for line in lines[1:]]
        self._lines.append("")

    def _table(self, element: HtmlElement, depth: int, level: int) -> None:
        """A table of data; one that only lays out the page (a single column, or blocks in its cells) is opened."""
        rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in element.iter("tr")]
        rows = [row for row in rows if row]
        width = max((len(row) for row in rows), default=0)
        laid_out = any(cell.find(".//table") is not None or cell.find(".//ul") is not None for r in rows for cell in r)
        if width < 2 or laid_out:
            self.flush()
            for row in rows:
                for cell in row:
                    self._children(cell, depth + 2, level)
                    self.flush()
            return
        self.flush()
        texts = [[_SPACE.sub(" ", cell.text_content()).strip().replace("|", "/") for cell in row] for row in rows]
        texts = [row + [""] * (width - len(row)) for row in texts]
        self._lines.append(f"| {' | '.join(texts[0])} |")
        self._lines.append("|" + " --- |" * width)
        self._lines += [f"| {' | '.join(row)} |" for row in texts[1:]]
        self._lines.append("")
