"""Data and spaces as the command line names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.cli.arguments import UsageError, parse_fixed, read_json_object
from strategy_optimizer.errors import DataError, SpaceError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.market.moments import parse_moment
from strategy_optimizer.market.reading import source_name
from strategy_optimizer.space import ParameterSpace


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


def load_named_bars(
    names: Sequence[str], start: str | None, end: str | None, repair: Sequence[str] = ()
) -> Bars:
    """Return the bars of one or several ``--data``."""
    check_period(start, end)
    name = None if len(names) == 1 else "+".join(data_source(names))
    return load_bars(data_source(names), name=name, start=start, end=end, repair=tuple(repair))


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
