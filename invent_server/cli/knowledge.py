"""`invent knowledge`: what the assistant answers from; taking in stands in adding.py."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli import adding
from invent_server.cli.commands import Json, noun, over_api

if TYPE_CHECKING:
    from invent_server.cli.api import Api


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "knowledge",
        "What the assistant answers from.",
        {
            "list": list_,
            "show": show,
            "search": search,
            "add": adding.add,
            "add-text": adding.add_text,
            "remove": remove,
            "stats": stats,
        },
    )
    app.command("reindex")(over_api(adding.reindex))


async def list_(api: Api, as_json: Json = False) -> None:
    """Sources by title."""
    from invent_server.cli import output

    found = await api.all("/api/v1/knowledge/sources")
    if as_json:
        output.items(found)
        return
    rows = (
        (one["id"], one["kind"], one["lang"], one["pages"], one["chunks"], output.ago(one["updated_at"]), one["title"])
        for one in found
    )
    output.table(("ID", "KIND", "LANGUAGE", "PAGES", "PASSAGES", "AGE", "TITLE"), rows)


async def show(
    api: Api,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of a source, or of a page.")],
    as_json: Json = False,
) -> None:
    """The pages of a source, as they were read; or one page."""
    from invent_server.cli import output

    pages = [await api.get(f"/api/v1/knowledge/pages/{one}") for one in await page_ids(api, id_)]
    if as_json:
        output.items(pages)
        return
    for number, page in enumerate(pages):
        if number:
            print()
        output.fields(
            (
                ("page", page["id"]),
                ("source", page["source_id"]),
                ("title", page["title"]),
                ("url", page["url"]),
                ("language", page["lang"]),
                ("status", ": ".join(filter(None, (page["status"], page["reason"])))),
                ("passages", page["chunks"]),
                ("read", output.local(page["read_at"])),
            )
        )
        print()
        output.say(page["text"] or "")


async def page_ids(api: Api, id_: str) -> list[str]:
    """The page with this id, or the pages of the source with it. Raises Failed."""
    from invent_server.cli.api import path

    pages: list[str] = [one["id"] async for one in api.each("/api/v1/knowledge/pages", source=id_, limit=500)]
    return pages or [(await api.get(path("knowledge", "pages", id_)))["id"]]


async def search(
    api: Api,
    query: Annotated[str, typer.Argument(help="Any words.")],
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="So many pages at most.")] = 8,
    lang: Annotated[str | None, typer.Option(help="Only pages in this language, such as en or es.")] = None,
    as_json: Json = False,
) -> None:
    """Search as the assistant does: the best passage of each page."""
    from invent_server.cli import output

    await api.ready()
    found = await api.get("/api/v1/knowledge/search", q=query, k=k, lang=lang)
    if as_json:
        output.as_json(found)
        return
    for number, hit in enumerate(found["items"], 1):
        output.say(f"{number}. {hit['title']} ({hit['score']:.2f}" + (f", {hit['lang']})" if hit["lang"] else ")"))
        if hit["url"]:
            output.say(f"   {hit['url']}")
        output.say("\n".join(f"   {line}" for line in hit["text"].strip().splitlines()))
        print()
    if not found["items"]:
        output.note("nothing found")


async def remove(
    api: Api, ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of sources, as `list` shows them.")]
) -> None:
    """Forget sources with all their pages."""
    from invent_server.cli.api import path

    for id_ in ids:
        await api.delete(path("knowledge", "sources", id_))
        print(f"{id_} removed")


async def stats(api: Api, as_json: Json = False) -> None:
    """How much there is, in which languages, and what failed."""
    from invent_server.cli import output

    sources = await api.all("/api/v1/knowledge/sources")
    pages: list[dict[str, Any]] = await api.all("/api/v1/knowledge/pages", limit=500)
    failed = [page for page in pages if page["status"] == "failed"]
    figures = {
        "sources": len(sources),
        "pages": len(pages),
        "passages": sum(page["chunks"] for page in pages),
        "status": dict(Counter(page["status"] for page in pages).most_common()),
        "languages": dict(Counter(page["lang"] or "unknown" for page in pages).most_common()),
        "kinds": dict(Counter(source["kind"] for source in sources).most_common()),
        "used": sum(page["uses"] for page in pages),
    }
    if as_json:
        output.as_json(figures)
        return
    output.fields(
        (name, ", ".join(f"{key} {value}" for key, value in one.items()) if isinstance(one, dict) else one)
        for name, one in figures.items()
    )
    for page in failed:
        output.say(f"failed: {page['title']} ({page['id']}): {page['reason'] or 'no reason given'}")
