"""The commands of the service: ``serve``, and those for its store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from strategy_optimizer.cli.option_types import folder
from strategy_optimizer.cli.service_options import ServeOptions, StoreOptions, WorkerOptions
from strategy_optimizer.cli.taking import takes

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", parser=folder, metavar="DIR", help="Folder of the service's data."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="The database, when it is no file in that folder."),
]
store = typer.Typer(
    no_args_is_help=True, help="Look after the database of the service.", rich_markup_mode=None
)


def add_service_commands(app: typer.Typer) -> None:
    """Add them to the program."""
    app.command(
        short_help="Start the service: REST, websockets and one worker.",
        epilog="\b\nExamples:\n"
        "  strategy-optimizer serve\n"
        "  strategy-optimizer serve --strategies my_strategies --workers 2\n"
        "  STRATEGY_OPTIMIZER_DATABASE_URL=postgresql://so@db/so strategy-optimizer serve --workers 0",
    )(serve)
    app.command(
        short_help="Run the tasks of the service.",
        epilog="\b\nExamples:\n"
        "  strategy-optimizer worker\n"
        "  strategy-optimizer worker --data-dir /var/lib/optimizer --slots 4\n"
        "  strategy-optimizer worker --database-url postgresql://optimizer@db/optimizer",
    )(worker)
    app.add_typer(store, name="store", short_help="Look after the database of the service.")


@takes(ServeOptions)
def serve(options: ServeOptions, call: Sequence[str]) -> int:
    """Start the service and run until Ctrl-C.

    It listens on this machine only, keeps everything in one folder, and runs tasks by itself: nothing else has to be
    installed or started. The first start makes an administrator, prints the key once and keeps it in admin.key of the
    data folder. Every option can also be a variable, STRATEGY_OPTIMIZER_PORT=9000, or a line of a --settings file.
    """
    from strategy_optimizer.cli.serving import run_serve

    return run_serve(options)


@takes(WorkerOptions)
def worker(options: WorkerOptions, call: Sequence[str]) -> int:
    """Take tasks from the store, run each in a process of its own, and store its trials as they come.

    Any number of workers share the tasks. Ctrl-C or SIGTERM gives running tasks back, with all that was done; a second
    one ends at once. When a worker is killed, others go on with its tasks.
    """
    from strategy_optimizer.cli.serving import run_worker

    return run_worker(options)


@store.command(epilog="\b\nExample:\n  strategy-optimizer store backup 2026-11-29.db")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="To be made; must not exist.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Write everything into one file, of one moment, while the service goes on."""
    from strategy_optimizer.cli.serving import run_backup

    return run_backup(StoreOptions(data_dir=data_dir, database_url=database_url), file)


@store.command(epilog="\b\nExample:\n  strategy-optimizer store restore 2026-11-29.db --data-dir new")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `store backup` wrote.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Fill an empty database from a backup, also of the other kind: this is the way from a file to PostgreSQL."""
    from strategy_optimizer.cli.serving import run_restore

    return run_restore(StoreOptions(data_dir=data_dir, database_url=database_url), file)


@store.command(epilog="\b\nExample:\n  strategy-optimizer store tidy --tasks 90")
def tidy(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    tasks: Annotated[
        float | None,
        typer.Option(
            "--tasks", metavar="DAYS", help="Remove tasks that ended longer ago, with their trials."
        ),
    ] = None,
    progress: Annotated[
        float, typer.Option("--progress", metavar="DAYS", help="Then one progress event stands for many.")
    ] = 7.0,
    audit: Annotated[
        float, typer.Option("--audit", metavar="DAYS", help="Keep the audit log so long.")
    ] = 365.0,
) -> int:
    """Remove what need not be kept: progress that nobody reads again, old sessions and keys; tasks only when asked."""
    from strategy_optimizer.cli.serving import run_tidy

    return run_tidy(StoreOptions(data_dir=data_dir, database_url=database_url), tasks, progress, audit)


@store.command()
def vacuum(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Give the room of removed rows back to the disk."""
    from strategy_optimizer.cli.serving import run_vacuum

    return run_vacuum(StoreOptions(data_dir=data_dir, database_url=database_url))


@store.command()
def upgrade(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> int:
    """Bring the database to this version; `serve` and `worker` do so by themselves."""
    from strategy_optimizer.cli.serving import run_upgrade

    return run_upgrade(StoreOptions(data_dir=data_dir, database_url=database_url))
