"""Which parameters to deploy after a search on another engine.

The rule is that of `recommend`: the steadiest trial of each region by the surrogate, and the highest plateau of these
and the best trial in sample wins. But every neighbour costs a run of the engine. So at most `MOST_SHARE` of the trials
are run as neighbours, in at most `MOST_SECONDS`; they are shared among the first regions and the best trial in sample,
and fewer than `LEAST_NEIGHBOURS` each are not worth a run: then the surrogate alone decides. Neighbours that the search
has tried already cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.tasks import EngineSearch, Performance, TrialHistory
from strategy_optimizer.tasks.engine_result import check_again, run_all, scored
from strategy_optimizer.validation.engine_trials import BARS_A_YEAR, bar_sharpes, gave_returns
from strategy_optimizer.validation.recommendation.recommend import (
    BOX_POINTS,
    Contender,
    Recommendation,
    candidate_rows,
    left_of,
    plateau_of,
    ranked,
    reason_of,
    steadiest_regions,
)
from strategy_optimizer.validation.recommendation.steadiness import steadiness
from strategy_optimizer.validation.robustness.perturbed_points import perturbed_points

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_SHARE = 0.05  # of the trials
MOST_SECONDS = 600.0  # of one worker, at the median seconds of a trial
LEAST_NEIGHBOURS = 4  # of a contender
WANTED_NEIGHBOURS = 8  # before another contender gets some


@dataclass(frozen=True)
class Plateau:
    """A contender's neighbourhood: mean steadiness, number of neighbours, what they leave of its Sharpe ratio."""

    plateau: float = np.nan
    neighbours: int = 0
    left: float = np.nan


def affordable_runs(history: TrialHistory) -> int:
    """Return how many runs of the engine validation may spend on neighbours."""
    seconds = float(np.median(history.seconds))
    share = int(MOST_SHARE * len(history))
    return share if seconds * share <= MOST_SECONDS else int(MOST_SECONDS / seconds)


def recommend_of_engine(search: EngineSearch) -> Recommendation | None:
    """Return which parameters of a finished search to deploy; None where the winner has no returns.

    Parameters
    ----------
    search : EngineSearch
        One that has a winner.

    Raises
    ------
    ReproductionError
        The recommended trial gives other numbers when it is run again.
    """
    history = search.history
    assert history.best is not None
    known = gave_returns(history)
    if not known[history.best]:
        return None
    steady = np.where(known, steadiness(history.blocks, BARS_A_YEAR), np.nan)
    candidates = candidate_rows(history)
    rows, beliefs = steadiest_regions(search.space, history.points, steady, candidates[known[candidates]])
    own = dict(_plateaus(search, rows, steady))
    found = [_contender(search, row, steady[row], own.get(row, Plateau())) for row in rows.tolist()]
    best = _contender(search, history.best, steady[history.best], own.get(history.best, Plateau()))
    best = _with_performance(search, best)
    regions = ranked(found, beliefs, best)
    chosen = _proved(search, regions[0])
    return Recommendation(
        parameters=chosen.parameters,
        trial=int(chosen.trial or 0),
        reason=reason_of(chosen, best),
        regions=(chosen, *regions[1:]),
        best=best,
        defaults=_defaults(search),
    )


def _contender(search: EngineSearch, row: int, steady: float, around: Plateau) -> Contender:
    trial = search.history[row]
    return Contender(
        trial=trial.number,
        parameters=trial.parameters,
        steadiness=float(steady),
        plateau=around.plateau,
        neighbours=around.neighbours,
        left=around.left,
        performance=Performance(trial.metrics | {"composite_score": trial.score}),
    )


def _with_performance(search: EngineSearch, contender: Contender) -> Contender:
    """Return the contender with its numbers on the data held out, where there are any: a run of the engine, or none."""
    if search.held_out is None:
        return contender
    (outcome,) = search.run_held_out([contender.parameters])
    performance = replace(contender.performance, held_out=scored(search, outcome))
    return replace(contender, performance=performance)


def _proved(search: EngineSearch, contender: Contender) -> Contender:
    """Run what is recommended again, as the winner has been."""
    assert contender.trial is not None
    (outcome,) = search.run_searched([contender.parameters])
    check_again(search, search.history[contender.trial - 1], outcome)
    return _with_performance(search, contender)


def _defaults(search: EngineSearch) -> Contender:
    """Return the parameters tried first; they have been run already on both parts of the data."""
    parameters = dict(search.first_parameters)
    (outcome,) = search.run_searched([parameters])
    steady = np.nan
    if outcome.failure is None and outcome.value.sums is not None:
        steady = float(steadiness(outcome.value.sums[None], BARS_A_YEAR)[0])
    performance = Performance(scored(search, outcome))
    return _with_performance(search, Contender(None, parameters, steady, np.nan, 0, np.nan, performance))


# -- neighbours --------------------------------------------------------------------------------------------------


def _plateaus(search: EngineSearch, rows: IntArray, steady: FloatArray) -> Iterator[tuple[int, Plateau]]:
    """Yield what is known of the neighbours of the best trial and of the first regions, as far as runs are there."""
    best = search.history.best
    assert best is not None
    budget = affordable_runs(search.history)
    contenders = [best, *(row for row in rows.tolist() if row != best)]
    if len(contenders) < 2:
        return
    contenders = contenders[: max(2, budget // WANTED_NEIGHBOURS)]
    each = budget // len(contenders)
    if each < LEAST_NEIGHBOURS:
        return
    points = search.history.points
    around = [
        perturbed_points(search.space, points[row], BOX_POINTS, 0).first(each).points for row in contenders
    ]
    blocks = _blocks(search, np.concatenate(around))
    # A neighbour that failed earned nothing, as in `recommend`.
    values, sharpes = steadiness(blocks, BARS_A_YEAR), bar_sharpes(blocks)
    first = 0
    for row, near in zip(contenders, around, strict=True):
        others = slice(first, first + len(near))
        first += len(near)
        own_sharpe = float(bar_sharpes(search.history.blocks[[row]])[0])
        yield (
            row,
            Plateau(plateau_of(steady[row], values[others]), len(near), left_of(own_sharpe, sharpes[others])),
        )


def _blocks(search: EngineSearch, points: FloatArray) -> FloatArray:
    """Return the block sums (n, B, 3) of points: of those that the search tried without a run; NaN where one failed."""
    history, space = search.history, search.space
    blocks = np.full((len(points), search.n_blocks, 3), np.nan)
    tried = dict(zip(space.keys(history.points).tolist(), range(len(history)), strict=True))
    rows = np.array([tried.get(key, -1) for key in space.keys(points).tolist()])
    blocks[rows >= 0] = history.blocks[rows[rows >= 0]]
    new = np.flatnonzero(rows < 0)
    outcomes = run_all(search.executor(search.engine), space.to_dicts(points[new])) if len(new) else []
    for place, outcome in zip(new.tolist(), outcomes, strict=True):
        sums = None if outcome.failure is not None else outcome.value.sums
        if sums is not None and (sums[:, 0] == history.block_counts).all():
            blocks[place] = sums
    return blocks
