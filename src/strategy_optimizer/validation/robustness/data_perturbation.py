"""How the metrics spread over markets that are nearly the one that happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from strategy_optimizer.backtest import METRICS
from strategy_optimizer.market import Bars
from strategy_optimizer.validation.robustness.metric_values import MetricQuantiles, metric_quantiles
from strategy_optimizer.validation.robustness.perturbed_bars import (
    dropped_rows,
    market_block_length,
    noisy_bars,
    resampled_bars,
    without_bars,
)
from strategy_optimizer.validation.robustness.subject import Subject
from strategy_optimizer.validation.statistics.bootstrap import LEAST_OBSERVATIONS
from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    IntArray,
    NotEnough,
    lacking_returns,
    require,
)

KINDS = ("noise", "resampling", "dropped_bars")
NOISE_SHARE = 0.1
DROPPED_SHARE = 0.02
REPLICATIONS = 100

Window: TypeAlias = tuple[int, int]
Market: TypeAlias = Callable[[np.random.Generator], tuple[Bars, Window]]
Advance = Callable[[int], None]


@dataclass(frozen=True)
class DataPerturbation:
    """The metrics over replications of a perturbed market.

    Attributes
    ----------
    kind : {"noise", "resampling", "dropped_bars"}
    amount : float
        Share of the bars' volatility; mean block length in bars; share of the bars.
    quantiles : dict
        Of each metric; `NotEnough` where the market or a replication does not give one.
    replications : int
        Backtests that were run.
    errors : tuple of str
        What the strategy raised on perturbed bars, each message once.
    """

    kind: str
    amount: float
    quantiles: dict[str, MetricQuantiles | NotEnough]
    replications: int
    errors: tuple[str, ...] = ()


def data_perturbation(
    subject: Subject,
    kind: str,
    *,
    amount: float | None = None,
    replications: int = REPLICATIONS,
    level: float = 0.9,
    seed: int = 0,
    advance: Advance | None = None,
) -> DataPerturbation:
    """Run the candidate on perturbed markets, its signals computed anew on each.

    Parameters
    ----------
    subject : Subject
    kind : {"noise", "resampling", "dropped_bars"}
        `noise` moves each price by a tenth of the bars' volatility. `resampling` puts blocks of bars in another
        order, long enough for the market's dependence, so that the result shows what other histories of the same
        market would have brought; what the strategy lives on must fit into a block. `dropped_bars` takes 2 % of
        the bars away.
    amount : float, optional
        Another share, or another mean block length.
    replications : int
        Fewer than 20 are not enough for quantiles.
    level : float
        Share of the replications between the lower and the upper quantile.
    seed : int
        Replication k draws from its own stream, so more replications begin with the same ones.
    advance : callable, optional
        Called with 1 after each replication.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> subject = Subject(get_strategy("momentum"), {}, load_bars("nasdaq"))
    >>> found = data_perturbation(subject, "dropped_bars", replications=20).quantiles["sharpe_ratio"]
    >>> found.lower <= found.median <= found.upper
    True
    """
    require(kind in KINDS, "kind", kind, f"one of {', '.join(KINDS)}")
    require(0.0 < level < 1.0, "level", level, "more than 0 and less than 1")
    require(replications >= 0, "replications", replications, "at least 0")
    lacking = _lacking(subject.bars)
    amount = _amount(subject, kind, amount, lacking is None)
    if lacking is not None:
        return DataPerturbation(kind, amount, dict.fromkeys(METRICS, lacking), 0)
    values, errors = _replicate(subject, _market(subject, kind, amount), kind, replications, seed, advance)
    quantiles = metric_quantiles(values, subject.result.metrics, level)
    return DataPerturbation(kind, amount, quantiles, replications, errors)


def _lacking(bars: Bars) -> NotEnough | None:
    """Return what the market lacks; one symbol that moves is enough."""
    if bars.n_bars <= LEAST_OBSERVATIONS:
        return NotEnough("bars", bars.n_bars, LEAST_OBSERVATIONS + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.diff(np.log(bars.close.reshape(bars.n_bars, bars.n_symbols)), axis=0)
    found = [lacking_returns(column, LEAST_OBSERVATIONS) for column in returns.T]
    unusable = next((lacking for lacking in found if lacking and "finite" in lacking.what), None)
    return unusable or (found[0] if all(found) else None)


def _amount(subject: Subject, kind: str, amount: float | None, usable: bool) -> float:
    if amount is None:
        automatic = market_block_length(subject.bars) if usable and kind == "resampling" else 1.0
        return {"noise": NOISE_SHARE, "resampling": automatic, "dropped_bars": DROPPED_SHARE}[kind]
    if kind == "resampling":
        require(amount >= 1.0, "amount", amount, "a mean block length of at least 1 bar")
    else:
        require(0.0 < amount < 1.0, "amount", amount, "a share of more than 0 and less than 1")
    return amount


def _market(subject: Subject, kind: str, amount: float) -> Market:
    bars, window = subject.bars, subject.rules.window_of(subject.bars)
    if kind == "noise":
        return lambda rng: (noisy_bars(bars, amount, rng), window)
    if kind == "resampling":
        return lambda rng: (resampled_bars(bars, amount, rng), window)

    def with_fewer_bars(rng: np.random.Generator) -> tuple[Bars, Window]:
        dropped = dropped_rows(bars.n_bars, amount, rng)
        return without_bars(bars, dropped), _moved_window(window, dropped)

    return with_fewer_bars


def _moved_window(window: Window, dropped: IntArray) -> Window:
    """Return where the window's bars stand after the drop; one bar of it always remains."""
    start, stop = (at - int(np.searchsorted(dropped, at)) for at in window)
    return min(start, stop - 1), stop


def _replicate(
    subject: Subject, market: Market, kind: str, replications: int, seed: int, advance: Advance | None
) -> tuple[FloatArray, tuple[str, ...]]:
    values, errors = np.empty((replications, len(METRICS))), dict[str, None]()
    for k in range(replications):
        bars, window = market(np.random.default_rng((seed, KINDS.index(kind), k)))
        table = subject.on(bars, window)
        values[k] = table.values[0]
        errors |= dict.fromkeys(table.errors.values())
        if advance is not None:
            advance(1)
    return values, tuple(errors)
