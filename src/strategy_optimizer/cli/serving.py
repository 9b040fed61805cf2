"""The commands of the service at work."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from strategy_optimizer.cli.exits import DONE
from strategy_optimizer.cli.service_options import ServeOptions, StoreOptions, WorkerOptions
from strategy_optimizer.cli.terminal import note
from strategy_optimizer.errors import StorageError
from strategy_optimizer.market.report import counted
from strategy_optimizer.service_logs import configure_logs
from strategy_optimizer.storage import Retention, Store


def run_serve(options: ServeOptions) -> int:
    """Run the service until it is told to stop."""
    settings = options.read()
    if options.show_settings:
        sys.stdout.write(json.dumps(settings.effective(), indent=2) + "\n")
        return DONE
    from strategy_optimizer.main import serve  # the web framework, only now

    return serve(settings)


def run_worker(options: WorkerOptions) -> int:
    """Run a worker until it is told to stop."""
    settings = options.read()
    if options.show_settings:
        sys.stdout.write(json.dumps(settings.effective(), indent=2) + "\n")
        return DONE
    from strategy_optimizer.worker import run_worker, worker_settings

    configure_logs(settings.log_level, settings.log_format)
    return run_worker(worker_settings(settings, options.name))


def run_backup(options: StoreOptions, file: Path) -> int:
    """Write everything into one file."""
    with open_store(options) as store:
        store.back_up(file)
    note(f"wrote {file} ({file.stat().st_size:,} bytes)")
    return DONE


def run_restore(options: StoreOptions, file: Path) -> int:
    """Fill an empty database from a backup."""
    with open_store(options, new=True) as store:
        store.restore(file)
        n = store.tasks.count()
    note(f"restored {counted(n, 'task')} from {file}")
    return DONE


def run_tidy(options: StoreOptions, tasks: float | None, progress: float, audit: float) -> int:
    """Remove what need not be kept."""
    with open_store(options) as store:
        removed = store.tidy(Retention(tasks=tasks, progress=progress, audit=audit))
    shown = [counted(n, name.replace("_", " ")[:-1]) for name, n in asdict(removed).items() if n]
    note(f"removed {', '.join(shown) or 'nothing'}")
    return DONE


def run_vacuum(options: StoreOptions) -> int:
    """Give room back to the disk."""
    with open_store(options) as store:
        before = store.size
        store.vacuum()
        note(f"{before:,} bytes before, {store.size:,} after")
    return DONE


def run_upgrade(options: StoreOptions) -> int:
    """Bring the database to this version."""
    with open_store(options):
        note("the database is of this version")
    return DONE


@contextmanager
def open_store(options: StoreOptions, *, new: bool = False) -> Iterator[Store]:
    """Open the store that the settings name; without `new`, a file must be there."""
    address = options.read().store_url
    if isinstance(address, Path):
        if not new and not address.is_file():
            raise StorageError(f"there is no database {address}; name its folder with --data-dir")
        address.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Store(address) as store:
        if not new:
            store.upgrade()
        yield store
