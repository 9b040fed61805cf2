"""Data and spaces as the command line names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.cli.arguments import UsageError, parse_fixed, read_json_object
from strategy_optimizer.cli.backtest_options import DataOptions
from strategy_optimizer.errors import DataError, SpaceError, nearest_name
from strategy_optimizer.market import SAMPLES, Bars, load_bars
from strategy_optimizer.market.advice import ColumnChoice
from strategy_optimizer.market.columns import ROLES
from strategy_optimizer.market.moments import parse_moment
from strategy_optimizer.market.reading import source_name
from strategy_optimizer.space import ParameterSpace

_FORMAT = "format"
_COLUMN_KEYS = (*ROLES, _FORMAT)
_NEXT_PAIR = re.compile(r",(?=\s*\w+\s*=)")  # a comma before anything else belongs to a name or a format
_COLUMNS_FORM = "ROLE=COLUMN, several with commas between them, such as close=Schluss,open=Eroeffnung"


def data_source(names: Sequence[str]) -> Any:
    """Return what `load_bars` takes: one name, or several as one symbol each."""
    if not all(names):
        raise UsageError("--data is empty; expected a sample's name, a file or a folder")
    if len(names) == 1:
        return names[0]
    symbols = [source_name(name) for name in names]
    repeated = next((symbol for symbol in symbols if symbols.count(symbol) > 1), None)
    if repeated is not None:
        raise UsageError(f"--data names '{repeated}' twice; several symbols need different names")
    return dict(zip(symbols, names, strict=True))


def load_named_bars(options: DataOptions) -> Bars:
    """Return the bars that the options name."""
    return load_bars(data_source(options.data), **reading_options(options))


def reading_options(options: DataOptions) -> dict[str, Any]:
    """Return what `load_bars` and `check_bars` take besides the source."""
    check_period(options.start, options.end)
    return {
        "name": None if len(options.data) == 1 else "+".join(data_source(options.data)),
        "start": options.start,
        "end": options.end,
        "repair": ",".join(options.repair),
        "columns": parse_columns(options.columns, options.data),
    }


def parse_columns(texts: Sequence[str], names: Sequence[str]) -> dict[str, ColumnChoice]:
    """Return which column has which role, from texts like ``close=Schluss,open=Eroeffnung``; names are the data.

    ``format=`` says how the timestamps are written, or their unit; an empty name leaves a column out.

    >>> parse_columns(["close=Px Last,volume=", "timestamp=Date,format=%d/%m/%Y"], ["prices.csv"])
    {'close': 'Px Last', 'volume': None, 'timestamp': ('Date', '%d/%m/%Y')}
    """
    if texts and all(name in SAMPLES for name in names):
        raise UsageError(f"--columns is for files; the columns of {', '.join(names)} are known, leave it out")
    said: dict[str, str] = {}
    for pair in (pair.strip() for text in texts for pair in _NEXT_PAIR.split(text)):
        typed, equals, name = (part.strip() for part in pair.partition("="))
        role = typed.lower()
        if not equals or not role or set(name.replace(" ", "").split(",")[1:]) & set(_COLUMN_KEYS):
            raise UsageError(f"--columns '{pair}' cannot be read; expected {_COLUMNS_FORM}")
        if role not in _COLUMN_KEYS:
            raise UsageError(f"--columns '{pair}': {_unknown_role(typed, name)}")
        if role in said:
            raise UsageError(f"--columns gives '{role}' twice")
        said[role] = name
    written = said.pop(_FORMAT, "")
    columns: dict[str, ColumnChoice] = {role: name or None for role, name in said.items()}
    if written:
        if not said.get("timestamp"):
            raise UsageError(
                f"--columns {_FORMAT}={written}: name the column that is written so, too: "
                f"timestamp=Date,{_FORMAT}={written}"
            )
        columns["timestamp"] = (said["timestamp"], written)
    return columns


def _unknown_role(role: str, name: str) -> str:
    if name in _COLUMN_KEYS:
        return f"the role comes first: {name}={role}"
    return (
        f"there is no role '{role}'{nearest_name(role, _COLUMN_KEYS)}; the roles are {', '.join(ROLES)}, "
        f"and {_FORMAT} says how the timestamps are written"
    )


def check_period(start: str | None, end: str | None) -> None:
    """Refuse dates that cannot be read, and a period that ends before it begins."""
    for option, value in (("--from", start), ("--to", end)):
        try:
            parse_moment(value) if value is not None else None
        except DataError as error:
            raise DataError(f"{option}: {error}") from None
    if start is not None and end is not None and parse_moment(start) > parse_moment(end, edge="end"):
        raise UsageError(f"--from {start} comes after --to {end}; the earlier date goes to --from")


def narrowed_space(
    space: ParameterSpace, file: Path | None, constraints: Sequence[str], fixed: Sequence[str]
) -> ParameterSpace:
    """Return the strategy's space with a file's bounds, more constraints, and fixed parameters."""
    if file is not None:
        try:
            space = space.override(read_json_object(file, "space file"))
        except SpaceError as error:
            raise SpaceError(f"the space file {file}: {error}", parameter=error.parameter) from error
    if constraints:
        try:
            space = space.with_constraints(*constraints)
        except SpaceError as error:
            raise SpaceError(f"--constraint: {error}", parameter=error.parameter) from error
    return space.fix(parse_fixed(fixed, space.parameters)) if fixed else space
