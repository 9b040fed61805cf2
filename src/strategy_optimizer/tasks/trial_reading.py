"""Reads trials that were exported, and makes a history of trials again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import SpaceError, TaskError
from strategy_optimizer.objective import Objective
from strategy_optimizer.records import TRIAL_STATES, Trial
from strategy_optimizer.space import Categorical, Discrete, Parameter, ParameterSpace
from strategy_optimizer.tasks.history import TrialColumns, TrialHistory

if TYPE_CHECKING:
    import polars as pl

LAST_BEFORE_PARAMETERS = "author"  # of the columns that `export_trials` writes


def read_export(path: Path) -> pl.DataFrame:
    """Return the table in a .csv, .parquet or .json file, or raise a `TaskError`."""
    import polars as pl  # heavy: only when a file is read

    readers: dict[str, Any] = {
        ".csv": lambda file: pl.read_csv(file, infer_schema_length=None),
        ".parquet": pl.read_parquet,
        ".json": lambda file: pl.read_json(file, infer_schema_length=None),
    }
    if path.suffix.lower() not in readers:
        raise TaskError(f"{path} cannot be read as trials; expected a file that ends in {', '.join(readers)}")
    try:
        frame: pl.DataFrame = readers[path.suffix.lower()](path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TaskError(f"{path} cannot be read as trials: {str(error).splitlines()[0]}") from error
    return frame


def typed(parameter: Parameter, value: Any) -> Any:
    """Return a value that a file holds in the parameter's own type: a file may have whole numbers as floats.

    >>> typed(Discrete(1, 9), 3.0), typed(Categorical([1.0, 2.5]), 1), typed(Categorical([True, False]), "true")
    (3, 1.0, True)
    """
    if isinstance(parameter, Discrete) and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(parameter, Categorical):
        return value
    # A file of choices of several kinds holds texts.
    same = (choice for choice in parameter.choices if choice == value or str(choice) == str(value))
    return next(same, {"true": True, "false": False}.get(str(value), value))


def read_history(path: str | Path, space: ParameterSpace, objective: Objective) -> TrialHistory:
    """Return the history that `export_trials` wrote to a file.

    Parameters
    ----------
    path : str or Path
        Ending in .csv, .parquet or .json.
    space : ParameterSpace
        That of the search.
    objective : Objective
        That of the search.

    Raises
    ------
    TaskError
        The file cannot be read, or is no export of trials in this space.

    Notes
    -----
    The block sums of returns are in no export: what needs them, such as the probability of overfitting, cannot be
    computed of this history.
    """
    path = Path(path)
    frame = read_export(path)
    names = (*space.names, *METRICS)
    at = frame.columns.index(LAST_BEFORE_PARAMETERS) + 1 if LAST_BEFORE_PARAMETERS in frame.columns else 0
    # A parameter called as another column has an underscore more: the order says which is which.
    found = [column.rstrip("_") for column in frame.columns[at:]]
    if at == 0 or found != [name.rstrip("_") for name in names]:
        raise TaskError(
            f"{path} is no export of this search: expected columns for the parameters {', '.join(space.names)} and "
            f"{len(METRICS)} metrics after the column {LAST_BEFORE_PARAMETERS}, as --export writes them"
        )
    renamed = frame.rename(
        dict(zip(frame.columns[at:], (f"{i} {name}" for i, name in enumerate(names)), strict=True))
    )
    return history_of(space, objective, (_trial(row, space) for row in renamed.iter_rows(named=True)))


def _trial(row: Mapping[str, Any], space: ParameterSpace) -> Trial:
    values = ((name, row[f"{i} {name}"]) for i, name in enumerate(space.names))
    parameters = {name: typed(space.parameters[name], value) for name, value in values if value is not None}
    first = space.n_dims
    return Trial(
        number=row["trial"],
        parameters=parameters,
        metrics={name: as_number(row[f"{first + i} {name}"]) for i, name in enumerate(METRICS)},
        score=as_number(row.get("score")),
        state=row["state"],
        feasible=bool(row["feasible"]),
        seconds=as_number(row["seconds"]),
        reason=row["reason"] or "",
        author=row["author"],
    )


def as_number(value: float | None) -> float:
    """Return a number of a file, NaN where there is none."""
    return math.nan if value is None else float(value)


def history_of(space: ParameterSpace, objective: Objective, trials: Iterable[Trial]) -> TrialHistory:
    """Return a history of trials in their order; it has no block sums.

    Raises
    ------
    TaskError
        A trial does not lie in the space.
    """
    rows = list(trials)
    history = TrialHistory(space, 0, objective)
    if not rows:
        return history
    try:
        points = space.from_dicts([trial.parameters for trial in rows])
    except SpaceError as error:
        raise TaskError(f"the trials are not of this space: {error}") from error
    metrics = [[trial.metrics.get(name, math.nan) for name in history.metric_names] for trial in rows]
    history.extend(
        TrialColumns(
            points,
            np.array(metrics),
            np.empty((len(rows), 0, 2)),
            np.array([trial.score for trial in rows]),
            np.array([trial.seconds for trial in rows]),
            np.array([TRIAL_STATES.index(trial.state) for trial in rows], np.int8),
            np.array([trial.feasible for trial in rows]),
            np.array([history.code_of(trial.reason) for trial in rows], np.int32),
            np.arange(len(rows), dtype=np.int32),
            np.zeros(len(rows), np.int32),
        )
    )
    history.authors = [trial.author for trial in rows] if any(trial.author for trial in rows) else []
    return history
