"""Planted landscapes: histories of trials whose scores are known functions of the parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer import ObjectiveFunction, ParameterSpace
from strategy_optimizer.analysis import Target
from strategy_optimizer.backtest import METRICS
from strategy_optimizer.objective import Objective
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks import TrialHistory, history_of

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]  # unit coordinates (n, d), NaN where inactive -> values (n,)


def cube(n_dims: int = 3) -> ParameterSpace:
    space = ParameterSpace("cube")
    for j in range(n_dims):
        space.add_parameter("abcdef"[j], "continuous", (0.0, 1.0))
    return space


def mixed_space() -> ParameterSpace:
    space = ParameterSpace("mixed").add_parameter("n", "discrete", (2, 60))
    space.add_parameter("stop", "categorical", ["none", "fixed", "trailing"])
    space.add_parameter("trail", "continuous", (0.01, 0.2), log=True, condition="stop == 'trailing'")
    space.add_parameter("size", "continuous", (0.0, 1.0))
    return space


def crowded(space: ParameterSpace, function: Function, n: int, seed: int = 0) -> FloatArray:
    """Return points (n, d) as an optimizer leaves them: a few even ones, then children of the best so far."""
    rng = np.random.default_rng(seed)
    points = space.sample(n // 5, rng)
    while len(points) < n:
        values = function(space.to_unit(points))
        parents = points[np.argsort(-values)[:10]][rng.integers(10, size=50)]
        unit = space.to_unit(np.where(np.isnan(parents), space.default_values, parents))
        children = space.from_unit(np.clip(unit + rng.normal(0.0, 0.1, unit.shape), 0.0, 1.0))
        points = np.concatenate([points, children])
    return points[:n]


def history_with(
    space: ParameterSpace,
    points: FloatArray,
    function: Function,
    *,
    fails: Callable[[FloatArray], NDArray[np.bool_]] | None = None,
    objective: Objective | None = None,
    noise: float = 0.0,
    reason: str = "no_trades",
) -> TrialHistory:
    """Return a history whose score and Sharpe ratio are `function`, its drawdown 0.5 - 0.1 of that."""
    unit = space.to_unit(points)
    values = function(unit) + noise * np.random.default_rng(5).standard_normal(len(points))
    failed = np.zeros(len(points), bool) if fails is None else fails(unit)
    trials = []
    for i, params in enumerate(space.to_dicts(points)):
        metrics = dict.fromkeys(METRICS, float("nan"))
        if not failed[i]:
            metrics |= {
                "sharpe_ratio": float(values[i]),
                "max_drawdown": float(0.5 - 0.1 * values[i]),
                "trades": 50.0,
            }
        trials.append(
            Trial(
                number=i + 1,
                parameters=params,
                metrics=metrics,
                score=float("nan") if failed[i] or objective is not None else float(values[i]),
                state="failed" if failed[i] else "completed",
                feasible=not failed[i],
                seconds=0.001,
                reason=reason if failed[i] else "",
            )
        )
    return history_of(space, objective or ObjectiveFunction("sharpe_ratio"), trials)


def target_with(space: ParameterSpace, points: FloatArray, function: Function, noise: float = 0.0) -> Target:
    """Return a target whose values are `function`."""
    rng = np.random.default_rng(5)
    values = function(space.to_unit(points)) + noise * rng.standard_normal(len(points))
    return Target("score", False, space, points, values, np.ones(len(points), bool))


def ishigami(unit: FloatArray) -> FloatArray:
    x = 2.0 * np.pi * (unit - 0.5)
    return np.asarray(np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))
