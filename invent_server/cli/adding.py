"""Taking knowledge in, and indexing it again: `invent knowledge add`, `add-text`, `invent reindex`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json

if TYPE_CHECKING:
    from invent_server.cli.api import Api
    from invent_server.cli.progress import Bar

POLL, SLOWEST = 0.05, 1.0
"""Seconds between looks at a job: short at first, longer for long ones."""
MAX_ORIGIN = 2000
Tell = Callable[[Path, "dict[str, Any] | None", str], None]
"""Hears of a file that was taken in (its source), or was not (why)."""
Lang = Annotated[str | None, typer.Option(help="Language, such as en or es; default: recognised from the text.")]


async def add(
    api: Api,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files, or folders with all they hold.")],
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """Take in files; one that is known is read again. One that cannot be read is named, the others go on."""
    from invent_server.cli import output
    from invent_server.cli.progress import progress

    def tell(file: Path, source: dict[str, Any] | None, problem: str) -> None:
        if source is None:
            output.note(f"invent: {file}: {problem}")
        elif not as_json:
            print(f"{source['id']}\t{_shown(file)}", flush=True)

    files = [file for path in paths for file in files_of(path)]
    with progress("Adding") as bar:
        added, failed = await take_in(api, files, bar, lang, tell)
    if as_json:
        output.items(added)
    if failed:
        raise output.Failed(f"{len(failed)} of {output.count(len(files), 'file')} could not be added")
    if not files:
        raise output.Failed("there is no file in what was named")


async def take_in(
    api: Api, files: list[Path], bar: Bar, lang: str | None = None, tell: Tell | None = None
) -> tuple[list[dict[str, Any]], list[tuple[Path, str]]]:
    """Send files and wait until they can be asked: the sources, and the files that failed, with the reason.

    `tell` hears of each as it ends. Raises Failed when the server is not ready, or goes away.
    """
    from invent_server.cli.output import Failed, Unreachable

    await api.ready()
    limit = _limit()
    sent: list[tuple[Path, dict[str, Any]]] = []
    added: list[dict[str, Any]] = []
    failed: list[tuple[Path, str]] = []

    def fail(file: Path, error: Failed) -> None:
        if isinstance(error, Unreachable):
            raise error
        failed.append((file, str(error).removeprefix(f"{_name(file)}: ")))
        if tell:
            tell(file, None, failed[-1][1])

    for number, file in enumerate(files):
        bar(number, 2 * len(files))
        try:
            sent.append((file, await _upload(api, file, limit, lang)))
        except Failed as error:
            fail(file, error)
    # The server works on what it has while the rest is sent; then it is waited for.
    for number, (file, accepted) in enumerate(sent, len(files)):
        bar(number, 2 * len(files))
        try:
            await ended(api, accepted["job"])
        except Failed as error:
            fail(file, error)
            continue
        added.append({"file": _shown(file), **accepted})
        if tell:
            tell(file, added[-1], "")
    bar(2 * len(files), 2 * len(files))
    return added, failed


def _shown(file: Path) -> str:
    from shared.text import clean_line

    return clean_line(str(file), 2000)


def _limit() -> int:
    from invent_server.cli.api import load_settings

    return load_settings().http.max_upload


def files_of(path: Path) -> Iterator[Path]:
    """The file itself; of a folder every file in it, at any depth, by name, without hidden ones."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


async def _upload(api: Api, file: Path, limit: int, lang: str | None) -> dict[str, Any]:
    """Send one file; the source and its job. Raises Failed."""
    import asyncio
    import base64

    from shared.text import storable

    raw = await asyncio.to_thread(_read, file, limit)
    origin = storable(os.path.abspath(file))  # noqa: ASYNC240 - asks no disk
    body = {"kind": "file", "name": _name(file), "data": base64.b64encode(raw).decode()}
    if len(origin) <= MAX_ORIGIN:
        body["origin"] = origin
    accepted: dict[str, Any] = await api.post("/api/v1/knowledge/sources", {**body, **({"lang": lang} if lang else {})})
    return accepted


