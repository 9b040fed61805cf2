"""Begin where an earlier search ended: its best parameters are tried first, on the bars of today.

They are trials like all others, scored anew: nothing that was measured on other bars is believed. A past that misleads
so costs its few trials and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import SpaceError, TaskError
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.trial_reading import read_export, typed

MOST_POINTS, SHARE_OF_BUDGET = 20, 0.1


def n_taken_over(planned: int) -> int:
    """Return how many points of an earlier search are tried, for so many planned trials."""
    return max(1, min(MOST_POINTS, int(SHARE_OF_BUDGET * planned)))


def earlier_points(
    source: str | Path | Iterable[Mapping[str, Any]], space: ParameterSpace, at_most: int
) -> tuple[dict[str, Any], ...]:
    """Return parameters to begin with, the best first.

    Parameters
    ----------
    source : path, or iterable of mappings
        Trials that ``export`` wrote (.csv, .parquet, .json), of which the best feasible ones are taken; or parameters.
    space : ParameterSpace
        What is searched now; points outside it are left out. Parameters it does not have are ignored,
        and those that are missing take their default.
    at_most : int
        How many are taken.

    Raises
    ------
    TaskError
        The file cannot be read or is no export of trials, or none of its points lies in the space.
    """
    rows = _best_rows(Path(source)) if isinstance(source, str | Path) else [dict(row) for row in source]
    points: list[dict[str, Any]] = []
    problem = "it has no completed trial"
    for row in rows:
        try:
            point = space.validate(_parameters(row, space))
        except SpaceError as error:
            problem = f"the first problem: {error}"
            continue
        if point not in points:
            points.append(point)
        if len(points) == at_most:
            break
    if not points:
        raise TaskError(f"no parameters of {_named(source)} lie in the space that is searched; {problem}")
    return tuple(points)


def _named(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "warm_start"


def _best_rows(path: Path) -> list[dict[str, Any]]:
    """Return the completed, feasible trials of an export, the best first."""
    import polars as pl  # heavy: only when a file is read

    frame = read_export(path)
    missing = {"state", "feasible", "score"} - set(frame.columns)
    if missing:
        raise TaskError(
            f"{path} is no export of trials with one score: it has no column {', '.join(sorted(missing))}; "
            "expected what --export or Result.export wrote"
        )
    completed = frame.filter(
        (pl.col("state") == "completed") & pl.col("feasible") & pl.col("score").is_not_null()
    )
    best: list[dict[str, Any]] = completed.sort("score", descending=True, maintain_order=True).to_dicts()
    return best


def _parameters(row: Mapping[str, Any], space: ParameterSpace) -> dict[str, Any]:
    """Return a value for each parameter of the space, in its type."""
    found = {name: parameter.default_value for name, parameter in space.parameters.items()}
    for name, parameter in space.parameters.items():
        value = row.get(f"{name}_", row.get(name))
        if value is not None:
            found[name] = typed(parameter, value)
    return found
