"""Equity and drawdown of the recommended parameters and of those that they have to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import BacktestResult
from strategy_optimizer.errors import SpaceError, StrategyError
from strategy_optimizer.plain import as_plain
from strategy_optimizer.report.decimation import kept_rows
from strategy_optimizer.report.material import Material, Window
from strategy_optimizer.tasks import Result, buy_and_hold

FloatArray = NDArray[np.float64]
DIGITS = 6  # significant ones of what is drawn
DAY = 86_400_000_000_000


def equity_data(result: Result, material: Material) -> dict[str, Any]:
    """Return growth and drawdown of each account, decimated, with the day of each point.

    Growth is equity over the starting cash. An account starts flat where the held-out bars begin, as in the numbers of
    the result: its growth before and after are theirs.
    """
    curves = {name: growth_of(run, material) for name, run in _accounts(result, material).items()}
    days = material.bars.timestamp / DAY
    lines = []
    for name, growth in curves.items():
        if growth is not None:
            lines.append(
                {"name": name, "growth": _line(days, growth), "drawdown": _line(days, drawdown(growth))}
            )
    held_out = None if material.held_out is None else [float(days[material.held_out[0]]), float(days[-1])]
    failing = [name for name, growth in curves.items() if growth is None]
    return {"lines": lines, "held_out_days": held_out, "failing": failing}


def growth_of(run: Callable[[Window], BacktestResult], material: Material) -> FloatArray | None:
    """Return equity over cash through all bars, flat at the start of the held-out part; None where it fails."""
    parts = [material.in_sample, *([material.held_out] if material.held_out is not None else [])]
    try:
        grown = [run(window).equity / material.rules.cash for window in parts]
    except (SpaceError, StrategyError):
        return None
    return np.concatenate([grown[0], *(part * grown[0][-1] for part in grown[1:])])


def drawdown(growth: FloatArray) -> FloatArray:
    """Return how far a curve (n,) lies below its highest value so far, a fraction from 0 to 1.

    >>> drawdown(np.array([1.0, 2.0, 1.5, 3.0])).tolist()
    [0.0, 0.0, 0.25, 0.0]
    """
    highest = np.maximum.accumulate(np.maximum(growth, 1.0))
    return np.asarray(1.0 - growth / highest)


def _accounts(result: Result, material: Material) -> dict[str, Callable[[Window], BacktestResult]]:
    def of(params: Mapping[str, Any], *, own: bool = False) -> Callable[[Window], BacktestResult]:
        return lambda window: material.run(params, window, own=own)

    def held(window: Window) -> BacktestResult:
        return buy_and_hold(material.bars, replace(material.rules, window=window))

    accounts = {"in-sample best": of(result.best_parameters)}
    recommended = result.recommended_parameters
    if recommended == result.best_parameters:
        accounts = {"recommended and in-sample best": of(recommended)}
    elif recommended is not None:
        accounts = {"recommended": of(recommended), **accounts}
    return {**accounts, "defaults": of(result.default_parameters, own=True), "buy-and-hold": held}


def _line(days: FloatArray, values: FloatArray) -> dict[str, list[float]]:
    rows = kept_rows(values)
    return {"x": days[rows].round(5).tolist(), "y": rounded(values[rows])}


def rounded(values: Any) -> Any:
    """Return JSON values with `DIGITS` significant digits.

    >>> rounded(np.array([1.23456789, 100000.126])), rounded({"a": [float("nan"), 3]})
    ([1.23457, 100000.0], {'a': [None, 3]})
    """
    return _shortened(as_plain(values))


def _shortened(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value
