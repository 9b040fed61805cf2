"""Which bars each entry of the trial ledger is about, so that only those of the data at hand are read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty until a worker has looked into an entry, and the table."""
    op.add_column("ledger", sa.Column("bars", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_ledger_owner_bars"), "ledger", ["owner", "bars"], unique=False)
    op.create_table(
        "ledger_bars",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("bars", sa.String(length=64), nullable=False),
        sa.Column("months", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_ledger_bars_owner")),
        sa.PrimaryKeyConstraint("owner", "bars", name=op.f("pk_ledger_bars")),
    )


def downgrade() -> None:
    """Remove both; the entries themselves say which bars they are about."""
    op.drop_table("ledger_bars")
    op.drop_index(op.f("ix_ledger_owner_bars"), table_name="ledger")
    op.drop_column("ledger", "bars")
