"""Runs a chosen trial again with the slow reference simulator and compares every number."""

from __future__ import annotations

import math
from collections.abc import Mapping

from strategy_optimizer.backtest import Rules, run_backtest
from strategy_optimizer.backtest.strategy import AnyStrategy
from strategy_optimizer.errors import ReproductionError
from strategy_optimizer.market import Bars
from strategy_optimizer.objective import Objective
from strategy_optimizer.records import Trial

TOLERANCE = 1e-9
"""Relative; also absolute, for metrics near zero. The kernel keeps running sums, the reference exact ones."""


def reproduce(trial: Trial, strategy: AnyStrategy, bars: Bars, rules: Rules, objective: Objective) -> str:
    """Run a trial again in the reference simulator and return what was proved, as text.

    Raises
    ------
    ReproductionError
        When a metric or the score differs by more than `TOLERANCE`.
    """
    metrics = run_backtest(strategy, trial.parameters, bars, rules, engine="reference").metrics
    found = {**metrics, "score": objective.composite(metrics)}
    differences = compare({**trial.metrics, "score": trial.score}, found)
    if differences:
        raise ReproductionError(
            f"trial {trial.number} ({trial.parameters}), which was chosen, could not be reproduced by the "
            f"reference simulator: {'; '.join(differences)}. Do not use these parameters. A strategy whose "
            "signals depend on anything but bars and parameters (random numbers, a clock, earlier calls) "
            "behaves like this"
        )
    score = "" if math.isnan(trial.score) else " and the score"
    return f"reference simulator: all {len(metrics)} metrics{score} agree to {TOLERANCE:g}"


def compare(expected: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    """Return a text for each value that differs; NaN equals NaN.

    >>> compare({"trades": 3.0, "skew": float("nan")}, {"trades": 4.0, "skew": float("nan")})
    ['trades was 3.0, is 4.0']
    """
    return [
        f"{name} was {value!r}, is {found[name]!r}"
        for name, value in expected.items()
        if not _agree(value, found[name])
    ]


def _agree(a: float, b: float) -> bool:
    both_missing = math.isnan(a) and math.isnan(b)
    return both_missing or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
