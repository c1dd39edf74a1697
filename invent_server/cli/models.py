"""`invent models`: the language model that writes answers, through the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Name = Annotated[str, typer.Argument(help="As Ollama knows it, such as qwen3:4b.")]
POLL = 0.3
START = 30.0
"""Seconds that a model may take to be ready for `check`, where the server has only just started."""


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "models",
        "The language model that writes answers.",
        {"list": list_, "pull": pull, "use": use, "check": check},
    )


async def list_(api: Api, as_json: Json = False) -> None:
    """Models on the model server, and which one is in use."""
    from invent_server.cli import output

    found = await api.get("/api/v1/models")
    if as_json:
        output.as_json(found)
        return
    rows = (
        (one["name"], f"{one['size'] / 1e9:.1f} GB", _role(one, found), "elsewhere" if one["remote"] else "")
        for one in found["items"]
    )
    output.table(("NAME", "SIZE", "ROLE", "RUNS"), rows)
    if found["problem"] and not found["ready"]:
        output.note(f"answers quote your knowledge: {found['problem']}")


def _role(one: dict[str, Any], found: dict[str, Any]) -> str:
    if one["name"] == found["chat"]:
        return "writes answers" if found["ready"] else "chosen"
    if one["name"] == found["embed"]:
        return "makes vectors"
    return "can chat" if one["chat"] else "vectors"


async def pull(api: Api, name: Name) -> None:
    """Let the model server fetch a model."""
    import asyncio

    from invent_server.cli import output
    from invent_server.cli.progress import progress

    await api.post("/api/v1/models/pull", {"name": name})
    with progress(f"Fetching {name}") as bar:
        while True:
            found = (await api.get("/api/v1/models"))["pulls"]
            one = next(one for one in found if one["name"] == name)
            bar(one["done"] // 1_000_000, one["total"] // 1_000_000)
            if one["ended"]:
                break
            await asyncio.sleep(POLL)
    if one["problem"]:
        raise output.Failed(one["problem"])
    print(name)


async def use(api: Api, name: Name) -> None:
    """Write answers with this model from now on; `none`: quote, without any. Nothing is restarted."""
    from invent_server.cli import output

    found = await api.post("/api/v1/models/use", {"name": name})
    print(name)
    if name == "none":
        output.note("answers quote your knowledge with their source")
    elif not found["ready"]:
        output.note(f"{name}: {found['problem']}; `invent models list` shows when it is ready")


async def check(api: Api, as_json: Json = False) -> None:
    """Measure how fast the model in use reads and writes."""
    import asyncio

    from invent_server.cli import output

    until = asyncio.get_running_loop().time() + START
    while not (found := await api.get("/api/v1/models"))["ready"]:
        if not found["chat"] or asyncio.get_running_loop().time() > until:
            raise output.Failed(found["problem"] or "no model is ready")
        await asyncio.sleep(POLL)
    measured = await api.post("/api/v1/models/check")
    if as_json:
        output.as_json(measured)
        return
    output.fields(
        (
            ("model", measured["model"]),
            ("context", f"{measured['context']} tokens"),
            ("first word", f"{measured['first_ms']:.0f} ms after {measured['prompt_tokens']} tokens of prompt"),
            ("reads", f"{measured['prompt_tokens_per_second']:.0f} tokens a second"),
            ("writes", f"{measured['answer_tokens_per_second']:.0f} tokens a second"),
            ("vectors", f"{measured['embed']}, {measured['dimensions']} numbers" if measured["embed"] else ""),
        )
    )
