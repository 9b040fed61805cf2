"""The one call for scripts and notebooks: `optimize`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from strategy_optimizer.tasks import OptimizationTask, Result, make_task
from strategy_optimizer.validation import run_and_validate

P = ParamSpec("P")


def _run(make: Callable[P, OptimizationTask]) -> Callable[P, Result]:
    @wraps(make)
    def optimize(*args: P.args, **kwargs: P.kwargs) -> Result:
        return run_and_validate(make(*args, **kwargs))

    return optimize


optimize = _run(make_task)
optimize.__name__ = optimize.__qualname__ = "optimize"
optimize.__module__ = __name__
optimize.__doc__ = (make_task.__doc__ or "").replace(
    "Prepare a search for the best parameters of a strategy.",
    """Search for the best parameters of a strategy and return the checked result with its verdict.

    Examples
    --------
    >>> result = optimize("momentum", "nasdaq", evaluations=200, seed=1)
    >>> result.reproduced, result.counts.trials, sorted(result.best_parameters)[0]
    (True, 200, 'lookback_period')
    >>> result.verdict.decision in ("deploy", "paper", "reject")
    True
""",
)
