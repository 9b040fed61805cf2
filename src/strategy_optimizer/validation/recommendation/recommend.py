"""Which parameters to deploy after a search.

The trial with the best score in sample is the luckiest of many, and often stands alone. The rule, in one paragraph.
What is compared is the steadiness of a trial: how evenly it earned over sixteen parts of the searched bars. A surrogate
of it, a Gaussian process, says what each trial is worth given its neighbours. Among the better half of the trials by
score, those that may win, the one believed to be the steadiest begins a region of the parameter space: all that the
surrogate thinks like it, with a correlation above one half. The steadiest of the others begins the next, up to eight.
Around each of these about seventy neighbours are run: single steps, 5 % and 10 % of each range, every other choice, and
a box of 10 %. The one with the highest mean steadiness, of itself and its neighbours, is recommended, unless the best
trial in sample has a higher one. Held-out bars take no part: what each would have earned there is shown beside the best
trial in sample and the default parameters.

`benchmarks/bench_recommendation.py` compares this with the best trial in sample, window after window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.number_texts import compared_text
from strategy_optimizer.optimizer.surrogate import LEAST_VALUES, fit_surrogate
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks import FinishedSearch, Performance, TrialHistory, bind_evaluator, performance_of
from strategy_optimizer.tasks.reproduction import reproduce
from strategy_optimizer.validation.recommendation.steadiness import steadiness
from strategy_optimizer.validation.robustness.perturbed_points import perturbed_points
from strategy_optimizer.validation.track_record import periods_per_year
from strategy_optimizer.validation.trial_returns import affordable_trials

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REGIONS = 8
ALIKE = 0.5  # correlation of two trials of one region
BOX_POINTS = 48
MODEL_POINTS = 384  # trials that the surrogate knows
SHARPE = METRICS.index("sharpe_ratio")
QUANTILE = 0.1


@dataclass(frozen=True)
class Contender:
    """Parameters that could be deployed.

    Attributes
    ----------
    trial : int or None
        Its number, from 1; None for default parameters, which the search need not have tried.
    parameters : dict
    steadiness : float
        How evenly it earned over the parts of the searched bars, see `steadiness`; NaN where it failed.
    plateau : float
        Mean steadiness of it and its neighbours; NaN where there was no time for them.
    neighbours : int
        That were run.
    left : float
        The 10 % quantile of its neighbours' Sharpe ratios over its own; NaN unless that is above 0.
    performance : Performance
        All metrics, in sample and held out.
    """

    trial: int | None
    parameters: dict[str, Any]
    steadiness: float
    plateau: float
    neighbours: int
    left: float
    performance: Performance


@dataclass(frozen=True)
class Recommendation:
    """The parameters to deploy, beside those that they were chosen from and have to beat.

    Attributes
    ----------
    parameters : dict
    trial : int
        Its number, from 1.
    reason : str
        Why these, in a sentence.
    regions : tuple of Contender
        The steadiest trial of each region of the parameter space, the recommended one first; the in-sample best
        is among them where it is one of these.
    best : Contender
        The in-sample best.
    defaults : Contender or None
        The default parameters; None where they are no point of the searched space.
    """

    parameters: dict[str, Any]
    trial: int
    reason: str
    regions: tuple[Contender, ...]
    best: Contender
    defaults: Contender | None


def recommend(search: FinishedSearch, *, threads: int | None = None) -> Recommendation:
    """Return which parameters of a finished search to deploy; see the module for the rule.

    Parameters
    ----------
    search : FinishedSearch
        One that has a winner.
    threads : int, optional
        All cores by default; the result does not depend on it.

    Raises
    ------
    ReproductionError
        The reference simulator does not confirm the recommended trial.

    Notes
    -----
    With several objectives the candidates are the Pareto front. Slow engines get fewer neighbours, or none: then the
    surrogate alone decides.
    """
    history, space = search.history, search.space
    assert history.best is not None
    year = periods_per_year(search)
    points, steady = history.points, steadiness(history.blocks, year)
    rows, beliefs = steadiest_regions(space, points, steady, candidate_rows(history))
    contenders = np.concatenate([points[rows], points[history.best][None], _default_point(search)])
    plateaus = _plateaus(search, contenders, year, threads)
    trials: list[int | None] = [*(rows + 1).tolist(), history.best + 1, None][: len(contenders)]
    found = [
        Contender(trial, parameters, *plateau, performance_of(search, search.bound_strategy, parameters))
        for trial, parameters, plateau in zip(trials, space.to_dicts(contenders), plateaus, strict=True)
    ]
    best = found[len(rows)]
    regions = ranked(found[: len(rows)], beliefs, best)
    _prove(search, int(regions[0].trial or 0))
    return Recommendation(
        parameters=regions[0].parameters,
        trial=int(regions[0].trial or 0),
        reason=reason_of(regions[0], best),
        regions=regions,
        best=best,
        defaults=found[len(rows) + 1] if len(found) > len(rows) + 1 else None,
    )


def _prove(search: FinishedSearch, number: int) -> None:
    """Run a trial again in the reference simulator; the winner has been, at the end of the search."""
    if number - 1 != search.history.best:
        trial = search.history[number - 1]
        reproduce(trial, search.bound_strategy, search.bars, search.rules, search.objective)


def ranked(found: Sequence[Contender], beliefs: FloatArray, best: Contender) -> tuple[Contender, ...]:
    """Return the contenders, the highest plateau first; those without one by what is believed of them, after these."""
    known = np.array([each.plateau for each in found])
    ranks = np.argsort(-np.where(np.isnan(known), beliefs - 1e9, known), kind="stable")
    regions = tuple(found[i] for i in ranks)
    if best.plateau > regions[0].plateau:
        return (best, *(region for region in regions if region.trial != best.trial))
    return regions


def candidate_rows(history: TrialHistory) -> IntArray:
    """Return the rows that may be recommended: the Pareto front, or the better half of the feasible trials."""
    if history.front is not None:
        return history.front.rows
    scores = np.where(history.feasible, history.scores, np.nan)
    rows: IntArray = np.flatnonzero(scores >= np.nanmedian(scores))
    return rows


def steadiest_regions(
    space: ParameterSpace, points: FloatArray, steady: FloatArray, candidates: IntArray
) -> tuple[IntArray, FloatArray]:
    """Return the candidate (k,) of each region that is believed to be the steadiest, and what is believed of it."""
    if np.isfinite(steady).sum() < LEAST_VALUES:
        first = candidates[[np.nan_to_num(steady[candidates]).argmax()]]
        return first, np.nan_to_num(steady[first])
    surrogate = fit_surrogate(space, points, steady, most=MODEL_POINTS)
    believed = surrogate.predict_mean(points[candidates])
    chosen: list[int] = []
    free = np.ones(len(candidates), np.bool_)
    while len(chosen) < REGIONS and free.any():
        chosen.append(int(np.argmax(np.where(free, believed, -np.inf))))
        free &= surrogate.likeness(points[candidates], points[candidates[chosen[-1]]][None])[:, 0] <= ALIKE
        free[chosen[-1]] = False
    return candidates[chosen], believed[chosen]


def _default_point(search: FinishedSearch) -> FloatArray:
    """Return the strategy's default parameters as a point (1, d) of the searched space; (0, d) where they are none."""
    space, defaults = search.space, search.strategy.space().defaults()
    try:
        return space.from_dicts([space.validate({name: defaults.get(name) for name in space.names})])
    except SpaceError:
        return np.empty((0, space.n_dims))


