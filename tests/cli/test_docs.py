"""What docs/ and the README say of commands and keys is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from invent_server.cli.main import app
from tests import keytable

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/agents.md", "docs/admins.md", "docs/operators.md", "docs/ssh.md", "docs/instructions.md")
_COMMAND = re.compile(r"\binvent ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?((?: [^`\n|]*)?)")


def test_the_table_of_keys_is_the_keymaps() -> None:
    text = keytable.PAGE.read_text("utf-8")
    assert keytable.page(text) == text, "run `python -m tests.keytable`"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_exists(page: str) -> None:
    root = typer.main.get_command(app)
    text = (ROOT / page).read_text("utf-8")
    code = "\n".join(re.findall(r"`([^`\n]+)`", text) + re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    code = re.sub(r"\s#.*|\\\n", "", code)
    named = [(found[1], found[2], found[3]) for found in _COMMAND.finditer(code)]
    assert named
    for noun, verb, rest in named:
        command = root.commands.get(noun)  # type: ignore[attr-defined]
        assert command is not None, f"invent {noun}"
        inner = getattr(command, "commands", None)
        if inner is not None and verb:
            assert verb in inner, f"invent {noun} {verb}"
            command = inner[verb]
        if inner is None or verb:
            known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
            for option in re.findall(r" (--[a-z-]+)", rest):
                assert option in known | {"--server"}, f"invent {noun} {verb or ''} {option}"
