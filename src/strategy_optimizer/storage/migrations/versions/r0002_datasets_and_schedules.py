"""Datasets, and schedules of re-optimisation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LARGE_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", LARGE_INTEGER, nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_datasets_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_datasets_owner_name")),
    )
    op.create_index(op.f("ix_datasets_digest"), "datasets", ["digest"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("strategy", sa.String(length=200), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("cron", sa.String(length=200), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_run", sa.BigInteger(), nullable=True),
        sa.Column("last_task", sa.String(length=64), nullable=True),
        sa.Column("next_run", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["last_task"], ["tasks.id"], name=op.f("fk_schedules_last_task"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_schedules_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_last_task"), "schedules", ["last_task"], unique=False)
    op.create_index(op.f("ix_schedules_next_run"), "schedules", ["next_run"], unique=False)
    op.create_index(op.f("ix_schedules_owner"), "schedules", ["owner"], unique=False)


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("schedules")
    op.drop_table("datasets")
