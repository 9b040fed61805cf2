"""The store as one value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import text

from strategy_optimizer.errors import StorageError, StorageUnavailableError
from strategy_optimizer.storage import maintenance
from strategy_optimizer.storage.accounts import Accounts
from strategy_optimizer.storage.database import LOCK_WAIT, PATIENCE, Database
from strategy_optimizer.storage.datasets import DatasetStore
from strategy_optimizer.storage.event_log import EventLog
from strategy_optimizer.storage.ledger import LedgerStore
from strategy_optimizer.storage.parameter_spaces import ParameterSpaceStore
from strategy_optimizer.storage.queue import Queue
from strategy_optimizer.storage.schedules import ScheduleStore
from strategy_optimizer.storage.strategies import StrategyStore
from strategy_optimizer.storage.tables import REVISION
from strategy_optimizer.storage.task_records import NewTask  # noqa: F401  (the example)
from strategy_optimizer.storage.task_store import TaskStore
from strategy_optimizer.storage.webhooks import WebhookStore

if TYPE_CHECKING:
    from strategy_optimizer.storage.trial_store import TrialStore
_PING = 2.0
"""Seconds for which a database may say nothing that is to answer now."""


class Store:
    """Everything that is kept: tasks, their queue, events, trials and results; users, datasets, schedules.

    Parameters
    ----------
    url : str or Path
        A path is an SQLite file. ``sqlite:///FILE``, or ``postgresql://USER@HOST/NAME`` (psycopg 3).
    patience : float
        Seconds for which a call tries again after faults that pass: a locked file, a deadlock, a server that is
        away. Then it raises `StorageUnavailableError`.
    silence : float, optional
        Seconds after which a server that says nothing is away. Calls then fail at once, but for one each half second
        that tries: for processes that must not wait, such as the API. By default a server has all its time.
    clock : callable, optional
        Gives the time in place of the database's, for tests.
    lock_wait : float
        Seconds for which one attempt waits until an SQLite file is not locked.

    Attributes
    ----------
    tasks : TaskStore
    queue : Queue
    events : EventLog
    trials : TrialStore
    ledger : LedgerStore
    accounts : Accounts
    datasets : DatasetStore
    schedules : ScheduleStore
    strategies : StrategyStore
    parameter_spaces : ParameterSpaceStore
    webhooks : WebhookStore

    Notes
    -----
    May be used from several threads. A process that was forked makes its own.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
    ...     store.upgrade()
    ...     ada = store.accounts.add_user("ada", "operator")
    ...     made = store.tasks.create(NewTask(ada.id, "momentum", {"strategy_name": "momentum"}, id="opt_1"))
    ...     lease = store.queue.lease("worker-1", seconds=12)
    ...     print(made.task.state, lease.task.id, lease.token, store.queue.lease("worker-2", seconds=12))
    queued opt_1 1 None
    """

    def __init__(
        self,
        url: str | Path,
        *,
        patience: float = PATIENCE,
        silence: float | None = None,
        clock: Callable[[], datetime] | None = None,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        self.database = Database(url, patience=patience, silence=silence, clock=clock, lock_wait=lock_wait)
        self.tasks = TaskStore(self.database)
        self.queue = Queue(self.database)
        self.events = EventLog(self.database)
        self.ledger = LedgerStore(self.database)
        self.accounts = Accounts(self.database)
        self.datasets = DatasetStore(self.database)
        self.schedules = ScheduleStore(self.database)
        self.strategies = StrategyStore(self.database)
        self.parameter_spaces = ParameterSpaceStore(self.database)
        self.webhooks = WebhookStore(self.database)

    @cached_property
    def trials(self) -> TrialStore:
        """The trials; what reads them loads the search with NumPy and Numba."""
        from strategy_optimizer.storage.trial_store import TrialStore

        return TrialStore(self.database)

    def upgrade(self) -> None:
        """Bring the database to this version; several processes may do so at once.

        Raises
        ------
        StorageError
            When a newer version made the database.
        """
        if self._revision() == REVISION:
            return
        from strategy_optimizer.storage import migration  # Alembic takes a third of a second

        migration.upgrade(self.database)

    def _revision(self) -> str | None:
        """Return the migration that the database has; None where it says none."""
        statement = text("SELECT version_num FROM alembic_version")
        try:
            return self.database.read(lambda transaction: transaction.connection.execute(statement).scalar())
        except StorageUnavailableError:
            raise
        except StorageError:  # there is no such table yet
            return None

    def ping(self) -> None:
        """Raise a `StorageUnavailableError` unless the database answers now."""
        one_try = Database(self.database.url, patience=0.0, silence=_PING)
        try:
            one_try.read(lambda transaction: transaction.connection.execute(text("SELECT 1")).close())
        finally:
            one_try.close()

    def back_up(self, path: str | Path) -> None:
        """Write everything into one file, of one moment, while others go on working."""
        from strategy_optimizer.storage import backup

        backup.back_up(self.database, Path(path))

    def restore(self, path: str | Path) -> None:
        """Fill this database, which must be empty, from a backup of any database."""
        from strategy_optimizer.storage import backup

        backup.restore(Path(path), self.database)

    def tidy(self, retention: maintenance.Retention | None = None) -> maintenance.Removed:
        """Remove what need not be kept any longer."""
        return maintenance.tidy(self.database, retention or maintenance.Retention())

    def vacuum(self) -> None:
        """Give the room of removed rows back to the disk."""
        maintenance.vacuum(self.database)

    @property
    def size(self) -> int:
        """Bytes that the database takes."""
        return maintenance.size(self.database)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
