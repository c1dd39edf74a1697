"""The one way out of the server. Channels post through here: explicit timeouts, no redirects, bounded answers."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

ANSWER_LIMIT = 1_048_576


class Egress:
    """Outgoing HTTP. Proxy variables of the environment are not followed: nothing leaves by a way nobody set."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """POST `body`. Raises httpx.HTTPError. The answer's body is cut at 1 MiB."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(self._timeout, connect=min(5.0, self._timeout)),
                limits=httpx.Limits(max_connections=64),
                follow_redirects=False,
                trust_env=False,
            )
        async with self._client.stream("POST", url, content=body, headers=dict(headers)) as answer:
            kept = bytearray()
            async for part in answer.aiter_bytes():
                kept += part
                if len(kept) > ANSWER_LIMIT:
                    break
        return httpx.Response(answer.status_code, headers=answer.headers, content=bytes(kept))

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
