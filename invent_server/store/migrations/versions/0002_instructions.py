"""Instructions: published versions, the shared draft, and which version an assistant speaks by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SECTIONS = "'voice', 'tone', 'goals', 'flow', 'restrictions', 'guidelines', 'escalation'"


def upgrade() -> None:
    op.create_table(
        "instruction_version",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("assistant_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sections", sa.Text(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["assistant_id"], ["assistant.id"], name=op.f("fk_instruction_version_assistant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instruction_version")),
        sa.UniqueConstraint("assistant_id", "number", name=op.f("uq_instruction_version_assistant_id_number")),
    )
    op.create_table(
        "instruction_draft",
        sa.Column("assistant_id", sa.String(), nullable=False),
        sa.Column("section", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"section IN ({_SECTIONS})", name=op.f("ck_instruction_draft_section")),
        sa.ForeignKeyConstraint(["assistant_id"], ["assistant.id"], name=op.f("fk_instruction_draft_assistant_id")),
        sa.PrimaryKeyConstraint("assistant_id", "section", name=op.f("pk_instruction_draft")),
    )
    with op.batch_alter_table("assistant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("published", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("assistant", schema=None) as batch_op:
        batch_op.alter_column("published", server_default=None)
