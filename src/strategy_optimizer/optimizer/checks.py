"""Turn what callers hand over into clean arrays, or say clearly what is wrong with it."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from strategy_optimizer.errors import OptimizerSettingError, SearchError, SpaceError, nearest_name
from strategy_optimizer.optimizer.history import FloatArray, Outcomes
from strategy_optimizer.space import ParameterSpace

_DIRECTIONS = {"maximize": 1.0, "minimize": -1.0}


def as_space(value: Any) -> ParameterSpace:
    """Return `value` if it is a parameter space with something to search."""
    if not isinstance(value, ParameterSpace):
        raise SpaceError(f"space is a {type(value).__name__}; expected a ParameterSpace")
    if value.n_dims == 0:
        raise SpaceError("the space has no parameters; add one with add_parameter")
    return value


def as_count(value: Any, name: str, *, least: int = 1) -> int:
    """Return `value` as an integer of at least `least`.

    >>> as_count(8, "n")
    8
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool) or count < least:
        raise OptimizerSettingError(f"{name} is {value!r}; expected a whole number of at least {least}")
    return count


def as_share(value: Any, name: str) -> float:
    """Return `value` as a float between 0 and 1."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0.0 <= number <= 1.0:
        raise OptimizerSettingError(f"{name} is {value!r}; expected a number between 0 and 1")
    return float(number)


def as_seconds(value: Any, name: str) -> float | None:
    """Return None, or `value` as a positive number of seconds."""
    if value is None:
        return None
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0.0 < number < math.inf:
        raise OptimizerSettingError(f"{name} is {value!r}; expected a positive number of seconds")
    return float(number)


def as_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if value not in choices:
        raise OptimizerSettingError(
            f"{name} is {value!r}; expected one of {', '.join(choices)}{nearest_name(str(value), choices)}"
        )
    return str(value)


def as_directions(directions: Any, *, several: bool, name: str) -> tuple[str, ...]:
    """Return one direction per objective; `several` says whether the optimizer `name` takes more than one.

    >>> as_directions("minimize", several=False, name="ga"), as_directions(None, several=False, name="ga")
    (('minimize',), ('maximize',))
    """
    if directions is None:
        return ("maximize",)
    if not isinstance(directions, str | Iterable):
        raise OptimizerSettingError(
            f"directions is {directions!r}; expected 'maximize', 'minimize' or a list of them"
        )
    names = [directions] if isinstance(directions, str) else list(directions)
    if not names:
        raise OptimizerSettingError("directions is empty; give one of maximize, minimize for each objective")
    if len(names) > 1 and not several:
        raise OptimizerSettingError(
            f"{name} optimises exactly one objective, found {len(names)} directions. "
            "Combine the metrics into one score with weights, or use auto, bo or nsga2, which find the trade-offs"
        )
    return tuple(as_choice(name, "directions", tuple(_DIRECTIONS)) for name in names)


def signs_of(directions: Sequence[str]) -> FloatArray:
    """Return what turns raw scores into larger-is-better, (m,): +1 to maximise, -1 to minimise."""
    return np.array([_DIRECTIONS[name] for name in directions])


def as_one_per_objective(value: Any, name: str, n_objectives: int) -> FloatArray:
    """Return `value` as (m,) finite numbers.

    >>> as_one_per_objective((1.0, 0.2), "aspiration", 2)
    array([1. , 0.2])
    """
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (n_objectives,) or not np.isfinite(array).all():
        raise SearchError(f"{name} is {value!r}; expected {n_objectives} finite numbers, one per objective")
    return array


def as_points(value: Any, n_dims: int) -> FloatArray:
    """Return `value` as points, (n, n_dims)."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SearchError(f"points must be numbers, shape (n, {n_dims}): {error}") from error
    if array.ndim != 2 or array.shape[1] != n_dims:
        raise SearchError(f"points has shape {array.shape}; expected (n, {n_dims})")
    return array


def as_outcomes(
    scores: Any,
    constraints: Any,
    std_errors: Any,
    seconds: Any,
    *,
    n: int,
    directions: Sequence[str],
    n_constraints: int,
) -> Outcomes:
    """Return what was told about `n` points as clean columns, scores as larger-is-better."""
    if len(directions) == 1:
        checked = _DIRECTIONS[directions[0]] * as_scores(scores, n)
        errors = as_column(std_errors, n, "std_errors")
    else:
        checked = signs_of(directions) * as_score_rows(scores, n, directions)
        errors = None if std_errors is None else _as_rows(std_errors, n, directions, "std_errors")
        _check_not_negative(errors, "std_errors")
    return Outcomes(
        checked, as_constraints(constraints, n, n_constraints), errors, as_column(seconds, n, "seconds")
    )


