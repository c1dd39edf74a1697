"""`invent agents key`: what is taken for a public key, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Invent, runner
from tests.cli.conftest import served as cli_served
from tests.support.ssh_client import make_key, needed

served = cli_served


@pytest.fixture
def invent(served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invent:
    needed("ssh-keygen")
    run = runner(served, monkeypatch, capsys)
    if not any(one["name"] == "ana" for one in run("agents", "list", "--json").json["items"]):
        run("agents", "add", "ana")
        run("agents", "add", "ben")
    return run


def test_add_list_and_remove(invent: Invent, tmp_path: Path) -> None:
    key = make_key(tmp_path, "one")
    fingerprint = invent("agents", "key", "ana", "add", f"{key.file}.pub").out.strip()
    assert fingerprint.startswith("SHA256:")
    assert invent("agents", "key", "ana", "add", "-", piped=key.public).out.strip() == fingerprint
    (listed,) = invent("agents", "key", "ana", "list", "--json").json["items"]
    assert (listed["fingerprint"], listed["type"], listed["comment"]) == (fingerprint, "ssh-ed25519", "one@test")
    assert fingerprint in invent("agents", "key", "ana", "list").out
    assert "belongs to the agent 'ana'" in invent("agents", "key", "ben", "add", "-", piped=key.public, code=1).err
    invent("agents", "key", "ben", "remove", fingerprint, code=1)
    invent("agents", "key", "ana", "remove", fingerprint)
    assert invent("agents", "key", "ana", "list", "--json").json["items"] == []
    invent("agents", "key", "ana", "remove", fingerprint, code=1)


@pytest.mark.parametrize("kind", [("rsa", "3072"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")])
def test_other_kinds(invent: Invent, tmp_path: Path, kind: tuple[str, str]) -> None:
    key = make_key(tmp_path, "-".join(kind), "-t", kind[0], "-b", kind[1])
    fingerprint = invent("agents", "key", "ben", "add", "-", piped="# mine\r\n" + key.public + "\n").out.strip()
    invent("agents", "key", "ben", "remove", fingerprint.removeprefix("SHA256:"))


GOOD = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x@y"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n", "private key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "private key"),
        ("", "no key in it"),
        ("# only a remark\n", "no key in it"),
        (GOOD + "\n" + GOOD + "\n", "2 lines"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAP1", "DSA"),
        ("ssh-xmss@openssh.com AAAA", "unknown type"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
        (f'command="id",no-pty {GOOD}', "options"),
        (f"restrict {GOOD}", "options"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0Sd", "damaged"),
        ("ssh-ed25519", "damaged"),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", "damaged"),
        ("ssh-ed25519 " + "A" * 20_000, "too long"),
        ("hello world", "no public key"),
        ("\x00\xff\x1b[2J", "no public key"),
    ],
)
def test_what_is_no_key(invent: Invent, text: str, said: str) -> None:
    refused = invent("agents", "key", "ana", "add", "-", piped=text, code=1)
    assert said in refused.err
    assert refused.err.count("\n") == 1
    assert "\x1b" not in refused.err


def test_short_rsa(invent: Invent, tmp_path: Path) -> None:
    key = make_key(tmp_path, "short", "-t", "rsa", "-b", "1024")
    assert "1024 bits, too few" in invent("agents", "key", "ana", "add", f"{key.file}.pub", code=1).err


def test_a_private_file_and_no_file(invent: Invent, tmp_path: Path) -> None:
    key = make_key(tmp_path, "two")
    assert "private key" in invent("agents", "key", "ana", "add", str(key.file), code=1).err
    assert "cannot be read" in invent("agents", "key", "ana", "add", str(tmp_path / "none.pub"), code=1).err
    assert "cannot be read" in invent("agents", "key", "ana", "add", str(tmp_path), code=1).err
    assert "no such agent" in invent("agents", "key", "nobody", "list", code=1).err


@pytest.mark.parametrize("words", [("add",), ("remove",), ("list", "x"), ("show",)])
def test_wrong_use(invent: Invent, words: tuple[str, ...]) -> None:
    invent("agents", "key", "ana", *words, code=2)
