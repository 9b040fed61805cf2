"""The one call for scripts and notebooks: `optimize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import (
    EngineResult,
    OptimizationTask,
    Result,
    is_engine_like,
    make_engine_task,
    make_task,
)
from strategy_optimizer.validation import run_and_validate

P = ParamSpec("P")


def optimize_engine(*arguments: Any, **named: Any) -> EngineResult:
    """Search for the best parameters of what another engine runs; `optimize` calls it for engines and functions.

    Arguments are those of `tasks.make_engine_task`.
    """
    return run_and_validate(make_engine_task(*arguments, **named))


def _run(make: Callable[P, OptimizationTask]) -> Callable[P, Result]:
    @wraps(make)
    def optimize(*arguments: P.args, **named: P.kwargs) -> Any:
        first = arguments[0] if arguments else named.get("strategy")
        if not is_engine_like(first):
            _refuse_of_engines(named)
            return run_and_validate(make(*arguments, **named))
        if len(arguments) > 1 or "data" in named:
            raise TaskError(
                "an engine or a function holds its data; give no data, and the optimizer as optimizer='...'"
            )
        engine = named.pop("strategy") if not arguments else first
        return optimize_engine(engine, **named)

    return optimize


def _refuse_of_engines(named: Mapping[str, Any]) -> None:
    """Refuse what only the trials of engines have; it would be taken for a setting of the optimizer."""
    of_engines = [name for name in signature(make_engine_task).parameters if name in named]
    alone = [name for name in of_engines if name not in signature(make_task).parameters]
    if alone:
        raise TaskError(
            f"{', '.join(alone)}: for engines and functions only; the kernel runs a trial of a strategy whole, in much "
            "less time than a worker or a fold would save (docs/executors.md, docs/pruning.md)"
        )


optimize = _run(make_task)
optimize.__name__ = optimize.__qualname__ = "optimize"
optimize.__module__ = __name__
optimize.__doc__ = (make_task.__doc__ or "").replace(
    "Prepare a search for the best parameters of a strategy.",
    """Search for the best parameters of a strategy and return the checked result with its verdict.

    In place of a strategy and data it takes an `Engine`, or any function of a dict of parameters, and then what
    `tasks.make_engine_task` takes; its result is an `EngineResult`.

    Examples
    --------
    >>> result = optimize("momentum", "nasdaq", evaluations=200, seed=1)
    >>> result.reproduced, result.counts.trials, sorted(result.best_parameters)[0]
    (True, 200, 'lookback_period')
    >>> result.verdict.decision in ("deploy", "paper", "reject")
    True
    >>> def hill(parameters):
    ...     return {"height": -(parameters["x"] - 3) ** 2}
    >>> space = {"x": {"type": "discrete", "bounds": [0, 9]}}
    >>> optimize(hill, space=space, objective="height", evaluations=8, executor="serial").best_parameters
    {'x': 3}
""",
)