def as_scores(scores: Any, n: int) -> FloatArray:
    """Return scores as (n,) floats; None, NaN and infinities become NaN (failed)."""
    array = _as_floats(scores, "scores")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise SearchError(
            f"scores has shape {array.shape}; expected one score per point, shape ({n},). "
            "This search has one objective; several need one entry each in directions"
        )
    _check_length(array, n, "scores")
    return np.where(np.isfinite(array), array, np.nan)


def as_score_rows(scores: Any, n: int, directions: Sequence[str]) -> FloatArray:
    """Return scores as (n, m) floats; a trial with a None, NaN or infinity becomes NaN throughout (failed).

    >>> as_score_rows([[0.5, 2.0], None, [1.0, np.inf]], 3, ("maximize", "minimize"))
    array([[0.5, 2. ],
           [nan, nan],
           [nan, nan]])
    """
    array = _as_rows(_with_whole_rows(scores, n, len(directions)), n, directions, "scores")
    return np.where(np.isfinite(array).all(axis=1, keepdims=True), array, np.nan)


def _with_whole_rows(scores: Any, n: int, m: int) -> Any:
    """Write a failed trial that was given as one None or NaN as a row of NaN."""
    listed = isinstance(scores, Sequence) or (isinstance(scores, np.ndarray) and scores.ndim == 1)
    if not listed or len(scores) != n:
        return scores
    return [[math.nan] * m if _is_missing(row) else row for row in scores]


def _is_missing(row: Any) -> bool:
    return row is None or (isinstance(row, float) and math.isnan(row))


def _as_rows(values: Any, n: int, directions: Sequence[str], name: str) -> FloatArray:
    """Return (n, m) floats; the values of a single point may come without the outer list."""
    m = len(directions)
    expected = f"expected shape ({n}, {m}), for each point one value per direction ({', '.join(directions)})"
    try:
        _refuse_texts(values)
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise SearchError(
            f"{name} has rows of different lengths or something that is not a number; {expected}: {error}"
        ) from error
    if array.ndim == 1 and array.size == n * m and n <= 1:
        array = array.reshape(n, m)
    if array.shape != (n, m):
        raise SearchError(f"{name} has shape {array.shape}; {expected}")
    return array


def as_column(values: Any, n: int, name: str) -> FloatArray | None:
    """Return an optional (n,) column of numbers from 0 up; None entries become NaN."""
    if values is None:
        return None
    array = _as_floats(values, name)
    _check_not_negative(array, name)
    if array.ndim == 0:
        return np.full(n, float(array))
    _check_length(array, n, name)
    return array


def _check_not_negative(array: FloatArray | None, name: str) -> None:
    if array is not None and (array < 0).any():
        raise SearchError(f"{name} are below 0 ({array[array < 0][0]:g} is one); expected numbers from 0 up")


def as_constraints(values: Any, n: int, n_expected: int) -> FloatArray | None:
    """Return outcome constraints as (n, k); `n_expected` is the k told before, 0 when none was."""
    if values is None:
        return None
    array = _as_floats(values, "constraints")
    array = array[:, None] if array.ndim == 1 else array
    _check_length(array, n, "constraints")
    if array.ndim != 2 or (n_expected and array.shape[1] != n_expected):
        expected = n_expected or "k"
        raise SearchError(
            f"constraints has shape {array.shape}; expected ({n}, {expected}), feasible where >= 0"
        )
    return array


def _as_floats(values: Any, name: str) -> FloatArray:
    """Return a float array; None becomes NaN."""
    try:
        _refuse_texts(values)
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise SearchError(f"{name} must be numbers (None or NaN for a failed trial): {error}") from error


def _refuse_texts(values: Any) -> None:
    """Refuse texts: NumPy would take those that read like a number for one."""
    if isinstance(values, np.ndarray) and values.dtype.kind not in "OSU":
        return
    texts = [each for each in np.asarray(values, object).flat if isinstance(each, str | bytes)]
    if texts:
        raise ValueError(f"the text {str(texts[0])!r} is not a number")


def _check_length(array: FloatArray, n: int, name: str) -> None:
    if len(array) != n:
        raise SearchError(
            f"{name} has {len(array)} rows for {n} points; give exactly one per point, in the same order"
        )
