"""Texts for people. The language is passed explicitly: agents, customers and logs may each have another one.

Message ids are the English texts; catalogs are GNU gettext, one domain per program (`server`, `tui`, `cli`).
"""

from __future__ import annotations

import gettext
from functools import cache
from importlib import resources

LANGUAGES = ("en", "es")


def supported(language: str | None) -> str:
    """The nearest language with a catalog: `es-MX` -> `es`, unknown -> `en`."""
    short = (language or "").replace("_", "-").split("-")[0].lower()
    return short if short in LANGUAGES else "en"


class Texts:
    """The texts of one program in one language."""

    def __init__(self, domain: str, language: str | None) -> None:
        self.language = supported(language)
        self._catalog = _catalog(domain, self.language)

    def __call__(self, text: str, /, **values: object) -> str:
        """`text` translated, with `{name}` filled in."""
        found = self._catalog.gettext(text)
        return found.format(**values) if values else found

    def plural(self, one: str, many: str, count: int, /, **values: object) -> str:
        """`one` or `many` translated, after `count`, with `{count}` and others filled in."""
        return self._catalog.ngettext(one, many, count).format(count=count, **values)


@cache
def texts(domain: str, language: str | None) -> Texts:
    """The texts of `domain` in the nearest language; the same object each time."""
    return Texts(domain, language)


@cache
def _catalog(domain: str, language: str) -> gettext.NullTranslations:
    file = resources.files("config").joinpath("locale", language, "LC_MESSAGES", f"{domain}.mo")
    if not file.is_file():
        return gettext.NullTranslations()
    with file.open("rb") as stream:
        return gettext.GNUTranslations(stream)
