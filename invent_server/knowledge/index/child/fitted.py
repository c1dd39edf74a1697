"""The fitted weights of config/assistant/evidence.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources


@cache
def table() -> dict[str, dict[str, float]]:
    """Section -> feature -> weight; `bias` is the constant."""
    return tomllib.loads(resources.files("config").joinpath("assistant/evidence.toml").read_text("utf-8"))
