"""The tables. What is written here and what the migrations make is the same; a test compares them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from strategy_optimizer.storage.column_types import Document, LargeInteger, Moment

REVISION = "0007"
"""The migration that makes these tables: a database that has it needs none."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# -- people ---------------------------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("password_hash", Text),
    Column("disabled", Boolean, nullable=False),
    Column("created", Moment, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("prefix", String(32), nullable=False, unique=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked", Moment),
    Column("last_used", Moment),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    # What it was made with: when that goes, the ticket goes.
    Column("key_id", ForeignKey("api_keys.id", ondelete="CASCADE"), index=True),
    Column("session", ForeignKey("sessions.digest", ondelete="CASCADE"), index=True),
    Column("expires", Moment, nullable=False, index=True),
    CheckConstraint("(key_id IS NULL) <> (session IS NULL)", name="origin"),
)

quotas = Table(
    "quotas",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("running_tasks", Integer),
    Column("trials_a_day", LargeInteger),
    Column("memory", LargeInteger),
    Column("datasets", Integer),
    Column("queued_tasks", Integer),
    Column("dataset_bytes", LargeInteger),
)

usage = Table(
    "usage",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("trials", LargeInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", LargeInteger, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("at", Moment, nullable=False, index=True),
    Column("actor", String(64), index=True),
    Column("action", String(64), nullable=False),
    Column("target", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    Column("details", Document, nullable=False),
)

# -- tasks ----------------------------------------------------------------------------------------------------

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", ForeignKey("users.id"), nullable=False),
    Column("strategy", String(200), nullable=False),
    Column("document", Document, nullable=False),
    Column("parent", String(64)),
    Column("priority", Integer, nullable=False),
    # The bytes that it may take while it runs; those of before the column have the default.
    Column("memory", LargeInteger),
    Column("state", String(10), nullable=False),
    Column("stop_reason", String(20)),
    Column("error", Text),
    Column("progress", Document),
    Column("created", Moment, nullable=False),
    Column("queued", Moment, nullable=False),
    Column("started", Moment),
    Column("finished", Moment),
    Column("deadline", Moment),
    Column("cancel_requested", Boolean, nullable=False),
    Column("pause_requested", Boolean, nullable=False),
    # The lease: the worker that has the task, until when, and the number that grows with each lease.
    Column("worker", String(200)),
    Column("token", LargeInteger, nullable=False),
    Column("lease_ends", Moment),
    Column("heartbeat", Moment),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    # How many there are; both are counted up in the transaction that adds them.
    Column("trials", LargeInteger, nullable=False),
    Column("events", LargeInteger, nullable=False),
    # The request that made the task, and the worker's last: a write is not made twice after a lost answer.
    Column("made_by", String(32), nullable=False),
    Column("written_by", String(32)),
    CheckConstraint(
        "state IN ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')", name="state"
    ),
    CheckConstraint("(state = 'running') = (lease_ends IS NOT NULL)", name="lease"),
    Index(None, "state", "priority", "queued"),
    Index(None, "owner", "created"),
    Index(None, "created"),
    Index(None, "finished"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created", Moment, nullable=False, index=True),
)

events = Table(
    "events",
    metadata,
    Column("number", LargeInteger, primary_key=True, autoincrement=True),
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("seq", LargeInteger, nullable=False),
    Column("first", LargeInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Column("data", Document, nullable=False),
    UniqueConstraint("task_id", "seq"),
    CheckConstraint("first >= 1 AND first <= seq", name="first"),
)

trial_chunks = Table(
    "trial_chunks",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("first", LargeInteger, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("pruned", Integer, nullable=False),
    Column("best_trial", LargeInteger),
    Column("outline", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    CheckConstraint("first >= 0 AND rows >= 1", name="range"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("trials", LargeInteger, nullable=False),
    Column("token", LargeInteger, nullable=False),
    Column("saved", Moment, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("saved", Moment, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

# What a task searched and how, for the verdicts of later ones. It outlives the task, so it does not refer to it.
ledger = Table(
    "ledger",
    metadata,
    Column("owner", ForeignKey("users.id"), primary_key=True),
    Column("task", String(64), primary_key=True),
    Column("recorded", Moment, nullable=False),
    Column("summary", Document, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    # Which bars it is about, a row of `ledger_bars`; null until somebody has looked into the entry.
    Column("bars", String(64)),
    Index(None, "owner", "recorded"),
    Index(None, "owner", "bars"),
)

ledger_bars = Table(
    "ledger_bars",
    metadata,
    Column("owner", ForeignKey("users.id"), primary_key=True),
    Column("bars", String(64), primary_key=True),
    Column("months", LargeBinary, nullable=False),
)

# -- datasets and schedules -----------------------------------------------------------------------------------

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", ForeignKey("users.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size", LargeInteger, nullable=False),
    Column("details", Document, nullable=False),
    Column("created", Moment, nullable=False),
    UniqueConstraint("owner", "name"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", ForeignKey("users.id"), nullable=False, index=True),
    Column("strategy", String(200), nullable=False),
    Column("dataset", String(200), nullable=False),
    Column("cron", String(200), nullable=False),
    Column("document", Document, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created", Moment, nullable=False),
    Column("last_run", Moment),
    Column("last_task", ForeignKey("tasks.id", ondelete="SET NULL"), index=True),
    Column("next_run", Moment, index=True),
    Column("note", Text),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    # Signs what is sent, so it is needed as it is.
    Column("secret", Text, nullable=False),
    Column("events", Document, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created", Moment, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event", String(40), nullable=False),
    Column("created", Moment, nullable=False),
    # When it is to be tried; nothing when there is no more to try.
    Column("due", Moment, index=True),
    Column("attempts", Integer, nullable=False),
    Column("delivered", Moment),
    Column("status", Integer),
    Column("error", Text),
)

# The content of datasets by its digest, whoever has it: what is equal is kept once.
dataset_contents = Table(
    "dataset_contents",
    metadata,
    Column("digest", String(64), primary_key=True),
    # The hash of the bytes: another release may write the same bars otherwise, and chunks must not be mixed.
    Column("file", String(64), nullable=False, unique=True),
    Column("size", LargeInteger, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("preview", LargeBinary, nullable=False),
    Column("created", Moment, nullable=False, index=True),
)

dataset_chunks = Table(
    "dataset_chunks",
    metadata,
    Column("file", ForeignKey("dataset_contents.file", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)

# -- strategies -----------------------------------------------------------------------------------------------

strategies = Table(
    "strategies",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("source", String(20), nullable=False),
    Column("place", String(200), nullable=False),
    Column("newest", String(64)),
    Column("problem", Text),
    Column("changed", Moment, nullable=False),
    CheckConstraint("source IN ('built_in', 'package', 'file')", name="source"),
)

strategy_versions = Table(
    "strategy_versions",
    metadata,
    Column("name", ForeignKey("strategies.name", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("description", Text, nullable=False),
    Column("space", Document, nullable=False),
    Column("details", Document, nullable=False),
    Column("created", Moment, nullable=False),
)

parameter_spaces = Table(
    "parameter_spaces",
    metadata,
    Column("owner", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("strategy", String(200), primary_key=True),
    Column("space", Document, nullable=False),
    Column("created", Moment, nullable=False),
    Column("changed", Moment, nullable=False),
)
