"""Tickets of sockets, and a quota for tasks that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and add the column."""
    op.create_table(
        "tickets",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("session", sa.LargeBinary(length=32), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(key_id IS NULL) <> (session IS NULL)", name=op.f("ck_tickets_origin")),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_tickets_key_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session"], ["sessions.digest"], name=op.f("fk_tickets_session"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_tickets_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tickets")),
    )
    op.create_index(op.f("ix_tickets_expires"), "tickets", ["expires"], unique=False)
    op.create_index(op.f("ix_tickets_key_id"), "tickets", ["key_id"], unique=False)
    op.create_index(op.f("ix_tickets_session"), "tickets", ["session"], unique=False)
    op.create_index(op.f("ix_tickets_user_id"), "tickets", ["user_id"], unique=False)
    with op.batch_alter_table("quotas") as quotas:
        quotas.add_column(sa.Column("queued_tasks", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("quotas") as quotas:
        quotas.drop_column("queued_tasks")
    op.drop_table("tickets")
