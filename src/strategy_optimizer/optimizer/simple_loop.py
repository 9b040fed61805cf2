"""The plain loop for scripts: ask, evaluate, tell, until the budget is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from strategy_optimizer.errors import SearchError

if TYPE_CHECKING:
    from strategy_optimizer.optimizer.base import Optimizer

# With several objectives a score is a sequence of floats.
EvaluateFunction = Callable[[dict[str, Any]], Any]
ProgressCallback = Callable[[int, Any, dict[str, Any]], None]


def spend_budget(
    optimizer: Optimizer, evaluate_func: EvaluateFunction, progress_callback: ProgressCallback | None
) -> tuple[dict[str, Any], Any]:
    """Return the best parameters and their score; see :meth:`Optimizer.optimize`."""
    first_failure: str | None = None
    iteration = 0
    while batch := optimizer.ask(min(optimizer.batch_size, max(0, optimizer.budget - optimizer.n_told))):
        outcomes = [_attempt(evaluate_func, params, optimizer.n_objectives) for params in batch]
        optimizer.tell(batch, [each.score for each in outcomes], seconds=[each.seconds for each in outcomes])
        first_failure = first_failure or next((each.failure for each in outcomes if each.failure), None)
        iteration += 1
        if progress_callback is not None:
            best = optimizer.best_score
            progress_callback(iteration, math.nan if best is None else best, optimizer.best_params or {})
    params, score = optimizer.best_params, optimizer.best_score
    if params is None or score is None:
        raise SearchError(f"all {optimizer.n_told} trials failed; the first one: {first_failure}")
    return params, score


class _Outcome(NamedTuple):
    score: Any  # one score or several, None when failed
    failure: str | None
    seconds: float


def _attempt(evaluate_func: EvaluateFunction, params: dict[str, Any], n_objectives: int) -> _Outcome:
    """Evaluate a copy of the candidate."""
    start = time.perf_counter()
    try:
        value: Any = evaluate_func(dict(params))
        scores = [math.nan] if value is None else _as_floats(value, n_objectives)
    except Exception as error:  # the outcome of a trial, not of the search
        failure = f"{type(error).__name__}: {error} (parameters {params})"
        return _Outcome(None, failure, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if not all(math.isfinite(score) for score in scores):
        return _Outcome(None, f"evaluate_func returned {value!r} (parameters {params})", seconds)
    return _Outcome(scores[0] if n_objectives == 1 else scores, None, seconds)


def _as_floats(value: Any, n_objectives: int) -> list[float]:
    if n_objectives == 1:
        return [_as_float(value)]
    scores = [_as_float(score) for score in value]
    if len(scores) != n_objectives:
        raise ValueError(f"evaluate_func returned {len(scores)} scores for {n_objectives} directions")
    return scores


def _as_float(score: Any) -> float:
    if isinstance(score, str | bytes):
        raise TypeError(f"evaluate_func returned the text {score!r}; expected a number")
    return float(score)
