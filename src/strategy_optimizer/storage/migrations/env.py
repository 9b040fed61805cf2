"""Run by Alembic: the connection comes from `storage.migration`, which also holds its transaction and lock."""

from __future__ import annotations

from alembic import context

from strategy_optimizer.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,  # on SQLite too: BEGIN is ours
)
with context.begin_transaction():
    context.run_migrations()
