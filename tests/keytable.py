"""The table of keys in docs/agents.md, made from the keymap and the inbox's actions: `python -m tests.keytable`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from invent_tui.actions import BY_ID
from invent_tui.keymap import load

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "agents.md"
BEGIN, END = "<!-- keys: python -m tests.keytable -->", "<!-- end of keys -->"
TITLES = {
    "move": "Move",
    "panes": "Panes",
    "find": "Find",
    "chat": "In a chat",
    "instructions": "Instructions",
    "memory": "Memories",
    "write": "While you write",
    "help": "Help",
}


def table() -> str:
    """Every action with its keys, in the keymap's order and groups."""
    keys = load({})
    groups = tomllib.loads((ROOT / "config" / "keymap.toml").read_text("utf-8"))
    lines = ["| key | does |", "|---|---|"]
    for group, actions in groups.items():
        lines.append(f"| | **{TITLES[group]}** |")
        for name in actions:
            shown = " ".join(f"`{key}`" if key != "|" else "`\\|`" for key in keys[name])
            lines.append(f"| {shown} | {BY_ID[name].help} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
