"""The files of the hosted page: small, legible in both schemes, and parsing no markup."""

from __future__ import annotations

import gzip
import re
from importlib import resources

import pytest

from invent_server.routes.pages import ASSETS, WIDGET

FILES = resources.files("invent_server").joinpath("web")


def _sent(*names: str) -> int:
    return sum(len(gzip.compress(FILES.joinpath(name).read_bytes())) for name in names)


def test_launcher_and_page_are_small() -> None:
    assert _sent("widget.js") <= 6_000, "what every page of a site pays"
    assert _sent("chat.html", *ASSETS) <= 21_000, "texts in the page take up to 3 kB more"


def test_scripts_parse_no_markup() -> None:
    for name in (WIDGET, *ASSETS):
        text = FILES.joinpath(name).read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )
        assert "//cdn" not in text


COLOURS = re.compile(r"--([a-z-]+): (#[0-9a-f]{6})")
PAIRS = [
    *((front, back) for front in ("ink", "soft", "link", "bad") for back in ("ground", "panel")),
    *(("ink", "human"), ("link", "human"), ("on-accent", "accent"), ("on-own", "own"), ("soft", "line")),
]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_of_four_and_a_half(scheme: str) -> None:
    light, dark = (dict(COLOURS.findall(FILES.joinpath(f).read_text("utf-8"))) for f in ("chat.css", "dark.css"))
    assert light.keys() == dark.keys()
    colours = {"light": light, "dark": {**light, **dark}}[scheme]
    for front, back in PAIRS:
        bright, dim = sorted((_luminance(colours[front]), _luminance(colours[back])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (front, back)
