"""What comes in over the API -> an article to be taken in. Every refusal is one clear line."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from invent_server.knowledge.documents import DocumentError, read_document
from shared import commands as c


@dataclass(frozen=True, slots=True)
class Article:
    """A page to be taken in. `lang` None: identified from the text. `origin`: see tables.Source."""

    title: str
    text: str
    url: str | None = None
    lang: str | None = None
    kind: str = "text"
    origin: str | None = None


def article_of(body: c.PostSource) -> Article:
    """An article from title and text. Raises ValueError."""
    if not (body.title or "").strip() or not (body.text or "").strip():
        raise ValueError("a text needs title and text")
    return Article(body.title or "", body.text or "", body.url, body.lang, origin=body.origin)


def file_of(body: c.PostSource) -> Article:
    """An article from an uploaded file (base64 `data`, or `text`). May take a second. Raises ValueError."""
    try:
        raw = base64.b64decode(body.data or "", validate=True) if body.data is not None else (body.text or "").encode()
        document = read_document(raw, body.name or "")
    except (binascii.Error, DocumentError) as error:
        raise ValueError(f"{body.name or 'file'}: {error}") from None
    return Article(body.title or document.title, document.markdown, body.url, body.lang, "file", body.origin)