def _plateaus(
    search: FinishedSearch, contenders: FloatArray, year: float, threads: int | None
) -> list[tuple[float, float, int, float]]:
    """Return steadiness, plateau, number of neighbours and what is left of the Sharpe ratio, of each contender."""
    each = affordable_trials(search, len(contenders) * 2 * BOX_POINTS) // len(contenders)
    around = [perturbed_points(search.space, point, BOX_POINTS, 0).first(each).points for point in contenders]
    engine = PopulationEvaluator(search.bound_strategy, search.bars, search.rules, threads=threads)
    evaluator = bind_evaluator(engine, search.bound_strategy.space(), search.space)
    table = evaluator.evaluate(np.concatenate([contenders, *around]))
    steady, sharpes = steadiness(table.blocks, year), table.values[:, SHARPE]
    found, first = [], len(contenders)
    for i, near in enumerate(around):
        others = slice(first, first + len(near))
        first += len(near)
        found.append(
            (
                float(steady[i]),
                plateau_of(steady[i], steady[others]),
                len(near),
                left_of(sharpes[i], sharpes[others]),
            )
        )
    return found


def plateau_of(own: float, others: FloatArray) -> float:
    """Return the mean steadiness of a contender and its neighbours; one that failed (NaN) earned nothing."""
    return float(np.append(np.nan_to_num(others), own).mean()) if len(others) else np.nan


def left_of(own: float, others: FloatArray) -> float:
    """Return the 10 % quantile of the neighbours' Sharpe ratios over a contender's own; NaN unless that is above 0."""
    if not own > 0.0 or not len(others):
        return np.nan
    return float(np.quantile(np.nan_to_num(others), QUANTILE, method="inverted_cdf") / own)


def reason_of(chosen: Contender, best: Contender) -> str:
    """Return why a contender is recommended, in a sentence."""
    if chosen.parameters == best.parameters:
        return "the best trial in sample is also a steady one among steady neighbours"
    sharpe, theirs = (each.performance.in_sample.get("sharpe_ratio", np.nan) for each in (chosen, best))
    known = not np.isnan(sharpe) and not np.isnan(theirs)  # another engine need not give it
    if np.isnan(chosen.plateau):
        compared = f" (Sharpe ratio {sharpe:.2f}, the best {theirs:.2f})" if known else ""
        return f"its neighbours lead to expect the steadiest returns{compared}"
    compared = f", with a Sharpe ratio of {sharpe:.2f} against {theirs:.2f}" if known else ""
    return (
        f"it and its {chosen.neighbours} neighbours earned more evenly than the best trial in sample and its own "
        f"({compared_text(chosen.plateau, best.plateau)}){compared}"
    )
