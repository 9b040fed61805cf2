"""The worker process: a store, and a `Worker` that runs until it is told to end.

``python -m strategy_optimizer.worker`` is how the service starts the one beside it: settings come from the
environment, and it ends when its standard input does, since then the service is gone.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from strategy_optimizer.catalogue.dataset_copies import tidy_copies
from strategy_optimizer.catalogue.descriptions import LIMITS
from strategy_optimizer.catalogue.strategy_folder import StrategyFolder
from strategy_optimizer.errors import ExecutorError, StorageUnavailableError
from strategy_optimizer.service_logs import trace_here_alone
from strategy_optimizer.storage import TASK_MEMORY, Store
from strategy_optimizer.workers.caretaker import Duty
from strategy_optimizer.workers.parent import LOG, Worker
from strategy_optimizer.workers.schedules import run_due
from strategy_optimizer.workers.settings import WorkerSettings, new_name
from strategy_optimizer.workers.webhooks import deliver_due

if TYPE_CHECKING:
    from strategy_optimizer.service_settings import ServiceSettings

STRATEGIES, SCHEDULES, WEBHOOKS, COPIES = 2.0, 1.0, 1.0, 600.0
"""Seconds between two looks."""
AGAIN = 1.0
"""Seconds until the next look for a store that is not there yet."""


def worker_settings(service: ServiceSettings, name: str | None = None) -> WorkerSettings:
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
        niceness=service.niceness,
        name=name or new_name(),
        strategies=None if service.strategies is None else service.strategies.absolute(),
        private_webhooks=service.private_webhooks,
        ray_address=service.ray_address or None,
        engine_variables=service.engine_variables,
    )


def run_worker(settings: WorkerSettings, *, ends_with_input: bool = False) -> int:
    """Run a worker in this process until SIGTERM or SIGINT, and return the exit code.

    Parameters
    ----------
    settings : WorkerSettings
    ends_with_input : bool
        Whether it ends when nobody holds the other end of its standard input any more.

    Raises
    ------
    ExecutorError
        On Windows.
    StorageError
        When the database refuses.
    """
    if sys.platform == "win32":
        raise ExecutorError("workers need Linux or macOS; use WSL")
    trace_here_alone()
    worker = Worker(settings)
    store = Store(settings.database)
    memory = settings.memory or TASK_MEMORY
    worker.add_duties(strategy_duties(settings, store))
    worker.add_duties([Duty("schedules", SCHEDULES, lambda: run_due(store, task_memory=memory))])
    worker.add_duties(
        [Duty("webhooks", WEBHOOKS, lambda: deliver_due(store, private=settings.private_webhooks))]
    )
    if ends_with_input:
        threading.Thread(target=_end_with_input, args=(worker,), daemon=True).start()
    with worker.signals(), store:
        return worker.run() if _prepare(settings, worker) else 0


def strategy_duties(settings: WorkerSettings, store: Store) -> list[Duty]:
    """Return the duties that tell the store which strategies there are, and keep copies within bounds."""
    limits = replace(LIMITS, variables=settings.engine_variables)
    folder = StrategyFolder(store, settings.folder, settings.strategies, limits=limits)
    return [
        Duty("strategies", STRATEGIES, folder.scan),
        Duty("copies of datasets", COPIES, lambda: tidy_copies(store, settings.folder)),
    ]


def _prepare(settings: WorkerSettings, worker: Worker) -> bool:
    """Bring the database to this version as soon as it is there; return whether the worker is still wanted."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Store(settings.database, patience=1.0) as store:
        while not worker.is_ending:
            try:
                store.upgrade()
                _take_in_ledgers(store, settings.folder)
            except StorageUnavailableError as error:
                LOG.warning("the store is not there yet: %s", error)
                time.sleep(AGAIN)
            else:
                return True
    return False


def _take_in_ledgers(store: Store, folder: Path) -> None:
    """Move what versions before the ledger was in the store kept in the data folder, once."""
    if not (folder / "ledger").is_dir():
        return
    from strategy_optimizer.workers.store_ledger import take_in_folders  # loads the search

    if taken := take_in_folders(store, folder):
        LOG.info("%d entries of trial ledgers in %s were moved into the store", taken, folder / "ledger")


def _end_with_input(worker: Worker) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    worker.end()


def main() -> int:
    """Run the worker beside a service."""
    from strategy_optimizer.service_logs import configure_logs
    from strategy_optimizer.service_settings import read_settings

    parser = argparse.ArgumentParser()
    parser.add_argument("--slots", type=int)
    settings = read_settings({"workers": parser.parse_args().slots})
    configure_logs(settings.log_level, settings.log_format)
    return run_worker(worker_settings(settings), ends_with_input=True)


if __name__ == "__main__":
    sys.exit(main())
