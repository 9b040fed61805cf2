"""All that can be asked of one candidate without another search, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from strategy_optimizer.backtest import Rules
from strategy_optimizer.backtest.strategy import AnyStrategy
from strategy_optimizer.market import Bars
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.validation.lookahead import check_lookahead
from strategy_optimizer.validation.lookahead_report import LookaheadReport
from strategy_optimizer.validation.robustness.allotment import SINGLE_TRIALS, allotted_trials
from strategy_optimizer.validation.robustness.cost_perturbation import (
    CostPerturbation,
    cost_perturbation,
)
from strategy_optimizer.validation.robustness.data_perturbation import (
    KINDS,
    REPLICATIONS,
    DataPerturbation,
    data_perturbation,
)
from strategy_optimizer.validation.robustness.delay_perturbation import DelayPerturbation, delay_perturbation
from strategy_optimizer.validation.robustness.metric_bands import Bands, metric_bands
from strategy_optimizer.validation.robustness.metric_values import MetricValues, stated_values
from strategy_optimizer.validation.robustness.parameter_perturbation import (
    ParameterPerturbation,
    near_points,
    parameter_perturbation,
)
from strategy_optimizer.validation.robustness.reshuffled_trades import ReshuffledTrades, reshuffled_trades
from strategy_optimizer.validation.robustness.subject import Subject
from strategy_optimizer.validation.statistics.not_enough import NotEnough

Progress: TypeAlias = Callable[[str, int, int], None]

N_BOX = 64


@dataclass(frozen=True, eq=False)
class Robustness:
    """What a candidate's result stands.

    Attributes
    ----------
    metrics : dict
        On the bars as they are; `NotEnough` where a metric does not exist.
    lookahead : LookaheadReport or NotEnough
    bands : dict
        A confidence band of each metric that returns or trades determine.
    parameters : ParameterPerturbation
    costs : CostPerturbation
    delay : DelayPerturbation
    noise, resampling, dropped_bars : DataPerturbation
    permuted_trades, bootstrapped_trades : ReshuffledTrades or NotEnough
    trials : int
        Backtests that were run, in the sample and without choosing among them: they do not count against the
        winner. Those of the look-ahead check are not among them.
    """

    metrics: MetricValues
    lookahead: LookaheadReport | NotEnough
    bands: Bands
    parameters: ParameterPerturbation
    costs: CostPerturbation
    delay: DelayPerturbation
    noise: DataPerturbation
    resampling: DataPerturbation
    dropped_bars: DataPerturbation
    permuted_trades: ReshuffledTrades | NotEnough
    bootstrapped_trades: ReshuffledTrades | NotEnough
    trials: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against the candidate, in sentences; no gate."""
        plateau, break_even = self.parameters.overall, self.costs.break_even_multiple
        found = {
            "the signals use bars of the future, or could not be checked": (
                isinstance(self.lookahead, LookaheadReport) and not self.lookahead.ok
            ),
            f"an isolated peak: little is left of {self.parameters.metric} nearby": plateau.is_isolated_peak,
            f"{self.costs.multiple:g} times the costs take all of the return": (
                isinstance(break_even, float) and break_even <= self.costs.multiple
            ),
            f"a delay of {self.delay.bars} bar takes all of the return": _lost(
                self.delay.unperturbed["total_return"], self.delay.perturbed["total_return"]
            ),
        }
        return tuple(sentence for sentence, holds in found.items() if holds)


def _lost(before: float | NotEnough, after: float | NotEnough) -> bool:
    known = not isinstance(before, NotEnough) and not isinstance(after, NotEnough)
    return known and before > 0.0 >= after  # type: ignore[operator]  # both are numbers


