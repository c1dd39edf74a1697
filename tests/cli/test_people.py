"""`invent customers`, `memory`, `agents` and `channels`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Invent, Talk

SECRET = "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="


def test_customers_are_found_by_id_and_by_exact_name(invent: Invent, talk: Talk) -> None:
    for who in (talk.customer, talk.name, talk.name.upper()):
        shown = invent("customers", "show", who, "--json").json
        assert shown["customer"]["id"] == talk.customer
        assert [one["id"] for one in shown["conversations"]] == [talk.id]
    assert talk.id in invent("customers", "show", talk.name).out
    assert "there is no customer" in invent("customers", "show", talk.name[:-1], code=1).err
    listed = invent("customers", "list", talk.name, "--json").json["items"]
    assert talk.customer in [one["id"] for one in listed]
    assert talk.name in invent("customers", "list").out


def test_two_customers_of_one_name_are_told_apart(invent: Invent, talk: Talk) -> None:
    for inbox in ("site", "site-two"):
        if inbox != "site":
            invent("channels", "add", "web", inbox)
        invent("chat", "--inbox", inbox, "--customer", "Alex Twin", "-m", "hola")
    assert "2 customers are called" in invent("customers", "show", "alex twin", code=1).err


def test_export_and_erase(invent: Invent, talk: Talk, tmp_path: Path) -> None:
    made = invent("customers", "export", talk.name).json
    assert made["tables"]["message"][0]["text"] == "What is a quokka?"
    out = tmp_path / "all.json"
    invent("customers", "export", talk.name, "-o", str(out))
    assert json.loads(out.read_text("utf-8"))["customer_id"] == talk.customer
    assert "--yes" in invent("customers", "erase", talk.name, code=1).err
    assert "nothing was erased" in invent("customers", "erase", talk.name, typed="somebody else\n", code=1).err
    invent("customers", "show", talk.customer)
    assert "erased" in invent("customers", "erase", talk.customer, typed=f"{talk.name}\n").out
    invent("customers", "show", talk.customer, code=1)
    invent("conversations", "show", talk.id, code=1)


def test_erase_without_asking(invent: Invent, talk: Talk) -> None:
    assert sum(invent("customers", "erase", talk.name, "--yes", "--json").json["rows"].values()) > 3


def test_memories(invent: Invent, talk: Talk) -> None:
    id_ = invent("memory", "add", talk.name, "Likes quokkas", "--type", "preference").id
    other = invent("memory", "add", talk.name, "Second", "--json").json
    assert other["type"] == "fact"
    assert "(pinned)" in invent("memory", "pin", talk.name, id_).out
    listed = invent("memory", "list", talk.name, "--json").json["items"]
    assert [one["text"] for one in listed] == ["Likes quokkas", "Second"], "pinned ones first"
    assert "Likes wombats" in invent("memory", "edit", talk.name, id_, "Likes wombats").out
    assert "goal: Likes wombats" in invent("memory", "edit", talk.name, id_, "--type", "goal").out
    assert invent("memory", "pin", talk.name, id_, "--off", "--json").json["pinned"] is False
    invent("memory", "edit", talk.name, id_, code=2)
    invent("memory", "add", talk.name, "x", "--type", "colour", code=1)
    invent("memory", "forget", talk.name, id_)
    assert id_ not in invent("memory", "list", talk.name).out
    invent("memory", "forget", talk.name, id_, code=1)


def test_agents(invent: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    added = invent("agents", "add", "olga", "--role", "manager", "--language", "es", "--timezone", "Europe/Madrid")
    token = added.out.strip()
    assert len(token) > 30, "the token stands alone on stdout"
    assert "not shown again" in added.err
    assert "olga\tmanager" in invent("agents", "list").out
    assert "is agent" in invent("agents", "role", "olga", "agent").out
    invent("agents", "role", "olga", "queen", code=1)
    invent("agents", "add", "olga", code=1)
    invent("agents", "add", "Not A Slug", code=1)
    with monkeypatch.context() as patch:
        patch.setenv("INVENT_TOKEN", token)
        invent("notices")
        assert "role admin" in invent("agents", "add", "eva", code=1).err
    assert invent("agents", "token", "olga").out.strip() != token
    invent("agents", "disable", "olga")
    with monkeypatch.context() as patch:
        patch.setenv("INVENT_TOKEN", token)
        assert "INVENT_TOKEN" in invent("notices", code=1).err
    assert "invent agents enable olga" in invent("agents", "token", "olga", code=1).err
    assert "invent agents token olga" in invent("agents", "enable", "olga").out
    with monkeypatch.context() as patch:
        patch.setenv("INVENT_TOKEN", token)
        invent("notices", code=1)
        patch.setenv("INVENT_TOKEN", invent_token(invent, patch))
        invent("notices")
    assert "no time zone" in invent("agents", "add", "eva", "--timezone", "Mars/Olympus", code=1).err


def invent_token(invent: Invent, patch: pytest.MonkeyPatch) -> str:
    """A new token for olga, made by the admin."""
    patch.delenv("INVENT_TOKEN")
    return invent("agents", "token", "olga").out.strip()


def test_hours_of_a_channel(invent: Invent) -> None:
    invent("channels", "add", "web", "shop", "--set", "hours=L-V 9 a 18", "--set", "timezone=Europe/Madrid")
    assert re.search(r"hours +mo-fr 9-18\n", invent("channels", "show", "shop").out)
    assert "'25'" in invent("channels", "configure", "shop", "--set", "hours=mo 9-25", code=1).err
    invent("channels", "configure", "shop", "--set", "hours=", "--set", "timezone=")
    assert "hours" not in invent("channels", "show", "shop").out


def test_channels(invent: Invent, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    settings = ("--set", f"webhook_secret=@{file}", "--set", "callback_url=https://x.example/in")
    made = invent("channels", "add", "api", "orders", *settings)
    assert "webhook_secret  (set)" in made.out
    assert SECRET not in made.out
    assert "/webhooks/api/orders" in invent("channels", "show", "orders").out
    piped = invent("channels", "configure", "orders", "--set", "callback_url=-", piped="https://y.example/\n")
    assert "https://y.example/" in piped.out
    assert invent("channels", "configure", "orders", "--set", "mode=suggest", "--json").json["mode"] == "suggest"
    assert "is off" in invent("channels", "disable", "orders").out
    assert "orders\tapi\tsuggest\toff" in invent("channels", "list").out
    assert "is on" in invent("channels", "enable", "orders").out
    invent("channels", "configure", "orders", code=2)
    invent("channels", "configure", "orders", "--set", "nothing", code=2)
    assert "no setting of api" in invent("channels", "configure", "orders", "--set", "colour=red", code=1).err
    assert "cannot be read" in invent("channels", "configure", "orders", "--set", "callback_url=@/no/file", code=1).err
    assert "there is no channel" in invent("channels", "show", "nope", code=1).err
    invent("channels", "add", "pigeon", "loft", code=1)
