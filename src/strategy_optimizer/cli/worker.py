"""The command `worker`: a process that runs the tasks of a store."""

from __future__ import annotations

import logging
from pathlib import Path

from strategy_optimizer.cli.arguments import parse_size
from strategy_optimizer.cli.options import WorkerOptions
from strategy_optimizer.config import data_folder
from strategy_optimizer.worker import log_to_stderr, run_worker
from strategy_optimizer.workers.settings import WorkerSettings, new_name


def run_worker_command(options: WorkerOptions) -> int:
    """Run a worker until SIGTERM or Ctrl-C, and return the exit code."""
    folder = options.data_dir or data_folder() / "service"
    settings = WorkerSettings(
        database=options.database_url or f"sqlite:///{Path(folder).absolute() / 'store.db'}",
        folder=folder,
        slots=options.slots,
        threads=options.threads,
        memory=parse_size(options.memory),
        name=options.name or new_name(),
    )
    log_to_stderr(logging.WARNING if options.quiet else logging.INFO)
    return run_worker(settings)
