"""The demo company on a server's very first start."""

from __future__ import annotations

from tests.bench.live import serving


def test_the_first_question_finds_the_whole_demo() -> None:
    """Ready means ready: customers write the moment the address answers."""
    with serving(demo=True) as server:
        sources = server.call("GET", "/api/v1/knowledge/sources?limit=200")["items"]
        found = {
            hit["lang"]
            for query in ("refund+card", "reembolso+tarjeta")
            for hit in server.call("GET", f"/api/v1/knowledge/search?q={query}&k=8")["items"]
        }
    assert len(sources) >= 60
    assert [source["title"] for source in sources if not source["chunks"]] == []
    assert found == {"en", "es"}
