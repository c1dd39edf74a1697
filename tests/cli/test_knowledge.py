"""`invent knowledge` and `reindex`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from invent_server.cli import adding
from invent_server.cli.output import Failed
from tests.cli.conftest import Invent


def test_a_folder_is_taken_in_and_the_bad_ones_are_named(invent: Invent, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "wombats.md").write_text("# Wombats\n\nWombats dig burrows at night.")
    (tmp_path / "deep" / "quolls.txt").write_text("Quolls are spotted and hunt alone.")
    (tmp_path / ".hidden.md").write_text("# Hidden\n\nNot for customers.")
    (tmp_path / "broken.bin").write_bytes(b"\x00\x01\x02")
    (tmp_path / "empty.md").write_text("")
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("# Café\n\nNumbats eat termites.")
    result = invent("knowledge", "add", str(tmp_path), str(tmp_path / "missing.md"), code=1)
    added = [line.split("\t")[1].rpartition("/")[2] for line in result.out.splitlines()]
    assert added == ["caf\ufffd.md", "wombats.md", "quolls.txt"]
    *lines, last = result.err.splitlines()
    assert "invent: 4 of 7 files could not be added" in last
    for name in ("broken.bin", "empty.md", "pipe.md", "missing.md"):
        assert sum(name in line for line in lines) == 1, (name, lines)
    assert "Hidden" not in invent("knowledge", "list").out
    found = invent("knowledge", "search", "what do quolls hunt?", "--json").json["items"]
    assert "spotted" in found[0]["text"]
    assert set(found[0]["scores"]) == {"dense", "lexical", "ngram"}


def test_add_says_it_in_json(invent: Invent, tmp_path: Path) -> None:
    file = tmp_path / "dingo.md"
    file.write_text("# Dingo\n\nDingoes howl.")
    (made,) = invent("knowledge", "add", str(file), "--lang", "en", "--json").json["items"]
    assert made["file"] == str(file)
    (page,) = invent("knowledge", "show", made["id"], "--json").json["items"]
    assert (page["status"], page["lang"]) == ("processed", "en")


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "large.md"
    with file.open("wb") as out:
        out.truncate(101)
    with pytest.raises(Failed, match="has 101 bytes; 100 are allowed"):
        adding._read(file, 100)


def test_long_names_keep_their_ending(tmp_path: Path) -> None:
    name = adding._name(tmp_path / ("x" * 400 + ".md"))
    assert len(name) == 300
    assert name.endswith("x.md")


def test_texts_from_arguments_and_from_a_pipe(invent: Invent) -> None:
    first = invent("knowledge", "add-text", "Emus", "Emus cannot walk backwards.", "--url", "https://x.example/emu").id
    second = invent("knowledge", "add-text", "Koalas", piped="Koalas sleep twenty hours.\n").id
    shown = invent("knowledge", "show", first).out
    assert "https://x.example/emu" in shown
    assert "cannot walk backwards" in shown
    listed = {one["id"]: one for one in invent("knowledge", "list", "--json").json["items"]}
    assert listed[second]["title"] == "Koalas"
    assert invent("knowledge", "search", "koalas", "-k", "1").out.startswith("1. Koalas")
    assert "1 page indexed" in invent("reindex", second).out
    page = invent("knowledge", "show", second, "--json").json["items"][0]["id"]
    assert invent("reindex", page, "--json").json["state"] == "done"
    assert invent("reindex").out == invent("reindex", "--all").out
    invent("reindex", page, "--all", code=2)
    invent("reindex", "nope", code=1)
    figures = invent("knowledge", "stats", "--json").json
    assert figures["pages"] == sum(figures["status"].values()) > 1
    assert "languages" in invent("knowledge", "stats").out
    invent("knowledge", "remove", first, second)
    assert first not in invent("knowledge", "list").out
    invent("knowledge", "remove", first, code=1)
    invent("knowledge", "add-text", "Nothing", "  ", code=1)
    assert "nothing found" in invent("knowledge", "search", "zzzzqqqq").err


def test_a_changed_file_replaces_what_was_read_before(invent: Invent, tmp_path: Path) -> None:
    """Nothing stale stays beside the new, and what has not changed is left as it is."""
    file = tmp_path / "quokka.md"
    file.write_text("# Quokka hours\n\nThe quokka house opens from 9 to 14.")
    (first,) = invent("knowledge", "add", str(file), "--json").json["items"]
    (again,) = invent("knowledge", "add", str(file), "--json").json["items"]
    assert again["id"] == first["id"]

    def hours() -> list[str]:
        found = invent("knowledge", "search", "when does the quokka house open?", "--json").json["items"]
        return [hit["text"] for hit in found if hit["title"] == "Quokka hours"]

    file.write_text("# Quokka hours\n\nThe quokka house opens from 10 to 20.")
    assert hours() == ["The quokka house opens from 9 to 14."]
    assert "1 page indexed" in invent("reindex", first["id"]).out
    assert hours() == ["The quokka house opens from 10 to 20."]
    file.write_text("# Quokka hours\n\nThe quokka house is closed.")
    invent("knowledge", "add", str(file))
    assert hours() == ["The quokka house is closed."]
    file.unlink()
    invent("reindex", first["id"])
    assert hours() == ["The quokka house is closed."]
