"""The windows of a walk-forward as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.walkforward.result import WindowResult

if TYPE_CHECKING:
    import polars as pl


def windows_frame(windows: Sequence[WindowResult]) -> pl.DataFrame:
    """Return one row a window: bars, dates, parameters, and the metrics with ``in_`` and ``out_`` before them.

    What is not there (an undefined efficiency, the parameters of a flat window) is empty.
    """
    import polars as pl  # heavy: only when windows are exported

    names = dict.fromkeys(name for window in windows for name in window.parameters or {})
    metrics = windows[0].out_of_sample
    rows = [_row(window, names, metrics) for window in windows]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _row(window: WindowResult, names: Any, metrics: Any) -> dict[str, Any]:
    chosen, in_sample = window.parameters or {}, window.in_sample or {}
    efficiency = window.efficiency
    return {
        "window": window.number,
        **_ends("train", window.train, window.train_dates),
        **_ends("test", window.test, window.test_dates),
        "seed": window.seed,
        "trials": window.trials,
        "reason": window.reason or None,
        "score": window.score,
        "efficiency": None if isinstance(efficiency, NotEnough) else efficiency,
        **{f"parameter_{name}": chosen.get(name) for name in names},
        **{f"in_{name}": in_sample.get(name) for name in metrics},
        **{f"out_{name}": window.out_of_sample[name] for name in metrics},
    }


def _ends(part: str, bars: range, dates: tuple[str, str]) -> dict[str, Any]:
    return {
        f"{part}_first_bar": bars.start,
        f"{part}_last_bar": bars.stop - 1,
        f"{part}_first": dates[0],
        f"{part}_last": dates[1],
    }
