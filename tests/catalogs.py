"""The texts for people, kept complete: `python -m tests.catalogs server` reads them out of the source,
brings config/locale/es/LC_MESSAGES/DOMAIN.po up to date and compiles it. Message ids are the English texts.

New entries appear untranslated in the .po; translate them there and run it again.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = "es"
KEYWORDS = {"tr": None, "_": None, "plural": (1, 2)}
DOMAINS = {
    "server": ("invent_server", "invent_server/cli"),
    "cli": ("invent_server/cli", ""),
    "tui": ("invent_tui", ""),
}
"""Domain -> folder with its source, and a folder in it that belongs to another domain."""


def po_file(domain: str) -> Path:
    return ROOT / "config" / "locale" / LANGUAGE / "LC_MESSAGES" / f"{domain}.po"


def source(domain: str) -> Catalog:
    """Every text that stands in the source of `domain`."""
    catalog = Catalog(project="invent", fuzzy=False)
    for file in _files(domain):
        for _, message, _, context in extract_from_file("python", file, keywords=KEYWORDS):
            catalog.add(message, locations=[(file.relative_to(ROOT).as_posix(), 1)], context=context)
    return catalog


def _files(domain: str) -> Iterator[Path]:
    folder, other = DOMAINS[domain]
    for file in sorted((ROOT / folder).rglob("*.py")):
        if not other or not file.is_relative_to(ROOT / other):
            yield file


def translated(domain: str) -> Catalog:
    """The catalog as it stands in the .po; an empty one when there is none."""
    file = po_file(domain)
    if not file.is_file():
        return Catalog(locale=LANGUAGE, project="invent", fuzzy=False)
    with file.open("rb") as stream:
        return read_po(stream, locale=LANGUAGE)


def compiled(catalog: Catalog) -> bytes:
    """The .mo of a catalog; no dates of today in it, so that the same texts give the same file."""
    catalog.creation_date = catalog.revision_date = datetime(2000, 1, 1, tzinfo=UTC)
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def update(domain: str) -> list[str]:
    """Bring .po and .mo of `domain` up to date; the texts that still want a translation."""
    catalog = translated(domain)
    catalog.update(source(domain), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    file = po_file(domain)
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    write_po(stream, catalog, width=100, no_location=True, omit_header=False, sort_output=True)
    file.write_bytes(_without_dates(stream.getvalue()))
    file.with_suffix(".mo").write_bytes(compiled(translated(domain)))
    return missing(catalog)


def missing(catalog: Catalog) -> list[str]:
    """Entries without a translation, or with one that nobody has confirmed."""
    return [str(entry.id) for entry in catalog if entry.id and (entry.fuzzy or not _full(entry.string))]


def _full(string: object) -> bool:
    return all(string) if isinstance(string, (list, tuple)) else bool(string)


def _without_dates(po: bytes) -> bytes:
    """No dates in the header: the same texts give the same file."""
    lines = [line for line in po.splitlines(keepends=True) if b"-Date:" not in line]
    return b"".join(line for line in lines if not line.startswith(b"#") or b"fuzzy" in line)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for text in update(name):
            print(f"{name}: no {LANGUAGE} text for {text!r}")
