"""`invent up`, `serve`, `tui`: starting things."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from invent_server.cli.output import Failed

SshPort = Annotated[int | None, typer.Option("--ssh-port", min=0, max=65535, help="The inbox over ssh; 0 = off.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="0 = a free one.")]


def add_to(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("serve")(serve)
    app.command("tui")(tui)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Port = None,
    ssh_port: SshPort = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo company into an empty directory.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Logs as JSON lines.")] = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Stop when this process is gone.")] = None,
) -> None:
    """Run the server, headless; logs go to stderr. SIGTERM drains and stops it."""
    import asyncio
    import gc

    from invent_server.cli.api import load_settings

    gc.disable()  # imports make no garbage, and looking for it takes a fifth of the start; see runtime.settle
    settings = load_settings(
        {"http": {"host": host, "port": port}, "ssh": {"port": ssh_port}, "log": {"json": True if log_json else None}}
    )
    from invent_server import logs, runtime
    from invent_server.demo import DemoError, load_demo
    from invent_server.routes.team import VERSION
    from invent_server.services import Services

    logs.set_up(settings.log)

    async def prepare(services: Services) -> None:
        if demo:
            await load_demo(services)

    def announce(url: str) -> None:
        print(f"Invent is ready: {url}", file=sys.stderr, flush=True)

    try:
        asyncio.run(runtime.serve(settings, VERSION, prepare, announce, parent))
    except (runtime.StartError, runtime.StoreError, DemoError) as error:
        raise Failed(str(error)) from None


def tui(
    server: Annotated[str | None, typer.Option(envvar="INVENT_SERVER", help="Address of the server.")] = None,
    token: Annotated[str | None, typer.Option(envvar="INVENT_TOKEN", help="Your token.")] = None,
) -> None:
    """Open the inbox."""
    from invent_server.cli.api import admin_token
    from shared.settings import data_dir

    if server is None:
        from invent_server.lock import live_server

        server = live_server(data_dir())
        if server is None:
            raise Failed("no server runs on this data directory; start one with `invent serve`, or use `invent up`")
    token = token or admin_token(data_dir())
    if token is None:
        raise Failed("no token; give yours with --token or INVENT_TOKEN")
    from invent_tui.app import run

    raise typer.Exit(run(server, token))


def up(
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="The demo company on an empty directory.")] = True,
    no_tui: Annotated[bool, typer.Option("--no-tui", help="Only the server.")] = False,
    port: Port = None,
) -> None:
    """Start everything: server and inbox in this terminal. Leaving the inbox stops both."""
    from invent_server.cli.api import admin_token, load_settings
    from shared.settings import data_dir

    folder = data_dir()
    screen = not no_tui and sys.stdin.isatty() and sys.stdout.isatty()
    if _may_be_live(folder):
        from invent_server.lock import live_server

        if url := live_server(folder):
            token = os.environ.get("INVENT_TOKEN") or admin_token(folder)
            if not screen:
                print(f"Invent runs already: {url}")
                return
            if token is None:
                raise Failed("no token; give yours with INVENT_TOKEN")
            from invent_tui.app import run

            raise typer.Exit(run(url, token))
    settings = load_settings({"http": {"port": port}})
    empty = not (folder / "invent.db").exists() and not settings.database.url
    if screen and empty and not demo:
        from invent_server.cli.setup import command as setup
        from invent_server.cli.setup.stage import Given

        setup.run(Given(), inbox=True)
    chosen = _port(settings.http.host, settings.http.port)
    with_demo = demo and empty
    command = [sys.executable, "-P", "-m", "invent_server.cli.main", "serve", "--port", str(chosen)]
    command += ["--demo"] if with_demo else []
    if not screen:
        os.execv(command[0], command)  # noqa: S606 - an argument list of our own
    command += ["--parent", str(os.getpid())]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    raise typer.Exit(_with_inbox(command, folder, settings.http.host, chosen))


def _may_be_live(folder: Path) -> bool:
    return (folder / "server.json").exists()


def _port(host: str, wanted: int) -> int:
    if wanted == 0:
        return 0
    import socket

    for port in range(wanted, min(wanted + 100, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        if port != wanted:
            print(f"Port {wanted} is in use; Invent takes {port}.", file=sys.stderr)
        return port
    raise Failed(f"no free port between {wanted} and {wanted + 100}; give one with --port")


def _with_inbox(command: list[str], folder: Path, host: str, port: int) -> int:
    """The server as a child, the inbox here; the inbox paints while the server still starts."""
    log = folder / "server.log"
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def wait_for() -> tuple[str, str]:
        """Blocks until the server is ready; its address and the admin's token. Raises Failed when it has ended."""
        import json

        while True:
            try:
                address = json.loads((folder / "server.json").read_text("utf-8"))
                if address["pid"] == child.pid:
                    return address["url"], (folder / "admin-token").read_text("utf-8").strip()
            except (OSError, ValueError, KeyError):
                pass
            if child.poll() is not None:
                raise Failed(f"the server stopped: {_last_line(log)}")
            time.sleep(0.02)

    from invent_tui.app import run

    try:
        return run(None, "", wait_for=wait_for)
    finally:
        child.terminate()
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _last_line(log: Path) -> str:
    from shared.text import clean_line

    lines = log.read_text("utf-8", "replace").splitlines()
    return clean_line(lines[-1].removeprefix("invent: ")) if lines else f"see {log}"
