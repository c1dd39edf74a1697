"""What a message's trace needs: when it came, each try to send it, what a model was asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prompt",
        sa.Column("turn_id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("messages", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_prompt_conversation_id")),
        sa.PrimaryKeyConstraint("turn_id", name=op.f("pk_prompt")),
    )
    with op.batch_alter_table("prompt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_prompt_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_prompt_created_at"), ["created_at"], unique=False)
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("arrived_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("checked_us", sa.Integer(), nullable=True))
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("seen_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tries", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_column("tries")
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_column("seen_at")
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.drop_column("checked_us")
        batch_op.drop_column("arrived_at")
    op.drop_table("prompt")
