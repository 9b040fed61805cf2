"""The trial ledger of each owner, and the memory that a task may take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LARGE_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table and add the column."""
    op.add_column("tasks", sa.Column("memory", LARGE_INTEGER, nullable=True))
    op.create_table(
        "ledger",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_ledger_owner")),
        sa.PrimaryKeyConstraint("owner", "task", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_owner_recorded"), "ledger", ["owner", "recorded"], unique=False)


def downgrade() -> None:
    """Remove them; the entries are lost, and later verdicts do not count what they stand for."""
    op.drop_table("ledger")
    op.drop_column("tasks", "memory")