def examine_robustness(
    strategy: AnyStrategy,
    params: Mapping[str, Any],
    bars: Bars,
    rules: Rules | None = None,
    *,
    space: ParameterSpace | None = None,
    metric: str = "sharpe_ratio",
    level: float = 0.9,
    replications: int = 1000,
    data_replications: int = REPLICATIONS,
    most_trials: int | None = None,
    lookahead: LookaheadReport | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Robustness:
    """Perturb all that a candidate's result hangs on: parameters, costs, delay, data, and the order of trades.

    Parameters
    ----------
    strategy
        A strategy class or instance, vectorised or compiled.
    params : mapping
        The candidate; parameters left out take their defaults.
    bars : Bars
    rules : Rules, optional
        Costs, fill, cash and window.
    space : ParameterSpace, optional
        The space that was searched, when it is not the strategy's own.
    metric : str
        Whose plateau is looked at; one where more is better.
    level : float
        Of bands and quantiles.
    replications : int
        Of the bootstrap and of reshuffled trades, which need no backtest.
    data_replications : int
        Backtests on each kind of perturbed data.
    most_trials : int, optional
        Cap on the backtests, for slow engines; at least 13. All parts get fewer, and one that gets too few for
        its statistic is not enough.
    lookahead : LookaheadReport, optional
        What `check_lookahead` found for this candidate; it is run here when not given, apart from the cap.
    seed : int
        The same seed gives the same result.
    threads : int, optional
        Cores to use; all by default. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(part, done, total)`` with the trials done so far and an upper bound on them all. What
        it raises ends the examination.

    Raises
    ------
    SpaceError, StatisticsError
        For a candidate outside the space, or a setting outside its range.
    StrategyError
        When the strategy fails on the bars as they are.

    Examples
    --------
    >>> from strategy_optimizer import Costs, get_strategy, load_bars
    >>> rules = Rules(Costs(commission=0.0005, slippage=0.0002))
    >>> found = examine_robustness(get_strategy("momentum"), {}, load_bars("nasdaq"), rules, most_trials=150)
    >>> found.warnings
    ('an isolated peak: little is left of sharpe_ratio nearby',)
    """
    subject = Subject(strategy, params, bars, rules or Rules(), space=space, threads=threads)
    neighbours = len(near_points(subject, N_BOX, seed).points)
    shares = allotted_trials(neighbours, data_replications, most_trials)
    count = _Count(progress, SINGLE_TRIALS + sum(shares.values()))
    cash, trades = subject.rules.cash, subject.result.trades
    count.add("candidate", 1)
    costs = cost_perturbation(subject, most_trials=1 + shares["break_even"])
    count.add("costs", costs.trials)
    delay = delay_perturbation(subject)
    count.add("delay", 1)
    parameters = parameter_perturbation(
        subject,
        metric=metric,
        n_box=N_BOX,
        most_trials=shares["parameters"],
        seed=seed,
        advance=count.of("parameters"),
    )
    data = {
        kind: data_perturbation(
            subject, kind, replications=shares[kind], level=level, seed=seed, advance=count.of(kind)
        )
        for kind in KINDS
    }
    reshuffled = {
        method: reshuffled_trades(trades, cash, method=method, replications=replications, seed=seed)
        for method in ("permutation", "bootstrap")
    }
    return Robustness(
        metrics=stated_values(subject.result.metrics),
        lookahead=lookahead if lookahead is not None else _checked(subject, seed),
        bands=metric_bands(subject, level=level, replications=replications, seed=seed),
        parameters=parameters,
        costs=costs,
        delay=delay,
        noise=data["noise"],
        resampling=data["resampling"],
        dropped_bars=data["dropped_bars"],
        permuted_trades=reshuffled["permutation"],
        bootstrapped_trades=reshuffled["bootstrap"],
        trials=count.done,
    )


class _Count:
    """Counts trials and reports them."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

    def add(self, part: str, trials: int) -> None:
        self.done += trials
        if self.progress is not None:
            self.progress(part, self.done, self.total)

    def of(self, part: str) -> Callable[[int], None]:
        return lambda trials: self.add(part, trials)


def _checked(subject: Subject, seed: int) -> LookaheadReport | NotEnough:
    n, needed = subject.bars.n_bars, subject.signals.warmup + 2
    if n < needed:
        return NotEnough("bars", n, needed)
    return check_lookahead(subject.bound, subject.candidate, subject.bars, seed=seed)
