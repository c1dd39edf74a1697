"""Steps about people: where customers write, and the first colleague."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from invent_server.cli.output import Failed
from invent_server.cli.setup.asking import Wrong
from invent_server.cli.setup.stage import Stage

AGENTS = "/api/v1/agents"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LARGEST = 65_536
"""Bytes of a file that are looked at for a key."""


def website(stage: Stage) -> bool:
    """The page on which the widget may stand; then the hosted link and the snippet."""
    tr = stage.tr

    def read(answer: str) -> str:
        parts = urlsplit(answer if "://" in answer else f"https://{answer}")
        if parts.scheme not in ("http", "https") or not parts.hostname or " " in answer:
            raise Wrong(tr("Write it like https://www.example.com."))
        return f"{parts.scheme}://{parts.netloc}".lower()

    if stage.given.website:
        origin: str | None = read(stage.given.website)
    else:
        old = stage.setting("allowed_origins") or None
        origin = stage.asker.ask(
            tr("On which website will the chat stand?"),
            old,
            read,
            tr("Such as https://www.example.com. Enter: later; the link below works without one."),
        )
    if origin or stage.inbox is None:
        stage.set_inbox(**({"allowed_origins": origin} if origin else {}))
    link, snippet = f"{stage.address}/chat/{stage.inbox_name}", snippet_of(stage.address, stage.inbox_name)
    stage.summary |= {"link": link, "snippet": snippet}
    stage.asker.say(tr("A page of its own:"), "dim")
    stage.asker.copied(link)
    stage.asker.say(tr("In the website's HTML, before </body>:"), "dim")
    stage.asker.copied(snippet)
    return origin is not None


def snippet_of(address: str, inbox: str) -> str:
    """The line that puts the widget on a page."""
    return f'<script async src="{address}/widget.js" data-inbox="{inbox}"></script>'


def colleague(stage: Stage) -> bool:
    """A name, and an ssh key if there is one. The token is shown this once."""
    tr = stage.tr
    known = {one["name"] for one in stage.portal.run(stage.portal.api.all(AGENTS))}

    def read(answer: str) -> str:
        name = answer.lower()
        if not _NAME.fullmatch(name):
            raise Wrong(tr("A name has small letters, digits, - or _, such as marta."))
        if name in known:
            raise Wrong(tr("{name} is in the team already.", name=name))
        return name

    if stage.given.colleague:
        name: str | None = read(stage.given.colleague)
    else:
        name = stage.asker.ask(
            tr("Who works with you? A short name for the first colleague."), None, read, tr("Enter: later.")
        )
    if name is None:
        stage.asker.later(tr("Later: invent agents add NAME"))
        return False
    body = {
        "name": name,
        "role": stage.given.role,
        "language": tr.language,
        "timezone": stage.setting("timezone") or "UTC",
    }
    made = stage.portal.post(AGENTS, body)
    stage.summary["colleague"] = {"name": name, "role": stage.given.role, "token": made["token"]}
    stage.asker.done(tr("{name} is in the team. The token, shown this once:", name=name))
    stage.asker.copied(made["token"])
    stage.asker.copied(f"invent tui --server {stage.address} --token …")
    _key(stage, name)
    return True


def _key(stage: Stage, name: str) -> None:
    """The public key with which the colleague opens the inbox over ssh."""
    tr = stage.tr
    later = f"invent agents key {name} add FILE"

    def read(answer: str) -> str:
        text = answer if answer.startswith(("ssh-", "ecdsa-", "sk-")) else _file(stage, answer)
        try:
            stage.portal.post(f"{AGENTS}/{name}/keys", {"key": text})
        except Failed as error:
            raise Wrong(str(error)) from None
        return text

    if stage.given.key:
        try:
            key: str | None = read(stage.given.key)
        except Wrong as error:
            raise Failed(str(error)) from None
    else:
        key = stage.asker.ask(
            tr("{name}'s public ssh key: the line itself, or its file.", name=name),
            None,
            read,
            tr("With it the inbox opens by ssh, without a password. Enter: later ({command}).", command=later),
        )
    if key is None:
        stage.asker.later(tr("Later: {command}", command=later))
        return
    stage.summary["colleague"]["key"] = True
    port = stage.me["ssh_port"] or stage.settings.ssh.port
    stage.asker.done(tr("{name} opens the inbox with:", name=name))
    stage.asker.copied(f"ssh -p {port} {name}@{urlsplit(stage.address).hostname}")


def _file(stage: Stage, answer: str) -> str:
    path = Path(answer).expanduser()
    try:
        with path.open("rb") as file:
            return file.read(LARGEST).decode("utf-8", "replace").strip()
    except OSError as error:
        raise Wrong(stage.tr("{path} cannot be read: {reason}", path=path, reason=error.strerror or error)) from None


def now(stage: Stage) -> str:
    """The team's names."""
    return ", ".join(one["name"] for one in stage.portal.run(stage.portal.api.all(AGENTS)) if not one["disabled"])
