"""The files of a service: what stands in them, and the commands that go with them. Only `write` touches the disk."""

from __future__ import annotations

import getpass
import os
import pwd
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from invent_server.cli.output import Failed

NAME = "invent"
LABEL = "org.invent.server"
ELSEWHERE = ("INVENT_TOKEN", "INVENT_SERVER", "INVENT_DATA_DIR")
"""What the service does not take over from the shell that installs it, as it does all other INVENT_ settings."""

UNIT = """\
[Unit]
Description=Invent, customer support
Documentation=file://{docs}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={command}
{user}Environment={data}
EnvironmentFile=-{environment}
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
{hard}
[Install]
WantedBy={target}
"""
# What only the machine's own systemd may do: a user's has no right to make namespaces of its own everywhere.
HARD = """\
ProtectSystem=strict
ReadWritePaths={folder}
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
CapabilityBoundingSet=
SystemCallFilter=@system-service
"""
PLIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>{label}</string>
  <key>ProgramArguments</key>
  <array>
{arguments}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
{variables}
  </dict>
{user}  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>Umask</key><integer>63</integer>
  <key>StandardErrorPath</key><string>{log}</string>
</dict>
</plist>
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service. `files`: the unit itself first; `environment`: the file with its settings."""

    name: str
    files: tuple[tuple[Path, str], ...]
    environment: Path
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    forget: tuple[tuple[str, ...], ...]
    logs: tuple[str, ...]
    hint: str = ""


def unit(folder: Path, *, system: bool, user: str | None, platform: str | None = None) -> Unit:
    """The service for this interpreter and data directory. Raises Failed for a user that does not exist."""
    settings = {name: value for name, value in sorted(os.environ.items()) if _kept(name)}
    command = (sys.executable, "-P", "-m", "invent_server.cli.main", "serve")
    if (platform or sys.platform) == "darwin":
        return _launchd(folder, command, settings, system, _owner(folder, user) if system else None)
    return _systemd(folder, command, settings, system, _owner(folder, user) if system else None)


def _kept(name: str) -> bool:
    return name == "OLLAMA_HOST" or (name.startswith("INVENT_") and name not in ELSEWHERE)


def _owner(folder: Path, user: str | None) -> str:
    """Who runs a system's service: the one that is named, else whose data it is."""
    if user is not None:
        try:
            return pwd.getpwnam(user).pw_name
        except KeyError:
            raise Failed(f"there is no user {user!r} here; make one with: useradd --system {user}") from None
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        return pwd.getpwuid(there.stat().st_uid).pw_name
    except KeyError:
        return getpass.getuser()


def _systemd(
    folder: Path, command: tuple[str, ...], settings: Mapping[str, str], system: bool, user: str | None
) -> Unit:
    file = f"{NAME}.service"
    base = Path("/etc/systemd/system") if system else _config() / "systemd" / "user"
    environment = folder / "service.env"
    run = ("systemctl",) if system else ("systemctl", "--user")
    home = "read-only" if _under_home(folder) or _under_home(Path(sys.prefix)) else "yes"
    text = UNIT.format(
        docs=_quoted(Path(__file__).resolve().parents[2] / "docs" / "operators.md"),
        command=" ".join(_word(part) for part in command),
        user=f"User={user}\n" if user else "",
        data=_word(f"INVENT_DATA_DIR={folder}"),
        environment=_quoted(environment),
        hard=HARD.format(folder=_word(str(folder)), home=home) if system else "",
        target="multi-user.target" if system else "default.target",
    )
    me = getpass.getuser()
    return Unit(
        name=file,
        files=((base / file, text), (environment, _settings(settings))),
        environment=environment,
        start=((*run, "daemon-reload"), (*run, "enable", "--now", file)),
        stop=((*run, "disable", "--now", file),),
        forget=((*run, "daemon-reload"),),
        logs=("journalctl", *(() if system else ("--user",)), "-u", file),
        hint="" if system else f"to keep it running while nobody is logged in: sudo loginctl enable-linger {me}",
    )


def _launchd(
    folder: Path, command: tuple[str, ...], settings: Mapping[str, str], system: bool, user: str | None
) -> Unit:
    base = Path("/Library/LaunchDaemons") if system else Path.home() / "Library" / "LaunchAgents"
    path = base / f"{LABEL}.plist"
    variables = {"INVENT_DATA_DIR": str(folder), **settings}
    log = folder / "server.log"
    text = PLIST.format(
        label=LABEL,
        arguments="\n".join(f"    <string>{escape(part)}</string>" for part in command),
        variables="\n".join(
            f"    <key>{escape(name)}</key><string>{escape(value)}</string>" for name, value in variables.items()
        ),
        user=f"  <key>UserName</key><string>{escape(user)}</string>\n" if user else "",
        log=escape(str(log)),
    )
    domain = "system" if system else f"gui/{os.getuid()}"
    return Unit(
        name=LABEL,
        files=((path, text),),
        environment=path,
        start=(("launchctl", "bootstrap", domain, str(path)),),
        stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        forget=(),
        logs=("tail", str(log)),
    )


def write(path: Path, text: str, keep: bool) -> None:
    """Write a file of the service; `keep`: one that is there stays as somebody has made it. Raises OSError."""
    if keep and path.exists() and path.suffix == ".env":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o600 if path.suffix == ".env" else 0o644)


def _settings(settings: Mapping[str, str]) -> str:
    head = "# Settings of the service, one NAME=value a line (config/defaults.toml lists them); then restart it.\n"
    return head + "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def _config() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _under_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in ("/home", "/root", "/run/user"))


def _quoted(path: Path) -> str:
    """A path on a line of its own: `%` begins a specifier there."""
    return str(path).replace("%", "%%")


def _word(text: str) -> str:
    """One word of a systemd line, whatever stands in it."""
    text = text.replace("%", "%%").replace("$", "$$") if text.startswith("/") else text.replace("%", "%%")
    safe = all(letter.isalnum() or letter in "/._-=%+:,@~" for letter in text)
    return text if safe else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
