"""Writes all trials of a task, or any other table, to a CSV, Parquet or JSON file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import TaskError, nearest_name
from strategy_optimizer.market.files import write_parquet
from strategy_optimizer.records import TRIAL_STATES
from strategy_optimizer.space import Categorical, Discrete, Parameter, ParameterSpace
from strategy_optimizer.tasks.history import TrialColumns, TrialHistory

if TYPE_CHECKING:
    import polars as pl

_WRITERS: Mapping[str, Callable[[Any, Path], object]] = {
    ".csv": lambda frame, path: frame.write_csv(path),
    ".parquet": write_parquet,
    # Through memory: Polars says nothing when the end of a JSON file does not fit on the disk.
    ".json": lambda frame, path: path.write_text(finite(frame).write_json(), encoding="utf-8"),
}


def export_trials(history: TrialHistory, path: str | Path) -> Path:
    """Write one row a trial and return the path; the file appears whole or not at all.

    Parameters
    ----------
    history : TrialHistory
    path : str or Path
        Ending in .csv, .parquet or .json (a list of objects). An existing file is replaced.

    Raises
    ------
    TaskError
        Unknown ending, or the file cannot be written.

    Notes
    -----
    Columns: trial (from 1), state, reason, feasible, score (with several objectives instead: on_front, whether
    the trial is on the Pareto front), seconds, author (the algorithm that proposed it), one a parameter in its
    natural type, one a metric. What is not there (an inactive parameter, the score of a failed trial) is empty; JSON
    has null also for infinities.
    """
    return write_table(trial_frame(history), path, "trials")


def write_table(frame: pl.DataFrame, path: str | Path, what: str) -> Path:
    """Write a table of `what` and return the path, as `export_trials` does."""
    path = Path(path)
    write = writer_of(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(frame, temporary)
        temporary.replace(path)
    except OSError as error:
        raise TaskError(f"the {what} cannot be written to {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def writer_of(path: str | Path) -> Callable[[Any, Path], object]:
    """Return what writes files with the ending of `path`, or raise a `TaskError` with the known ones."""
    ending = Path(path).suffix.lower()
    if ending not in _WRITERS:
        found = f"the ending {ending!r}" if ending else "no ending"
        raise TaskError(
            f"{path} has {found}{nearest_name(ending, _WRITERS)}; expected one of {', '.join(_WRITERS)}"
        )
    return _WRITERS[ending]


def trial_frame(history: TrialHistory) -> pl.DataFrame:
    """Return all trials as a Polars frame."""
    on_front = None
    if history.front is not None:
        on_front = np.zeros(len(history), np.bool_)
        on_front[history.front.rows] = True
    names, authors = history.metric_names, history.authors
    return rows_frame(
        history, history.space, names, reasons=history.reasons, authors=authors, on_front=on_front
    )


def rows_frame(
    rows: TrialHistory | TrialColumns,
    space: ParameterSpace,
    metric_names: Sequence[str],
    *,
    reasons: Sequence[str],
    authors: Sequence[str | None] = (),
    on_front: NDArray[np.bool_] | None = None,
    first: int = 0,
) -> pl.DataFrame:
    """Return consecutive trials as a Polars frame.

    Parameters
    ----------
    rows : TrialHistory or TrialColumns
    space : ParameterSpace
    metric_names, reasons : sequence of str
    authors : sequence, optional
        Empty when nobody knows them.
    on_front : array of bool, optional
        Of a search with several objectives: whether each trial is on the Pareto front.
    first : int
        Index of the first of them, from 0.
    """
    import polars as pl  # heavy: only when trials are exported

    points, metrics, numbers = rows.points, rows.metrics, np.array(rows.states)
    n = len(numbers)
    columns: dict[str, Any] = {
        "trial": np.arange(first + 1, first + n + 1),
        "state": pl.Series(np.array(TRIAL_STATES)[numbers].tolist(), dtype=pl.String),
        "reason": pl.Series(reasons, dtype=pl.String),
        "feasible": rows.feasible,
        **({"score": rows.scores} if on_front is None else {"on_front": on_front}),
        "seconds": rows.seconds,
        "author": pl.Series(authors or [None] * n, dtype=pl.String),
    }
    for i, (name, parameter) in enumerate(space.parameters.items()):
        columns[_free(name, columns)] = _parameter_column(parameter, points[:, i])
    for i, name in enumerate(metric_names):
        columns[_free(name, columns)] = np.ascontiguousarray(metrics[:, i])
    frame = pl.DataFrame(columns)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("reason").replace("", None))


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """Return a column name; one that is taken (a parameter called "score") gets an underscore."""
    return name if name not in taken else _free(f"{name}_", taken)


def _parameter_column(parameter: Parameter, values: NDArray[np.float64]) -> Any:
    import polars as pl

    active = ~np.isnan(values)
    plain: list[Any] = [None] * len(values)
    decoded = iter(parameter.decode_many(values[active]))
    for row in np.flatnonzero(active).tolist():
        plain[row] = next(decoded)
    if isinstance(parameter, Categorical):
        kinds = {type(choice) for choice in parameter.choices}
        if kinds in ({bool}, {int}):
            return pl.Series(plain, dtype=pl.Boolean if kinds == {bool} else pl.Int64)
        if kinds <= {int, float}:
            return pl.Series(plain, dtype=pl.Float64)
        return pl.Series([None if v is None else str(v) for v in plain], dtype=pl.String)
    return pl.Series(plain, dtype=pl.Int64 if isinstance(parameter, Discrete) else pl.Float64)


def finite(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with null for infinities, as JSON wants it."""
    import polars as pl

    floats = pl.col(pl.Float64)
    return frame.with_columns(pl.when(floats.is_finite()).then(floats))
