"""The settings of the service: from the command line, the environment, a TOML file, and defaults, in this order."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from strategy_optimizer.config import CACHE, DATA, STATE, data_folder
from strategy_optimizer.errors import SettingsError
from strategy_optimizer.storage.address import without_passwords

PREFIX = "STRATEGY_OPTIMIZER_"
MEGABYTE = 2**20
_OTHERS = {CACHE, DATA, STATE, *(PREFIX + name for name in ("KEY", "DEBUG", "ENGINE_KEY", "WORKER", "RAY"))}
"""Variables of this package that are no settings of the service."""
_SLIP = 0.75
"""How alike a variable has to be to a setting's for it to be a slip; others are somebody else's, and left alone."""


class ServiceSettings(BaseSettings):
    """What the service, its workers and its store are told.

    Every setting is an environment variable too: ``STRATEGY_OPTIMIZER_`` and its name in capitals; lists have commas.

    Attributes
    ----------
    host, port
        Where the service listens; loopback unless it is told otherwise.
    data_dir : Path
        Folder of the database file, the admin key, and copies of strategies and datasets.
    database_url : str or None
        ``postgresql://USER:PASSWORD@HOST/NAME``; by default a file in `data_dir`.
    strategies : Path or None
        Folder of the users' strategy files. Code comes from there or from installed packages, never over the network.
    workers : int
        Tasks that the service runs at once by itself; 0 leaves them to ``strategy-optimizer worker``.
    threads : int or None
        Threads of each task; by default the cores shared among the tasks.
    task_memory : int
        Megabytes that a task may take.
    niceness : int
        Of tasks, 0 to 19: how far they step back behind the API and whatever else the machine does.
    origins : tuple of str
        Web origins, beside the service's own, whose pages may call it with a session cookie.
    secure_cookies : bool
        Whether session cookies travel over HTTPS only.
    trusted_proxies : tuple of str
        Addresses of proxies whose ``X-Forwarded-For`` is believed.
    body_size, upload_size : int
        Megabytes that a request, and an uploaded dataset, may have.
    requests_a_second : float
        Of each caller, on average; short bursts may be five times that.
    sockets, sockets_of_user : int
        Websockets that are open at one time, of everybody and of one user; requests that wait for events count too.
    private_webhooks : bool
        Whether webhooks may go to private and loopback addresses.
    ray_address : str or None
        The Ray cluster that runs trials of engines; by default they run in processes of this machine. Strategies on the
        built-in kernel do not use it.
    engine_variables : tuple of str
        Variables of the workers' environment that engines find in theirs, such as the keys of HTTP engines.
    log_level, log_format
        ``json`` for machines, ``text`` for people; by default text on a terminal.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    data_dir: Path = Field(default_factory=lambda: data_folder() / "service")
    database_url: SecretStr | None = None
    strategies: Path | None = None
    workers: int = Field(default=1, ge=0, le=64)
    threads: int | None = Field(default=None, ge=1)
    task_memory: int = Field(default=4096, ge=256)
    niceness: int = Field(default=10, ge=0, le=19)
    origins: Annotated[tuple[str, ...], NoDecode] = ()
    secure_cookies: bool = False
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    body_size: int = Field(default=1, ge=1)
    upload_size: int = Field(default=200, ge=1)
    requests_a_second: float = Field(default=200.0, gt=0)
    sockets: int = Field(default=2000, ge=1)
    sockets_of_user: int = Field(default=500, ge=1)
    private_webhooks: bool = False
    ray_address: str | None = None
    engine_variables: Annotated[tuple[str, ...], NoDecode] = ("STRATEGY_OPTIMIZER_ENGINE_KEY",)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"

    @field_validator("origins", "trusted_proxies", "engine_variables", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("database_url")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _check_address(value.get_secret_value())
        return value

    @property
    def store_url(self) -> str | Path:
        """The address of the database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return self.data_dir / "store.db"

    def effective(self) -> dict[str, Any]:
        """Return every setting as it is in force, as JSON values, without passwords."""
        shown = self.model_dump(mode="json")
        if self.database_url is not None:
            shown["database_url"] = without_passwords(self.database_url.get_secret_value())
        return shown


def _check_address(text: str) -> None:
    """Refuse what is no address of a database; the error shows nothing of it, for that may be a password."""
    try:
        is_one = "@" not in (make_url(text).host or "")
    except (ArgumentError, ValueError):
        is_one = False
    if not is_one:
        raise ValueError(
            "it is no address of a database; expected postgresql://USER:PASSWORD@HOST/NAME, where @ : / in the "
            "password are written as %40 %3A %2F"
        )


def read_settings(given: Mapping[str, Any] | None = None, file: Path | None = None) -> ServiceSettings:
    """Return the settings in force.

    Parameters
    ----------
    given : mapping, optional
        What the command line says; None values say nothing.
    file : Path, optional
        A TOML file of settings; the environment goes before it, the command line before both.

    Raises
    ------
    SettingsError
        With every setting that is unknown or wrong, and where it came from.
    """
    said = {name: value for name, value in (given or {}).items() if value is not None}
    written = {} if file is None else _read_file(file)
    try:
        in_environment = ServiceSettings().model_dump(exclude_unset=True)
    except ValidationError as error:
        raise SettingsError(_explain(error, {}, {}, None)) from error
    try:
        settings = ServiceSettings(**{**written, **in_environment, **said})
    except ValidationError as error:
        raise SettingsError(_explain(error, said, written, file)) from error
    _check_slips(settings.engine_variables)
    return settings


def _check_slips(engine_variables: tuple[str, ...]) -> None:
    """Raise when a variable of the environment is almost called like a setting, which would then not be in force."""
    settings = {PREFIX + name.upper() for name in ServiceSettings.model_fields}
    for variable in map(str.upper, os.environ):
        if not variable.startswith(PREFIX) or variable in settings | _OTHERS | set(engine_variables):
            continue
        bare = variable.removeprefix(PREFIX)
        near = get_close_matches(bare, [name.removeprefix(PREFIX) for name in settings], n=1, cutoff=_SLIP)
        if near:
            raise SettingsError(f"{variable}: there is no such setting; did you mean '{PREFIX}{near[0]}'?")


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file {file} is no TOML: {error}") from error


def _explain(
    error: ValidationError, said: Mapping[str, Any], written: Mapping[str, Any], file: Path | None
) -> str:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        if name in said:
            source = f"--{name.replace('_', '-')}"
        else:
            source = f"{name} in {file}" if name in written else f"{PREFIX}{name.upper()}"
        lines.append(f"{source}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return "; ".join(lines)
