"""What belongs to the machine. Flag > environment > INVENT_CONFIG > DATA_DIR/config.toml > config/defaults.toml.

What belongs to the business (assistants, inboxes, modes) lives in the database and is changed over the API.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.clock import seconds

PREFIX = "INVENT_"
_NAMED = {
    "INVENT_DATABASE_URL": ("database", "url"),
    "INVENT_HOST": ("http", "host"),
    "INVENT_PORT": ("http", "port"),
    "INVENT_SSH_PORT": ("ssh", "port"),
    "INVENT_PUBLIC_URL": ("http", "public_url"),
    "INVENT_CHAT_MODEL": ("models", "chat"),
    "INVENT_EMBED_MODEL": ("models", "embed"),
    "INVENT_ONNX_DIR": ("index", "onnx"),
    "INVENT_CHROMA_URL": ("index", "chroma"),
    "OLLAMA_HOST": ("models", "host"),
}


class SettingsError(ValueError):
    """A setting that cannot be used: the message names it, where it stands, and the remedy."""


class Rate(NamedTuple):
    """At most `limit` in any `period` seconds; limit 0 = none."""

    limit: int
    period: float


def _duration(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


def _rate(value: object) -> object:
    if isinstance(value, int):
        return Rate(value, 60.0)
    if isinstance(value, str):
        count, _, period = value.partition("/")
        if count.strip().isdigit():
            return Rate(int(count), seconds(period) if period else 60.0)
        raise ValueError(f"{value!r} is no rate; write for example 30/1m, or 0 for no limit")
    return value


Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0)]
"""Seconds, written as a duration."""
RateOf = Annotated[Rate, BeforeValidator(_rate)]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(Section):
    host: str
    port: Port
    public_url: str
    trusted_proxies: tuple[str, ...]
    max_body: Positive
    max_upload: Positive
    drain: Duration


class Ssh(Section):
    port: Port
    host: str
    fork: bool
    sessions: Positive
    connections: Positive
    login: Duration
    keepalive: Duration
    idle: Duration


class Database(Section):
    url: str
    readers: Positive


class Index(Section):
    restart: Duration
    timeout: Duration
    onnx: str
    chroma: str


class Assistant(Section):
    deadline: Duration
    max_wait: Duration
    concurrency: Positive
    lease: Duration
    attempts: Positive


class Models(Section):
    host: str
    chat: str
    embed: str
    num_ctx: Annotated[int, Field(ge=2048)]
    num_predict: Annotated[int, Field(ge=32)]
    keep_alive: Duration
    connect: Duration
    probe: Duration
    first: Duration
    silence: Duration
    load: Duration
    parallel: Annotated[int, Field(ge=0)]
    queue: Positive
    breaker: Duration
    embed_wait: Duration
    minilm_url: str
    minilm_digest: str


class Delivery(Section):
    retry: tuple[Duration, ...]
    lease: Duration
    settle: Duration
    timeout: Duration
    concurrency: Positive


class Handoff(Section):
    drain: Duration
    away: Duration


class Stream(Section):
    retention: Duration
    poll: Duration
    queue: Positive
    queue_bytes: Positive


class Web(Section):
    session: Duration
    reopen: Duration
    max_file: Positive


class Limits(Section):
    visitor_messages: RateOf
    visitor_files: RateOf
    files_per_ip: RateOf
    sessions_per_ip: RateOf
    login: RateOf
    sockets_per_ip: Annotated[int, Field(ge=0)]


class Retention(Section):
    raw: Duration
    prompts: Duration
    receipts: Duration
    idempotency: Duration


class Log(Section):
    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")]
    json_: bool = Field(alias="json")


class Settings(Section):
    """All sections, and the data directory."""

    data_dir: Path
    http: Http
    ssh: Ssh
    database: Database
    index: Index
    assistant: Assistant
    models: Models
    delivery: Delivery
    handoff: Handoff
    stream: Stream
    web: Web
    limits: Limits
    retention: Retention
    log: Log


def data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """`INVENT_DATA_DIR`, or the platform's folder for a user's data."""
    env = os.environ if environ is None else environ
    if given := env.get("INVENT_DATA_DIR"):
        return Path(given).expanduser().absolute()
    home = Path(env.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "invent"
    return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "invent"


def load(flags: Mapping[str, Mapping[str, object]] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. `flags` holds what the command line gave. Raises SettingsError."""
    env = os.environ if environ is None else environ
    folder = data_dir(env)
    merged: dict[str, Any] = tomllib.loads(resources.files("config").joinpath("defaults.toml").read_text("utf-8"))
    origin: dict[tuple[str, str], str] = {}
    files = [folder / "config.toml"]
    if named := env.get("INVENT_CONFIG"):
        files.append(Path(named).expanduser())
        if not files[-1].is_file():
            raise SettingsError(f"INVENT_CONFIG names {named}, which is no file; create it or unset the variable")
    for file in files:
        if file.is_file():
            _merge(merged, _read(file), str(file), origin)
    _merge(merged, _from_environment(env, merged), "the environment", origin)
    for section, values in (flags or {}).items():
        for key, value in values.items():
            if value is not None:
                merged[section][key] = value
                origin[section, key] = "the command line"
    try:
        return Settings.model_validate({**merged, "data_dir": folder})
    except ValidationError as error:
        first = error.errors()[0]
        where = tuple(str(part) for part in first["loc"])
        place = origin.get((where[0], where[1]), "the defaults") if len(where) > 1 else "the defaults"
        problem = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"setting {'.'.join(where[:2])} (from {place}): {problem}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no readable TOML ({error}); mend that line") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None


def _merge(into: dict[str, Any], new: Mapping[str, Any], place: str, origin: dict[tuple[str, str], str]) -> None:
    for section, values in new.items():
        if section not in into or not isinstance(values, Mapping):
            raise SettingsError(f"{place}: unknown section {section!r}; known are {', '.join(into)}")
        for key, value in values.items():
            if key not in into[section]:
                known = ", ".join(into[section])
                raise SettingsError(f"{place}: unknown setting {section}.{key}; {section} takes {known}")
            into[section][key] = value
            origin[section, key] = place


def _from_environment(env: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, (section, key) in _NAMED.items():
        if env.get(name):
            found.setdefault(section, {})[key] = env[name]
    for name, value in env.items():
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        section, _, key = name[len(PREFIX) :].lower().partition("__")
        if section not in known or key not in known[section]:
            raise SettingsError(f"{name}: there is no setting {section}.{key}; see config/defaults.toml")
        default = known[section][key]
        found.setdefault(section, {})[key] = (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(default, list) else value
        )
    return found
