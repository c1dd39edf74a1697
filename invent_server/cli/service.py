"""`invent service`: the server as a service that starts at boot: systemd on Linux, launchd on macOS."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

System = Annotated[bool, typer.Option("--system", help="For the whole machine, as its own user (needs root).")]
Print = Annotated[bool, typer.Option("--print", help="Only show the files that would be written.")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(name="service", help="Start the server at boot.", no_args_is_help=True, rich_markup_mode=None)
    group.command("install")(install)
    group.command("uninstall")(uninstall)
    group.command("status")(status)
    app.add_typer(group)


def install(
    system: System = False,
    show: Print = False,
    user: Annotated[
        str | None, typer.Option(help="With --system: who runs it; default: the owner of the data.")
    ] = None,
) -> None:
    """Write the service, start it, and start it at every boot from now on."""
    from invent_server.cli import units
    from invent_server.cli.api import load_settings
    from invent_server.cli.output import Failed, note
    from invent_server.lock import live_server

    settings = load_settings()
    unit = units.unit(settings.data_dir, system=system, user=user)
    if show:
        for path, text in unit.files:
            print(f"# {path}\n{text}")
        return
    missing = _missing(system)
    if missing:
        raise Failed(f"{missing}; run `invent serve` by what starts programs here (invent service install --print)")
    if live_server(settings.data_dir):
        raise Failed("a server runs on this data directory already: stop it, then install the service")
    for path, text in unit.files:
        try:
            units.write(path, text, keep=path == unit.environment)
        except OSError as error:
            remedy = "; run it with sudo" if system and isinstance(error, PermissionError) else ""
            raise Failed(f"{path} cannot be written: {error.strerror}{remedy}") from None
    for command in unit.start:
        _run(command)
    print(f"{unit.name} runs, and starts at boot: {unit.files[0][0]}")
    print(f"its settings: {unit.environment}")
    if unit.hint:
        note(unit.hint)


def uninstall(system: System = False) -> None:
    """Stop the service and remove it. The data directory stays as it is."""
    from invent_server.cli import units
    from invent_server.cli.api import load_settings
    from invent_server.cli.output import Failed

    unit = units.unit(load_settings().data_dir, system=system, user=None)
    path = unit.files[0][0]
    if not path.exists():
        raise Failed(f"there is no such service: {path} does not exist")
    if not _missing(system):
        for command in unit.stop:
            _run(command, check=False)
    try:
        path.unlink()
    except OSError as error:
        raise Failed(f"{path} cannot be removed: {error.strerror}") from None
    if not _missing(system):
        for command in unit.forget:
            _run(command, check=False)
    print(f"{path} is removed; the data stays in {load_settings().data_dir}")


def status(system: System = False) -> None:
    """Is it installed, and does it run? Exit code 1 if not."""
    from invent_server.cli import units
    from invent_server.cli.api import load_settings
    from invent_server.cli.output import Failed
    from invent_server.lock import live_server

    settings = load_settings()
    unit = units.unit(settings.data_dir, system=system, user=None)
    if not unit.files[0][0].exists():
        raise Failed(f"not installed: {unit.files[0][0]} does not exist; invent service install")
    url = live_server(settings.data_dir)
    if url is None:
        raise Failed(f"installed, but no server runs; {' '.join(unit.logs)} tells why")
    print(f"installed and running: {url}")


def _missing(system: bool) -> str:
    """What this machine lacks for a service; empty if nothing."""
    if sys.platform == "darwin":
        return ""
    if not shutil.which("systemctl"):
        return "systemd is not here"
    try:
        command = ("systemctl", *(() if system else ("--user",)), "is-system-running")
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return "systemd does not answer"
    if done.stdout.strip() in ("running", "degraded", "starting", "initializing", "maintenance"):
        return ""
    return f"systemd does not run here ({(done.stdout or done.stderr).strip().splitlines()[0][:200] or 'silent'})"


def _run(command: Sequence[str], check: bool = True) -> None:
    from invent_server.cli.output import Failed

    try:
        subprocess.run(command, capture_output=True, text=True, timeout=60, check=check)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip().splitlines()
        raise Failed(f"{' '.join(command)}: {reason[-1] if reason else error.returncode}") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise Failed(f"{' '.join(command)}: {error}") from None
