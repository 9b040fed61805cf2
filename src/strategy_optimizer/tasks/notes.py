"""What a result has to say beside its numbers, so that nobody reads more into them than they hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.optimizer.stopping import FrontProgress, SearchProgress
from strategy_optimizer.records import STOP_REASONS, StopReason
from strategy_optimizer.space import Categorical, ParameterSpace
from strategy_optimizer.tasks.result import Counts, Performance

FloatArray = NDArray[np.float64]
FEW_TRADES = 30
_CUT_SHORT = ("deadline", "cancelled", "interrupted")
_SCORE = "composite_score"
_NOTHING_HELD_OUT = "no bars were held out: nothing here says how the winner does on new data"


def write_notes(
    space: ParameterSpace,
    best_parameters: Mapping[str, Any],
    best: Performance,
    defaults: Performance,
    buy_and_hold: Performance | None,
    counts: Counts,
    stop_reason: StopReason,
    rivals: FrontRivals | None = None,
    progress: SearchProgress | FrontProgress | None = None,
    why_converged: str | None = None,
) -> tuple[str, ...]:
    """Return notes on a result, the gravest first; empty when there is nothing to add.

    With several objectives `rivals` compares the front with the defaults; `progress` says what more search is expected
    to bring, and `why_converged` why it ended by itself. Other engines than ours know no buy-and-hold.
    """
    return (
        *(_against_defaults(best, defaults) if rivals is None else _front_against_defaults(rivals)),
        *(_against_market(best, buy_and_hold) if buy_and_hold else []),
        *_few_trades(best),
        *_at_bounds(space, best_parameters),
        *_search(counts, stop_reason),
        *([f"the search ended by itself: {why_converged}"] if why_converged else []),
        *_more_search(progress, stop_reason),
        *([] if best.held_out else [_NOTHING_HELD_OUT]),
    )


@dataclass(frozen=True)
class FrontRivals:
    """What a Pareto front is measured by: the objectives of its points and of the default parameters.

    Attributes
    ----------
    metrics : tuple of str
    in_sample, held_out : array, shape (n, m)
        Objectives of the front's points, larger is better; held out None when nothing was.
    defaults_in_sample, defaults_held_out : array, shape (m,)
        Those of the defaults; NaN where they fail.
    chosen : int
        Which point of the front is the winner.
    """

    metrics: tuple[str, ...]
    in_sample: FloatArray
    defaults_in_sample: FloatArray
    held_out: FloatArray | None
    defaults_held_out: FloatArray | None
    chosen: int


def _front_against_defaults(rivals: FrontRivals) -> Iterator[str]:
    if not np.isfinite(rivals.defaults_in_sample).all():
        yield "the strategy fails on its default parameters: there are none to compare the front with"
        return
    ahead = _beats(rivals.in_sample, rivals.defaults_in_sample)
    n, n_ahead = len(ahead), int(ahead.sum())
    if n_ahead == 0:
        yield f"none of {n:,} points of the front is better than the default parameters in every objective"
    if rivals.held_out is None or rivals.defaults_held_out is None:
        return
    if n_ahead:
        n_still = int((ahead & _beats(rivals.held_out, rivals.defaults_held_out)).sum())
        yield (
            f"{n_ahead:,} of {n:,} points of the front beat the default parameters in every objective in "
            f"sample, {f'{n_still:,}' if n_still else 'none'} of them held out too"
        )
    yield from _worse_held_out(rivals, rivals.held_out[rivals.chosen], rivals.defaults_held_out)


def _worse_held_out(rivals: FrontRivals, mine: FloatArray, theirs: FloatArray) -> Iterator[str]:
    if not np.isfinite(mine).all():
        yield "held out, the winner has no trade, or an objective that is not finite"
        return
    worse = [name for name, a, b in zip(rivals.metrics, mine, theirs, strict=True) if a < b]
    if worse:
        yield f"held out, the winner is worse than the default parameters in {' and '.join(worse)}"


def _beats(points: FloatArray, other: FloatArray) -> NDArray[np.bool_]:
    """Return which points, (n, m), are at least as good as another, (m,), in all objectives and better in one."""
    return np.asarray((points >= other).all(axis=1) & (points > other).any(axis=1))


def _against_defaults(best: Performance, defaults: Performance) -> Iterator[str]:
    if math.isnan(defaults.in_sample.get("total_return", defaults.in_sample[_SCORE])):
        yield "the strategy fails on its default parameters: there are none to compare the winner with"
    if best.held_out is not None and defaults.held_out is not None:
        mine, theirs = best.held_out[_SCORE], defaults.held_out[_SCORE]
        if not math.isfinite(mine):
            yield "held out, the winner has no score: no trade, or a metric of the objective is not finite"
        elif mine < theirs:
            yield f"held out, the winner scores {mine:.4g}, less than the default parameters' {theirs:.4g}"
    mine, theirs = best.in_sample[_SCORE], defaults.in_sample[_SCORE]
    if mine <= theirs:
        yield f"the search found nothing better than the default parameters (score {theirs:.4g})"


def _against_market(best: Performance, buy_and_hold: Performance) -> Iterator[str]:
    for where, mine, theirs in (
        ("held out", best.held_out, buy_and_hold.held_out),
        ("in sample", best.in_sample, buy_and_hold.in_sample),
    ):
        if mine is None or theirs is None:
            continue
        if mine["total_return"] <= theirs["total_return"]:
            yield (
                f"{where}, the winner returned {mine['total_return']:.1%}, buy-and-hold "
                f"{theirs['total_return']:.1%} (Sharpe ratio {_text(mine['sharpe_ratio'])} and "
                f"{_text(theirs['sharpe_ratio'])})"
            )


def _few_trades(best: Performance) -> Iterator[str]:
    for where, metrics in (("in sample", best.in_sample), ("held out", best.held_out)):
        trades = math.nan if metrics is None else metrics.get("trades", math.nan)
        if 0 < trades < FEW_TRADES:
            yield f"{where}, the winner made {trades:.0f} trades: too few to tell skill from luck"


def _at_bounds(space: ParameterSpace, parameters: Mapping[str, Any]) -> Iterator[str]:
    places = []
    for name, value in parameters.items():
        parameter = space.parameters[name]
        if isinstance(parameter, Categorical) or parameter.low == parameter.high:
            continue
        if value in (parameter.low, parameter.high):
            places.append(f"{name} = {value:g}")
    if places:
        yield f"the winner lies at a bound of the space ({', '.join(places)}): a better one may lie beyond"


def _search(counts: Counts, stop_reason: StopReason) -> Iterator[str]:
    if stop_reason in _CUT_SHORT:
        yield f"the search was cut short after {counts.trials:,} trials: {STOP_REASONS[stop_reason]}"
    if counts.failed:
        yield f"{counts.failed:,} of {counts.trials:,} trials failed: {tally_text(counts.failures)}"
    if counts.infeasible:
        yield (
            f"{counts.infeasible:,} of {counts.trials:,} trials do not satisfy the outcome constraints: "
            f"{tally_text(counts.violations)}"
        )


def _more_search(progress: SearchProgress | FrontProgress | None, stop_reason: StopReason) -> Iterator[str]:
    if progress is None or stop_reason == "exhausted":
        return
    if isinstance(progress, FrontProgress):
        last, before, first = (f"{gain:.1%}" for gain in progress.gains)
        yield (
            f"as many trials again are expected to add about {progress.expected:.1%} to the hypervolume of the front "
            f"in sample: the last three doublings of the trials added {first}, {before} and {last} of it"
        )
        return
    last, before, first = (f"{gain:.3g}" for gain in progress.gains)
    yield (
        f"as many trials again are expected to raise the score in sample by about {progress.expected:.2g}: the last "
        f"three doublings of the trials raised it by {first}, {before} and {last}"
    )


def tally_text(tally: Mapping[str, int], most: int = 3) -> str:
    """Return the most frequent reasons with their counts.

    >>> tally_text({"no_trades": 1200, "sharpe_ratio is not a number": 3})
    'no_trades (1,200), sharpe_ratio is not a number (3)'
    """
    shown = [f"{reason} ({count:,})" for reason, count in list(tally.items())[:most]]
    return ", ".join(shown) + (f", and {len(tally) - most} other reasons" if len(tally) > most else "")


def _text(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"
