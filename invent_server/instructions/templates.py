"""What Invent brings: the sections of a company that has published none yet."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from shared.i18n import supported
from shared.instructions import Section, tidy
from shared.text import clean_line


def template(language: str, company: str) -> dict[Section, str]:
    """All sections in the nearest language that has a template."""
    name = clean_line(company) or _NOBODY[supported(language)]
    return {section: text.replace("{company}", name) for section, text in _template(supported(language)).items()}


_NOBODY = {"en": "the company", "es": "la empresa"}


@cache
def _template(language: str) -> dict[Section, str]:
    file = resources.files("config").joinpath("instructions", f"{language}.toml")
    return {name: text.strip() for name, text in tidy(tomllib.loads(file.read_text("utf-8"))).items()}
