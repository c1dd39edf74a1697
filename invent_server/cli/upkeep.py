"""`invent doctor` and `invent migrate`: the data directory itself."""

from __future__ import annotations

from typing import Annotated

import typer

from invent_server.cli.commands import Json, Server

MARKS = {"ok": ("✓", "32"), "note": ("!", "33"), "wrong": ("✗", "1;31")}


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
    app.command("migrate")(migrate)


def doctor(
    server: Server = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not measure the model.")] = False,
    as_json: Json = False,
) -> None:
    """Check this installation: what is wrong, and the command that mends it. Exit code 1 if something is."""
    from invent_server.cli import output
    from invent_server.cli.checks import check
    from invent_server.cli.finding import WRONG
    from shared.text import clean_line

    found = check(server, measure=not quick)
    if as_json:
        output.items([one._asdict() for one in found])
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            remedy = output.styled(f"  → {clean_line(one.remedy, 500)}", "2") if one.remedy else ""
            print(f"{output.styled(*MARKS[one.state])} {one.name:<{width}}  {clean_line(one.text, 1000)}{remedy}")
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
