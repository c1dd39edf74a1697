"""The yardstick of `ingest`: an aiohttp handler that reads a POST's body and answers 201, nothing else."""

from __future__ import annotations

import sys

from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=201, body=b"{}", content_type="application/json")


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/web/{inbox}/messages", handle)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
