"""What is left when trading costs more, and at which costs nothing is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from strategy_optimizer.backtest import Costs
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.errors import BacktestError
from strategy_optimizer.validation.robustness.metric_values import MetricValues, stated_values
from strategy_optimizer.validation.robustness.subject import Subject
from strategy_optimizer.validation.statistics.not_enough import NotEnough, no_gain, require

MULTIPLE = 2.0
MOST_MULTIPLE = 1024.0
PRECISION = 0.005  # relative, of the break-even multiple
MOST_BREAK_EVEN_TRIALS = 24  # free of costs, doublings up to MOST_MULTIPLE, and bisections down to PRECISION


@dataclass(frozen=True)
class CostPerturbation:
    """The metrics at the stated costs and at a multiple of them.

    Attributes
    ----------
    unperturbed, perturbed : dict
        Metrics, with `NotEnough` where a metric does not exist.
    multiple : float
        Of commission, fixed fee and slippage; borrow stays.
    break_even_multiple : float or NotEnough
        Where the total return falls to zero. Infinite when the strategy still earns at the largest multiple that
        can be tried (1,024, or where a fraction would reach the whole price). Not enough when there are no
        costs to multiply, no trades, nothing is earned without costs, or too few trials are allowed.
    trials : int
        Backtests that were run.
    """

    unperturbed: MetricValues
    perturbed: MetricValues
    multiple: float
    break_even_multiple: float | NotEnough
    trials: int


def multiplied(costs: Costs, multiple: float) -> Costs:
    """Return the costs with commission, fixed fee and slippage multiplied.

    >>> multiplied(Costs(commission=0.0005, borrow=0.02), 2.0)
    Costs(commission=0.001, fixed_fee=0.0, slippage=0.0, borrow=0.02)
    """
    return replace(
        costs,
        commission=costs.commission * multiple,
        fixed_fee=costs.fixed_fee * multiple,
        slippage=costs.slippage * multiple,
    )


def cost_perturbation(
    subject: Subject, *, multiple: float = MULTIPLE, most_trials: int | None = None
) -> CostPerturbation:
    """Run the candidate's signals again at a multiple of the costs, and find the multiple that eats the profit.

    Parameters
    ----------
    subject : Subject
    multiple : float
        At least 1.
    most_trials : int, optional
        Cap on the backtests; at least 1. The break-even needs up to 25 of them.

    Notes
    -----
    The signals stay as they are: strategies do not see costs. Total return need not fall steadily with costs, since
    stops hang on the fill price; the break-even is one crossing, within 0.5 %, by doubling and then halving.

    Examples
    --------
    >>> from strategy_optimizer import Rules, get_strategy, load_bars
    >>> rules = Rules(Costs(commission=0.0005, slippage=0.0002))
    >>> found = cost_perturbation(Subject(get_strategy("momentum"), {}, load_bars("nasdaq"), rules))
    >>> round(found.break_even_multiple, 1)
    4.6
    """
    require(1.0 <= multiple < math.inf, "multiple", multiple, "a number from 1 up")
    costs = subject.rules.costs
    try:
        raised = multiplied(costs, multiple)
    except BacktestError:
        raise BacktestError(f"{multiple:g} times {costs} reaches the whole price") from None
    returns = _Returns(subject)
    perturbed = stated_values(returns.metrics(raised))
    break_even = _break_even(subject, returns, math.inf if most_trials is None else most_trials - 1)
    return CostPerturbation(
        stated_values(subject.result.metrics), perturbed, multiple, break_even, returns.trials
    )


class _Returns:
    """Runs the same signals at other costs, and counts."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.trials = 0

    def metrics(self, costs: Costs) -> dict[str, float]:
        self.trials += 1
        rules = replace(self.subject.rules, costs=costs)
        return run_plan(self.subject.bars, self.subject.signals, rules).metrics

    def earns(self, multiple: float) -> bool:
        return self.at(multiple) > 0.0

    def at(self, multiple: float) -> float:
        return self.metrics(multiplied(self.subject.rules.costs, multiple))["total_return"]


def _break_even(subject: Subject, returns: _Returns, most_trials: float) -> float | NotEnough:
    costs = subject.rules.costs
    if not subject.result.trades:
        return NotEnough("trades", 0, 1)
    if not (costs.commission or costs.fixed_fee or costs.slippage):
        return NotEnough("kinds of costs to multiply", 0, 1)
    if most_trials < MOST_BREAK_EVEN_TRIALS:
        return NotEnough("trials for the break-even", most_trials, MOST_BREAK_EVEN_TRIALS)
    if subject.result.metrics["total_return"] <= 0.0:
        free = returns.at(0.0)
        if free <= 0.0:
            return no_gain("without costs", free)
        return _bisected(returns, 0.0, 1.0)
    largest = _largest_multiple(costs)
    low, high = 1.0, min(2.0, largest)
    while returns.earns(high):
        if high >= largest:
            return math.inf
        low, high = high, min(2.0 * high, largest)
    return _bisected(returns, low, high)


def _largest_multiple(costs: Costs) -> float:
    """Return the largest multiple tried: a fraction of the price has to stay below all of it."""
    fraction = max(costs.commission, costs.slippage)
    return max(1.0, min(MOST_MULTIPLE, 0.999 / fraction)) if fraction else MOST_MULTIPLE


def _bisected(returns: _Returns, low: float, high: float) -> float:
    """Return where the profit ends, given that there is one at `low` and none at `high`."""
    while high - low > PRECISION * high and high > PRECISION:
        middle = (low + high) / 2.0
        low, high = (middle, high) if returns.earns(middle) else (low, middle)
    return (low + high) / 2.0
