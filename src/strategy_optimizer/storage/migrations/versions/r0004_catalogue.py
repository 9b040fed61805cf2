"""The content of datasets, strategies by version, parameter spaces of their owners."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LARGE_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.add_column("quotas", sa.Column("dataset_bytes", LARGE_INTEGER, nullable=True))
    op.create_table(
        "dataset_contents",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("size", LARGE_INTEGER, nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("preview", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_dataset_contents")),
        sa.UniqueConstraint("file", name=op.f("uq_dataset_contents_file")),
    )
    op.create_index(op.f("ix_dataset_contents_created"), "dataset_contents", ["created"], unique=False)
    op.create_table(
        "dataset_chunks",
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file"], ["dataset_contents.file"], name=op.f("fk_dataset_chunks_file"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file", "number", name=op.f("pk_dataset_chunks")),
    )
    op.create_table(
        "strategies",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("newest", sa.String(length=64), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("source IN ('built_in', 'package', 'file')", name=op.f("ck_strategies_source")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_strategies")),
    )
    op.create_table(
        "strategy_versions",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name"], ["strategies.name"], name=op.f("fk_strategy_versions_name"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", "digest", name=op.f("pk_strategy_versions")),
    )
    op.create_table(
        "parameter_spaces",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("strategy", sa.String(length=200), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.id"], name=op.f("fk_parameter_spaces_owner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "strategy", name=op.f("pk_parameter_spaces")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Parquet is compressed already: PostgreSQL would only try to, and find nothing.
        op.execute("ALTER TABLE dataset_chunks ALTER COLUMN payload SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("parameter_spaces")
    op.drop_table("strategy_versions")
    op.drop_table("strategies")
    op.drop_table("dataset_chunks")
    op.drop_table("dataset_contents")
    op.drop_column("quotas", "dataset_bytes")
