"""How Alembic runs here: on a connection that `migrate.py` hands over, in batch mode (SQLite cannot alter in place)."""

from alembic import context
from sqlmodel import SQLModel

import invent_server.store.tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
