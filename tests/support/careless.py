"""`invent` with the recording of customers' messages made careless: acknowledged at once, stored a moment later.

The control of tests/bench/kill.py: whoever kills this server must find messages lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

from invent_server.cli.main import main
from invent_server.conversations.receive import Inbound, Received
from invent_server.store.database import Store
from shared.clock import SystemClock, to_rfc3339
from shared.ids import new_id
from shared.models import Author, Message
from shared.tasks import Tasks

LATER = 0.3
_tasks = Tasks(lambda error: None)
_write_batched = Store.write_batched


async def careless(self: Store, fn: Any, item: Any) -> Any:
    """Answer first."""

    async def later() -> None:
        await asyncio.sleep(LATER)
        await _write_batched(self, fn, item)

    if not isinstance(item, Inbound):
        return await _write_batched(self, fn, item)
    _tasks.start(later())
    moment = to_rfc3339(SystemClock().now())
    return Received(
        Message(
            id=new_id(),
            conversation_id=item.conversation_id,
            seq=0,
            author=Author(kind="customer", name=item.customer_name),
            text=item.text,
            created_at=moment,
        ),
        True,
    )


if __name__ == "__main__":
    Store.write_batched = careless  # type: ignore[method-assign]
    main()
