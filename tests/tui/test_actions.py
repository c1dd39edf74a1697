"""The action table: every key means one thing in one place and arrives on every plain terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from invent_tui import bindings, keymap
from invent_tui.actions import ACTIONS, BY_ID, EVERY, INBOX, TEACH, TYPED, Situation, hints, in_context, keys_in
from invent_tui.screens.doing import Doing
from invent_tui.screens.instructions import InstructionsScreen

KEYS = keymap.load({})
BYTES = {
    "enter": b"\r",
    "escape": b"\x1b",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "space": b" ",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "alt+enter": b"\x1b\r",
    "f1": b"\x1bOP",
    "f2": b"\x1bOQ",
    "f3": b"\x1bOR",
    "f4": b"\x1bOS",
    "f5": b"\x1b[15~",
    "f6": b"\x1b[17~",
    "f7": b"\x1b[18~",
    "f8": b"\x1b[19~",
}
"""What plain terminals send."""


def parsed(raw: bytes) -> list[str]:
    """The keys that Textual makes of bytes."""
    parser = XTermParser(debug=False)
    found = [*parser.feed(raw.decode()), *parser.feed("")]
    return [event.key for event in found if isinstance(event, Key)]


def test_every_action_has_key_label_help_and_a_hand() -> None:
    assert set(KEYS) == set(BY_ID)
    for action in ACTIONS:
        assert KEYS[action.id], action.id
        assert action.label
        assert action.help
        assert action.contexts
        for hand, contexts in ((Doing, INBOX), (InstructionsScreen, TEACH)):
            if set(action.contexts) & set(contexts):
                assert callable(getattr(hand, f"do_{action.id}"))


@pytest.mark.parametrize("context", EVERY)
def test_a_key_has_one_meaning_in_a_context(context: str) -> None:
    seen: dict[str, str] = {}
    for action in in_context(context):  # type: ignore[arg-type]
        for key in keys_in(action, context, KEYS):  # type: ignore[arg-type]
            assert key not in seen, f"{key} is {seen[key]} and {action.id} in {context}"
            seen[key] = action.id


def test_no_key_is_swallowed_on_the_way() -> None:
    for action, keys in KEYS.items():
        for key in keys:
            assert keymap.problem(key) is None, f"{action}: {key}"


def test_keys_that_lie_are_known() -> None:
    for key in ("ctrl+i", "ctrl+m", "ctrl+h", "ctrl+b", "ctrl+a", "ctrl+s", "ctrl+q", "´", "@", "[", "|", "~"):
        assert keymap.problem(key) is not None, key


def test_every_key_comes_out_of_its_bytes() -> None:
    for action, keys in KEYS.items():
        for key in keys:
            if len(key) == 1:
                raw, expected = key.encode(), {"?": "question_mark", "/": "slash"}.get(key, key)
            elif key.startswith("ctrl+") and len(key) == 6:
                raw, expected = bytes([ord(key[-1]) & 0x1F]), key
            else:
                raw, expected = BYTES[key], key
            assert parsed(raw) == [expected], f"{action}: {key}"


def test_where_one_types_no_letter_is_a_command() -> None:
    for context in TYPED:
        for action in in_context(context):
            assert all(len(key) > 1 for key in keys_in(action, context, KEYS))
            assert keys_in(action, context, KEYS), f"{action.id} has no key in {context}"


def test_the_footer_names_at_most_six_and_always_help() -> None:
    for context in EVERY:
        for situation in (Situation(), Situation(chat=True, mine=True, text=True, draft=True), Situation(chat=True)):
            shown = hints(context, situation)
            assert len(shown) <= 6
            assert shown[-1].id == "help"
            assert all(action.possible(situation) for action in shown)


def test_what_cannot_be_done_says_why() -> None:
    assert BY_ID["reply"].why_not(Situation()) == "There is no conversation here"
    assert BY_ID["reply"].why_not(Situation(chat=True, closed=True)) == "This conversation is closed"
    assert BY_ID["reopen"].why_not(Situation(chat=True)) == "This conversation is open"
    assert BY_ID["editor"].why_not(Situation(remote=True)) == "No editor over this connection"
    assert BY_ID["send"].why_not(Situation(chat=True)) is not None
    assert BY_ID["send"].possible(Situation(chat=True, text=True))


def test_keys_can_be_changed_by_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[chat]\nreply = ["R", "f5"]\nsend_again = "x"\n', "utf-8")
    changed = keymap.load({"INVENT_KEYMAP": str(file)})
    assert changed["reply"] == ("R", "f5")
    assert bindings.changes(changed)["list.reply"] == "R,f5"
    assert "list.resolve" not in bindings.changes(changed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[a]\nreply = ["ctrl+s"]', "may stop"),
        ('[a]\nreply = ["@"]', "AltGr"),
        ('[a]\nfly = ["x"]', "no action 'fly'"),
        ("[a]\nreply = []", "needs a key"),
        ("reply", "no readable TOML"),
        ("reply = 3", "with actions below"),
        ("[a]\nreply = 3", "takes keys"),
    ],
)
def test_a_bad_keymap_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(keymap.KeymapError, match=words):
        keymap.load({"INVENT_KEYMAP": str(file)})


def test_the_screen_loads_neither_the_client_nor_anything_of_the_server() -> None:
    program = "import sys, invent_tui.app; a = set(sys.modules); import invent_tui.client; print(*a, '|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, both = (set(part.split()) for part in done.stdout.split("|"))
    assert not {"aiohttp", "shared.models", "shared.events"} & first
    assert not {"sqlmodel", "sqlalchemy", "chromadb", "tantivy", "invent_server", "httpx"} & both
