"""The worker process: a store, and a `Worker` that runs until it is told to end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from strategy_optimizer.errors import ExecutorError, StorageUnavailableError
from strategy_optimizer.storage import Store
from strategy_optimizer.workers.parent import LOG, Worker
from strategy_optimizer.workers.settings import WorkerSettings, new_name

if TYPE_CHECKING:
    from strategy_optimizer.service_settings import ServiceSettings

AGAIN = 1.0
"""Seconds until the next look for a store that is not there yet."""


def worker_settings(service: ServiceSettings, *, name: str | None = None) -> WorkerSettings:
    """Return the settings of a worker from those of the service.

    Parameters
    ----------
    service : ServiceSettings
    name : str, optional
        Of the worker; one that no other has by default.
    """
    url = service.store_url
    return WorkerSettings(
        database=f"sqlite:///{url.absolute()}" if isinstance(url, Path) else url,
        folder=service.data_dir.absolute(),
        slots=max(1, service.workers),
        threads=service.threads,
        memory=service.task_memory * 2**20,
        name=name or new_name(),
    )


def run_worker(settings: WorkerSettings) -> int:
    """Run a worker in this process until SIGTERM or SIGINT, and return the exit code.

    Parameters
    ----------
    settings : WorkerSettings

    Raises
    ------
    ExecutorError
        On Windows.
    StorageError
        When the database refuses.
    """
    if sys.platform == "win32":
        raise ExecutorError("workers need Linux or macOS; use WSL")
    worker = Worker(settings)
    with worker.signals():
        if not _prepare(settings, worker):
            return 0
        return worker.run()


def _prepare(settings: WorkerSettings, worker: Worker) -> bool:
    """Bring the database to this version as soon as it is there; return whether the worker is still wanted."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    with Store(settings.database, patience=1.0) as store:
        while not worker.is_ending:
            try:
                store.upgrade()
            except StorageUnavailableError as error:
                LOG.warning("the store is not there yet: %s", error)
                time.sleep(AGAIN)
            else:
                return True
    return False
