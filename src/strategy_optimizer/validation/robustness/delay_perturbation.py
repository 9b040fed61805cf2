"""What is left when every decision is carried out later than intended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.plan import SignalRows
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.validation.robustness.metric_values import MetricValues, stated_values
from strategy_optimizer.validation.robustness.subject import Subject
from strategy_optimizer.validation.statistics.not_enough import require

SIGNAL_ARRAYS = ("entries", "exits", "short_entries", "short_exits", "size", "stop", "target", "trail")


@dataclass(frozen=True)
class DelayPerturbation:
    """The metrics as intended and with decisions carried out `bars` later; `NotEnough` where there is none."""

    unperturbed: MetricValues
    perturbed: MetricValues
    bars: int


def delay_perturbation(subject: Subject, *, bars: int = 1) -> DelayPerturbation:
    """Run the candidate's signals again, each carried out `bars` bars late.

    Parameters
    ----------
    subject : Subject
    bars : int
        At least 1.

    Notes
    -----
    Execution timing: what was decided at the close of bar t fills at the open of t + 1 + `bars` (at the close of
    t + `bars` with close fills). Both styles of strategy come to the simulator as the same arrays, and these are
    shifted: entries, exits, and sizes and levels that change from bar to bar. So an entry that arrives while a
    position is held is dropped as always. Stops and targets rest in the market and are not late. Decisions before
    the window or within the warm-up are not made up for.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> found = delay_perturbation(Subject(get_strategy("momentum"), {}, load_bars("nasdaq")))
    >>> found.perturbed["trades"] == found.unperturbed["trades"]
    False
    """
    require(isinstance(bars, int) and bars >= 1, "bars", bars, "a whole number from 1 up")
    start, _ = subject.rules.window_of(subject.bars)
    plan = delayed_signals(subject.signals, bars, start)
    perturbed = run_plan(subject.bars, plan, subject.rules).metrics
    return DelayPerturbation(stated_values(subject.result.metrics), stated_values(perturbed), bars)


def delayed_signals(plan: SignalRows, bars: int, start: int = 0) -> SignalRows:
    """Return the signals `bars` later; the first decision is the one of bar `start` or of the end of the warm-up."""
    arrays = {name: getattr(plan, name) for name in SIGNAL_ARRAYS}
    shifted: dict[str, Any] = {name: _shifted(values, bars) for name, values in arrays.items()}
    return plan._replace(**shifted, warmup=max(plan.warmup, start) + bars)


def _shifted(values: NDArray[Any], bars: int) -> NDArray[Any]:
    """Return values (symbols, bars) later by so many bars; (symbols, 1) hold for all bars and stay."""
    if values.shape[1] == 1:
        return values
    shifted = np.full_like(values, False if values.dtype == np.bool_ else np.nan)
    shifted[:, bars:] = values[:, :-bars]
    return shifted
