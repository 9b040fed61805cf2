"""The worker process: a store, a log, and a `Worker` that runs until it is told to end."""

from __future__ import annotations

import logging
import sys
import time

from strategy_optimizer.errors import ExecutorError, StorageUnavailableError
from strategy_optimizer.storage import Store
from strategy_optimizer.workers.parent import LOG, Worker
from strategy_optimizer.workers.settings import WorkerSettings

AGAIN = 1.0


def run_worker(settings: WorkerSettings) -> int:
    """Run a worker in this process until SIGTERM or SIGINT, and return the exit code.

    Parameters
    ----------
    settings : WorkerSettings
    """
    if sys.platform == "win32":
        raise ExecutorError("workers need Linux or macOS; use WSL")
    worker = Worker(settings)
    with worker.signals():
        _prepare(settings)
        return worker.run()


def log_to_stderr(level: int = logging.INFO) -> None:
    """Write the log of the worker to standard error, a line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(level)


def _prepare(settings: WorkerSettings) -> None:
    """Bring the database to this version, as soon as it is there."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    with Store(settings.database) as store:
        while True:
            try:
                return store.upgrade()
            except StorageUnavailableError as error:
                LOG.warning("the store is not there yet: %s", error)
                time.sleep(AGAIN)
