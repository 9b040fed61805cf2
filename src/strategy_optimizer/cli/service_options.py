"""What may be typed after the commands of the service; each field is a setting, but for `NO_SETTINGS`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from strategy_optimizer.cli.option_types import folder

if TYPE_CHECKING:
    from strategy_optimizer.service_settings import ServiceSettings

SETTINGS = {"slots": "workers"}
"""Options that are called otherwise than their setting."""
NO_SETTINGS = ("settings", "show_settings", "name")


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """What every command shares that opens the store. None says nothing: the environment or the file may."""

    first: ClassVar[tuple[str, ...]] = ()

    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            parser=folder,
            metavar="DIR",
            help="Folder of the database, the admin key and copies of data.",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            metavar="URL",
            help="postgresql://USER@HOST/NAME; better in STRATEGY_OPTIMIZER_DATABASE_URL, where others do not see it. "
            "By default a file in the data folder.",
        ),
    ] = None
    log_level: Annotated[
        str | None, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
    ] = None
    log_format: Annotated[
        str | None,
        typer.Option("--log-format", metavar="FORM", help="json, text, or auto: text on a terminal."),
    ] = None
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings", metavar="FILE", help="A TOML file of settings; options and environment go first."
        ),
    ] = None
    show_settings: Annotated[
        bool,
        typer.Option(
            "--show-settings", help="Print the settings in force as JSON, without passwords, and end."
        ),
    ] = False

    def read(self) -> ServiceSettings:
        """Return the settings in force."""
        from strategy_optimizer.service_settings import read_settings

        names = [each.name for each in fields(self) if each.name not in NO_SETTINGS]
        given = {SETTINGS.get(name, name): getattr(self, name) for name in names}
        return read_settings(given, self.settings)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(StoreOptions):
    """What the commands share that run tasks."""

    strategies: Annotated[
        Path | None,
        typer.Option(
            "--strategies",
            parser=folder,
            metavar="DIR",
            help="Folder of your strategy files; code comes from nowhere else.",
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Threads of each task; by default the cores shared."),
    ] = None
    task_memory: Annotated[
        int | None, typer.Option("--task-memory", metavar="MB", help="What a task may take (4096).")
    ] = None
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="ADDRESS",
            help="A Ray cluster that runs the trials of engines; by default processes of this machine do.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ServeOptions(TaskOptions):
    """What may be typed after ``serve``."""

    first: ClassVar[tuple[str, ...]] = ("host", "port", "data_dir", "workers")

    host: Annotated[
        str | None, typer.Option("--host", help="Where to listen (127.0.0.1: this machine only).")
    ] = None
    port: Annotated[int | None, typer.Option("--port", help="8000; 0 finds a free one.")] = None
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", help="Tasks at once (1); 0 leaves them to `strategy-optimizer worker`."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(TaskOptions):
    """What may be typed after ``worker``."""

    first: ClassVar[tuple[str, ...]] = ("data_dir", "database_url", "slots", "name")

    slots: Annotated[int | None, typer.Option("--slots", "-n", metavar="N", help="Tasks at once (1).")] = None
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of this worker; no other may have it.")
    ] = None
