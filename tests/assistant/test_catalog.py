"""Texts for people exist in every language, and the compiled catalog is the written one."""

from __future__ import annotations

import pytest

from tests import catalogs

DOMAINS = ["server", "cli"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_text_is_translated(domain: str) -> None:
    catalog = catalogs.translated(domain)
    assert catalogs.missing(catalog) == []
    written = {entry.id for entry in catalog if entry.id}
    in_source = {entry.id for entry in catalogs.source(domain) if entry.id}
    assert in_source - written == set(), f"run `python -m tests.catalogs {domain}` and translate"
    assert written - in_source == set(), f"run `python -m tests.catalogs {domain}`: these are gone"


@pytest.mark.parametrize("domain", DOMAINS)
def test_placeholders_are_the_same(domain: str) -> None:
    for entry in catalogs.translated(domain):
        ids = entry.id if isinstance(entry.id, tuple) else (entry.id,)
        strings = entry.string if isinstance(entry.string, (list, tuple)) else (entry.string,)
        wanted = {name for text in ids for name in _names(str(text))}
        assert all(_names(str(text)) <= wanted for text in strings), entry.id


@pytest.mark.parametrize("domain", DOMAINS)
def test_compiled_catalog_is_up_to_date(domain: str) -> None:
    compiled = catalogs.po_file(domain).with_suffix(".mo").read_bytes()
    assert compiled == catalogs.compiled(catalogs.translated(domain)), f"run `python -m tests.catalogs {domain}`"


def _names(text: str) -> set[str]:
    return {part.split("}")[0] for part in text.split("{")[1:]}