def _read(file: Path, limit: int) -> bytes:
    """The file's bytes. Raises Failed."""
    from invent_server.cli.output import Failed

    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Failed("is no ordinary file")
        if found.st_size > limit:
            raise Failed(f"has {found.st_size} bytes; {limit} are allowed (setting http.max_upload)")
        return file.read_bytes()
    except OSError as error:
        raise Failed(f"cannot be read: {error.strerror or error}") from None


def _name(file: Path) -> str:
    """The file's name as the API takes it: 300 characters at most, its ending kept; not every file name is UTF-8."""
    from shared.text import storable

    name = storable(file.name)
    return name if len(name) <= 300 else name[: 300 - len(file.suffix)] + file.suffix


async def ended(api: Api, job_id: str, bar: Any = None) -> dict[str, Any]:
    """Wait for a job; the job, done. Raises Failed with its reason."""
    import asyncio

    from invent_server.cli.output import Failed

    pause = POLL
    while True:
        job: dict[str, Any] = await api.get(f"/api/v1/jobs/{job_id}")
        if bar is not None:
            bar(job["done"], job["total"])
        if job["state"] == "done":
            return job
        if job["state"] not in ("queued", "running"):
            raise Failed(f"the job {job_id} is {job['state']}: {job['reason'] or 'no reason given'}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, SLOWEST)


async def add_text(
    api: Api,
    title: Annotated[str, typer.Argument(help="Title of the article.")],
    text: Annotated[str, typer.Argument(metavar="[TEXT|-]", help="Markdown; `-` (the default) reads it.")] = "-",
    url: Annotated[str | None, typer.Option(help="Where customers can read it.")] = None,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """Take in an article."""
    from invent_server.cli import output

    body = {"kind": "text", "title": title, "text": output.text_from(text), "url": url, "lang": lang}
    accepted = await api.post("/api/v1/knowledge/sources", {k: v for k, v in body.items() if v is not None})
    await ended(api, accepted["job"])
    if as_json:
        output.as_json(accepted)
    else:
        print(accepted["id"])


async def reindex(
    api: Api,
    id_: Annotated[str | None, typer.Argument(metavar="[PAGE-OR-SOURCE]", help="Only this page or source.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything: the default without an id.")] = False,
    as_json: Json = False,
) -> None:
    """Index again, and wait until it is done. A file that lies here is read again before."""
    from invent_server.cli import output
    from invent_server.cli.knowledge import page_ids
    from invent_server.cli.progress import progress

    if id_ is not None and everything:
        raise typer.BadParameter("takes no page or source", param_hint="--all")
    await api.ready()
    body: dict[str, str] = {}
    if id_ is not None:
        body = {"page": id_} if await page_ids(api, id_) == [id_] else {"source": id_}
    with progress("Reading") as bar:
        await _read_again(api, body.get("source"), bar)
    with progress("Indexing") as bar:
        job = await ended(api, (await api.post("/api/v1/knowledge/reindex", body))["id"], bar)
    if as_json:
        output.as_json(job)
        return
    print(output.count(job["total"], "page") + " indexed" + (f", {job['errors']} failed" if job["errors"] else ""))


async def _read_again(api: Api, source: str | None, bar: Bar) -> None:
    """Send the files of a source (None: of all) that lie on this machine; those that cannot be read are named."""
    from invent_server.cli import output

    found = (await api.get("/api/v1/knowledge/sources"))["items"]
    mine = [one for one in found if one["kind"] == "file" and one["origin"] and source in (None, one["id"])]
    files = [file for one in mine if (file := Path(one["origin"])).is_file()]
    _, failed = await take_in(api, files, bar)
    for file, problem in failed:
        output.note(f"invent: {file}: {problem}; what was read before stays")
