"""Writes all trials of a task, or any other table, to a CSV, Parquet or JSON file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import TaskError, nearest_name
from strategy_optimizer.records import TRIAL_STATES
from strategy_optimizer.space import Categorical, Discrete, Parameter
from strategy_optimizer.tasks.history import TrialHistory

if TYPE_CHECKING:
    import polars as pl

_WRITERS: Mapping[str, Callable[[Any, Path], None]] = {
    ".csv": lambda frame, path: frame.write_csv(path),
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".json": lambda frame, path: _finite(frame).write_json(path),
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


def writer_of(path: str | Path) -> Callable[[Any, Path], None]:
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
    import polars as pl  # heavy: only when trials are exported

    states = np.array(TRIAL_STATES)[history.states]
    columns: dict[str, Any] = {
        "trial": np.arange(1, len(history) + 1),
        "state": pl.Series(states.tolist(), dtype=pl.String),
        "reason": pl.Series(history.reasons, dtype=pl.String),
        "feasible": history.feasible,
        **_standing(history),
        "seconds": history.seconds,
        "author": pl.Series(history.authors or [None] * len(history), dtype=pl.String),
    }
    points, metrics = history.points, history.metrics
    for i, (name, parameter) in enumerate(history.space.parameters.items()):
        columns[_free(name, columns)] = _parameter_column(parameter, points[:, i])
    for i, name in enumerate(history.metric_names):
        columns[_free(name, columns)] = np.ascontiguousarray(metrics[:, i])
    frame = pl.DataFrame(columns)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("reason").replace("", None))


def _standing(history: TrialHistory) -> dict[str, Any]:
    """Return what says how good the trials are: their score, or whether they are on the Pareto front."""
    if history.front is None:
        return {"score": history.scores}
    on_front = np.zeros(len(history), np.bool_)
    on_front[history.front.rows] = True
    return {"on_front": on_front}


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


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    floats = pl.col(pl.Float64)
    return frame.with_columns(pl.when(floats.is_finite()).then(floats))
