"""What every step of the setup works with: the API, the person, what the flags said, what is there already."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invent_server.cli.api import OWN
from invent_server.cli.portal import Portal
from invent_server.cli.setup.asking import Asker
from shared.i18n import Texts
from shared.settings import Settings

ASSISTANT = "/api/v1/assistants/default"
CHANNELS = "/api/v1/channels"


@dataclass(frozen=True, slots=True)
class Given:
    """The flags. None: not given."""

    language: str | None = None
    company: str | None = None
    timezone: str | None = None
    hours: str | None = None
    model: str | None = None
    mode: str | None = None
    files: tuple[Path, ...] = ()
    questions: tuple[str, ...] = ()
    website: str | None = None
    colleague: str | None = None
    role: str = "agent"
    key: str | None = None
    inbox: str | None = None


@dataclass(slots=True)
class Stage:
    """`summary` is what `--json` prints at the end."""

    portal: Portal
    asker: Asker
    given: Given
    settings: Settings
    me: dict[str, Any]
    assistant: dict[str, Any]
    inbox: dict[str, Any] | None
    """The inbox that is set up; made when the first of its settings is."""
    done: set[str]
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def tr(self) -> Texts:
        return self.asker.tr

    @property
    def inbox_name(self) -> str:
        return str(self.inbox["name"]) if self.inbox else self.given.inbox or "web"

    def setting(self, key: str) -> str:
        """A setting of the inbox, empty where it has none."""
        return str(self.inbox["settings"].get(key) or "") if self.inbox else ""

    def set_inbox(self, **settings: str) -> None:
        """Change settings of the inbox; the first time, make it. Raises Failed."""
        if self.inbox is None:
            body = {"kind": "web", "name": self.inbox_name, "settings": {"mode": "suggest", **settings}}
            self.inbox = self.portal.post(CHANNELS, body)
        else:
            self.inbox = self.portal.patch(f"{CHANNELS}/{self.inbox_name}", {"settings": settings})

    def set_assistant(self, **fields: str) -> None:
        self.assistant = self.portal.patch(ASSISTANT, fields)

    @property
    def address(self) -> str:
        """What customers' browsers reach, as far as this machine knows."""
        if self.settings.http.public_url:
            return self.settings.http.public_url.rstrip("/")
        base = self.portal.api.base
        return base if base != OWN else f"http://{self.settings.http.host}:{self.settings.http.port}"
