"""`invent doctor` and `invent migrate`: the data directory itself."""

from __future__ import annotations

from typing import Annotated

import typer

from invent_server.cli.commands import Json, Server

COLOURS = {"ok": "32", "note": "33", "wrong": "1;31"}


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
    app.command("migrate")(migrate)


def doctor(server: Server = None, as_json: Json = False) -> None:
    """Check this installation: what is wrong, and the command that mends it. Exit code 1 if something is."""
    from invent_server.cli import output
    from invent_server.cli.checks import WRONG, check

    found = check(server)
    if as_json:
        output.items([one._asdict() for one in found])
    else:
        for one in found:
            print(output.styled(one.state, COLOURS[one.state]) + " " * (6 - len(one.state)), end="")
            output.say(f"{one.name}: {one.text}" + (f"\n      {one.remedy}" if one.remedy else ""))
    wrong = sum(one.state == WRONG for one in found)
    if wrong:
        raise output.Failed(f"{output.count(wrong, 'thing is', 'things are')} wrong")


def migrate(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Bring the database to this version. The server must be stopped; a copy of an SQLite file is kept."""
    from invent_server.cli import output
    from invent_server.cli.api import load_settings
    from invent_server.lock import DirectoryLock, StartError
    from invent_server.store.errors import StoreError

    settings = load_settings()
    try:
        with DirectoryLock(settings.data_dir):
            from invent_server.store import migrate as store

            before = store.ensure(settings)
    except (StartError, StoreError) as error:
        raise output.Failed(str(error)) from None
    if as_json:
        output.as_json({"before": before, "now": store.HEAD})
    elif before == store.HEAD:
        print(f"the database is at {store.HEAD} already")
    else:
        print(f"the database is at {store.HEAD} now" + (f"; it was at {before}" if before else "; it was empty"))
