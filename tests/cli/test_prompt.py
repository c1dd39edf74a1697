"""`invent prompt` as people and scripts use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Invent


def test_a_section_is_shown_edited_compared_published_and_rolled_back(invent: Invent, tmp_path: Path) -> None:
    before = invent("prompt", "show", "tone").out
    assert before.strip()
    text = tmp_path / "tone.txt"
    text.write_text("Kurz.\nWarm.\n")
    assert "saved in the draft" in invent("prompt", "edit", "tone", "--file", str(text)).out
    assert "unchanged" in invent("prompt", "edit", "tone", "--file", "-", piped="Kurz.\nWarm.\n").out
    assert invent("prompt", "show", "tone").out == "Kurz.\nWarm.\n"
    assert "+ Warm." in invent("prompt", "diff").out
    made = invent("prompt", "publish", "--note", "warmer", "--json").json
    assert made["changed"] == ["tone"]
    assert "the same" in invent("prompt", "diff").err
    found = invent("prompt", "history", "--json").json["items"]
    assert (found[0]["note"], found[0]["author"], found[-1]["version"]) == ("warmer", "admin", 0)
    assert "warmer" in invent("prompt", "history").out
    back = invent("prompt", "rollback", str(made["version"] - 1)).out
    assert f"version {made['version'] + 1} is in force" in back
    assert invent("prompt", "show", "tone").out == before
    assert "+ Kurz." in invent("prompt", "diff", "published", str(made["version"])).out
    assert (
        invent("prompt", "show", "--version", str(made["version"]), "--json").json["sections"]["tone"].startswith("K")
    )


def test_a_section_is_edited_in_an_editor(invent: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/^/Really:/")
    invent("prompt", "edit", "flow", typed="")
    assert invent("prompt", "show", "flow").out.startswith("Really:")


def test_wrong_use_is_one_line(invent: Invent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "false")
    assert "there are voice" in invent("prompt", "edit", "humour", "--file", "-", piped="x", code=1).err
    assert "cannot be read" in invent("prompt", "edit", "tone", "--file", str(tmp_path / "no"), code=1).err
    assert "--file" in invent("prompt", "edit", "tone", code=1).err
    assert "nothing was changed" in invent("prompt", "edit", "tone", typed="", code=1).err
    assert "4,000" in invent("prompt", "edit", "tone", "--file", "-", piped="x" * 5000, code=1).err
    assert "version 77" in invent("prompt", "rollback", "77", code=1).err
    invent("prompt", "publish")
    assert "nothing to publish" in invent("prompt", "publish", code=1).err
    assert "assistant 'nobody'" in invent("prompt", "show", "--assistant", "nobody", code=1).err
    assert invent("prompt", "rollback", "x", code=2).code == 2


def test_a_message_is_answered_anew_by_the_draft(invent: Invent) -> None:
    invent("channels", "add", "web", "promptsite")
    said = invent("chat", "--inbox", "promptsite", "-m", "hello", "--json").json
    rule = 'Greeting: "Ahoy, I am the automatic sailor."'
    invent("prompt", "edit", "voice", "--file", "-", piped=rule)
    shown = invent("prompt", "replay", said["conversation_id"]).out
    assert said["answer"] in shown
    assert "Ahoy" in shown
    counts = invent("prompt", "evaluate", "--last", "1", "--json").json
    assert (counts["total"], counts["reworded"]) == (1, 1)
    assert "Ahoy" not in invent("chat", "--inbox", "promptsite", "-m", "hello").out, "a draft reached a customer"
    invent("prompt", "publish")
    assert "Ahoy" in invent("chat", "--inbox", "promptsite", "-m", "hello").out
    old = invent("prompt", "replay", said["conversation_id"], "--version", "0", "--json").json
    assert old["new"]["text"] == said["answer"]
