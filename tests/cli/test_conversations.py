"""`invent conversations`: the inbox without a screen."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, Invent, Talk, environment


def test_list_shows_who_waits(invent: Invent, talk: Talk) -> None:
    row = next(line for line in invent("conversations", "list", "is:waiting").out.splitlines() if talk.id in line)
    assert row.split("\t")[1] == "queue"
    assert talk.name in row
    ids = invent("conversations", "list", "is:waiting", "-q").out.split()
    assert talk.id in ids
    listed = invent("conversations", "list", f"customer:{talk.customer}", "--json").json
    assert [one["id"] for one in listed["items"]] == [talk.id]
    assert listed["next_cursor"] is None


def test_a_limit_is_said(invent: Invent, talk: Talk) -> None:
    invent("chat", "--inbox", "site", "--customer", "Another", "-m", "hola")
    result = invent("conversations", "list", "--limit", "1", "-q")
    assert len(result.out.split()) == 1
    assert "more than 1" in result.err


def test_a_wrong_filter_names_the_position(invent: Invent) -> None:
    assert "at position 0" in invent("conversations", "list", "colour:red", code=1).err


def test_the_whole_way_of_a_conversation(invent: Invent, talk: Talk) -> None:
    id_ = talk.id
    assert "take the conversation over" in invent("conversations", "reply", id_, "-m", "too soon", code=1).err
    assert invent("conversations", "take", id_, "--json").json["handler"] == "agent"
    invent("conversations", "reply", id_, "-m", "Hello, **a person** here")
    invent("conversations", "reply", id_, "-m", "-", piped="from a pipe\n")
    invent("conversations", "note", id_, "-m", "for colleagues")
    shown = invent("conversations", "show", id_).out
    assert "handler       admin" in shown
    assert "Hello, **a person** here" in shown
    assert "from a pipe" in shown
    assert "admin, note: for colleagues" in shown
    assert "put aside until" in invent("conversations", "snooze", id_, "2h").out
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert invent("conversations", "snooze", id_, tomorrow, "--json").json["status"] == "snoozed"
    assert "neither a duration" in invent("conversations", "snooze", id_, "soon", code=2).err
    assert "in the past" in invent("conversations", "snooze", id_, "2020-01-01T00:00:00Z", code=1).err
    assert "waits in the queue" in invent("conversations", "assign", id_, "none").out
    assert "is admin's" in invent("conversations", "assign", id_, "me").out
    invent("conversations", "assign", id_, "nobody-knows", code=1)
    assert invent("conversations", "resolve", id_, "--reason", "done", "--json").json["status"] == "closed"
    assert "is open" in invent("conversations", "reopen", id_).out
    assert "is the assistant's again" in invent("conversations", "handback", id_).out


def test_a_colleagues_conversation_is_taken_by_force_only(invent: Invent, talk: Talk) -> None:
    rita = invent("agents", "add", f"rita-{talk.name.split()[1]}", "--json").json
    invent("conversations", "assign", talk.id, rita["agent"]["name"])
    assert "taken" in invent("conversations", "take", talk.id, code=1).err
    invent("conversations", "take", talk.id, "--force")


def test_export_gives_a_line_for_each(invent: Invent, talk: Talk, tmp_path: Path) -> None:
    lines = invent("conversations", "export", f"customer:{talk.customer}").out.splitlines()
    assert len(lines) == 1
    made = json.loads(lines[0])
    assert made["conversation"]["id"] == talk.id
    assert made["messages"][0]["text"] == "What is a quokka?"
    out = tmp_path / "talks.jsonl"
    invent("conversations", "export", f"customer:{talk.customer}", "--out", str(out))
    assert out.read_text("utf-8").strip() == lines[0]
    assert out.stat().st_mode & 0o077 == 0
    invent("conversations", "export", "--out", str(tmp_path / "no" / "folder"), code=1)


@pytest.mark.parametrize("id_", ["nope", "..", " ", "a/b", "%2e%2e", "\udcff", "x" * 3000])
def test_an_unknown_id_is_one_line(invent: Invent, id_: str) -> None:
    result = invent("conversations", "show", id_, code=1)
    assert len(result.err.splitlines()) == 1


def test_follow_prints_what_comes(served: Path, invent: Invent, talk: Talk) -> None:
    command = [*COMMAND, "conversations", "show", talk.id, "--follow", "--json"]
    with subprocess.Popen(command, env=environment(served), stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        first = json.loads(follower.stdout.readline())
        assert (first["seq"], first["text"]) == (1, "What is a quokka?")
        invent("conversations", "take", talk.id)
        invent("conversations", "reply", talk.id, "-m", "followed")
        seqs = [1]
        while (message := json.loads(follower.stdout.readline()))["text"] != "followed":
            seqs.append(message["seq"])
        assert seqs == sorted(set(seqs))
        follower.terminate()
