"""Price moves that no market made: bad ticks that come back at once, unadjusted splits that stay.

Sizes are judged against the median move of the bars around them, so that a crash among crashes is none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from strategy_optimizer.market.bars import PRICES, FloatArray, IntArray
from strategy_optimizer.market.moments import moment_text
from strategy_optimizer.market.report import Problem, make_problem
from strategy_optimizer.market.table import Table

SPIKE_SIGMAS = 12.0
SPIKE_FLOOR = 0.003  # moves smaller than this are no spikes however calm the neighbourhood
SPIKE_RETURN = 0.35  # a spike comes back to within this share of itself
JUMP = 0.4
_NEIGHBOURS = 50
_SIGMA_OF_MEDIAN = 1.4826  # standard deviation / median absolute deviation of a normal


def check_moves(table: Table) -> Iterator[Problem]:
    """Report closes that never change, spikes that come back within a bar, and jumps that stay."""
    close = table.columns["close"]
    moves = np.diff(np.log(close))
    sizes = np.abs(moves)
    typical = _typical(sizes)
    if not typical > 0:
        if len(close) > 2:
            yield make_problem("constant", "warning", "the close never changes")
        return
    spikes = _spikes(moves, sizes, typical)
    if len(spikes):
        yield _spike_problem(table, "close", spikes + 1, np.expm1(moves[spikes]))
    yield from _wicks(table, typical)
    jumps = np.flatnonzero(sizes > np.log1p(JUMP))
    jumps = jumps[~np.isin(jumps, spikes) & ~np.isin(jumps - 1, spikes)]
    if len(jumps):
        factors = ", ".join(f"x {np.exp(moves[i]):.3g}" for i in jumps[:3])
        text = f"the close jumps by more than {JUMP:.0%} and stays ({factors}); an unadjusted split?"
        yield make_problem("jump", "warning", text, table.row_numbers(jumps + 1))


def _typical(sizes: FloatArray) -> float:
    """Return the median of the positive sizes, as a normal standard deviation; 0 when there is none."""
    sample = sizes[:: max(len(sizes) // 100_000, 1)]
    positive = sample[(sample > 0) & np.isfinite(sample)]
    return float(np.median(positive)) * _SIGMA_OF_MEDIAN if len(positive) else 0.0


def _spikes(moves: FloatArray, sizes: FloatArray, typical: float) -> IntArray:
    """Return the indices of moves that are huge for their neighbourhood and undone by the next one."""
    at = np.flatnonzero(sizes[:-1] > max(SPIKE_FLOOR, SPIKE_SIGMAS / 3 * typical))
    at = at[np.abs(moves[at] + moves[at + 1]) < SPIKE_RETURN * sizes[at]]
    found = [i for i in at.tolist() if sizes[i] > SPIKE_SIGMAS * _around(sizes, i, typical)]
    return np.array(found, dtype=np.int64)


def _around(sizes: FloatArray, i: int, typical: float) -> float:
    """Return the typical size near bar i, without the bar and the next one."""
    near = np.concatenate((sizes[max(i - _NEIGHBOURS, 0) : i], sizes[i + 2 : i + 2 + _NEIGHBOURS]))
    return max(_typical(near), typical / 3)


def _wicks(table: Table, typical: float) -> Iterator[Problem]:
    """Highs and lows far outside their own bar's open and close, and outside the bars beside it."""
    if len(table.columns) <= len(PRICES):  # closes only
        return
    o, h, low, c = (table.columns[column] for column in PRICES)
    reach = max(SPIKE_FLOOR, SPIKE_SIGMAS / 2 * typical)
    for column, far in (
        ("high", h > np.maximum(o, c) * (1 + reach)),
        ("low", (low < np.minimum(o, c) * (1 - reach)) & (low > 0)),
    ):
        if far.any():
            yield from _spiking(table, column, np.flatnonzero(far), typical)


def _spiking(table: Table, column: str, candidates: IntArray, typical: float) -> Iterator[Problem]:
    """Report those candidates whose wick is huge against the usual high-low range around them."""
    o, h, low, c = (table.columns[price] for price in PRICES)
    wicks = np.log(h / np.maximum(o, c)) if column == "high" else np.log(np.minimum(o, c) / low)
    ranges = np.log(h / low)
    at = [i for i in candidates.tolist() if wicks[i] > SPIKE_SIGMAS * _around(ranges, i, typical)]
    if at:
        yield _spike_problem(table, column, np.array(at), wicks[at])


def _spike_problem(table: Table, column: str, at: IntArray, sizes: FloatArray) -> Problem:
    worst = at[np.argmax(np.abs(sizes))]
    text = (
        f"{column} spikes that are undone at once (worst {np.abs(sizes).max():.1%}, "
        f"{moment_text(int(table.timestamp[worst]))}); bad ticks trigger stops that no market had"
    )
    return make_problem("spike", "warning", text, table.row_numbers(at))
