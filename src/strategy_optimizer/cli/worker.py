"""The command `worker`: a process that runs the tasks of a store."""

from __future__ import annotations

from pathlib import Path

from strategy_optimizer.cli.arguments import UsageError
from strategy_optimizer.cli.engines import parse_size
from strategy_optimizer.cli.options import WorkerOptions
from strategy_optimizer.service_logs import configure_logs
from strategy_optimizer.service_settings import MEGABYTE, read_settings
from strategy_optimizer.worker import run_worker, worker_settings

LEAST = 256 * MEGABYTE


def run_worker_command(options: WorkerOptions) -> int:
    """Run a worker until SIGTERM or Ctrl-C, and return the exit code."""
    given = {
        "data_dir": options.data_dir,
        "database_url": options.database_url,
        "workers": options.slots,
        "threads": options.threads,
        "task_memory": None if options.memory is None else _megabytes(options.memory),
        "log_level": options.log_level,
        "log_format": options.log_format,
    }
    settings = read_settings(given, None if options.config is None else Path(options.config))
    configure_logs(settings.log_level, settings.log_format)
    return run_worker(worker_settings(settings, name=options.name))


def _megabytes(text: str) -> int:
    size = parse_size(text)
    if size < LEAST:
        raise UsageError(f"--memory {text} is too little for a task; expected at least 256M")
    return size // MEGABYTE
