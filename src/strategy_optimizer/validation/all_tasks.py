"""The winner of a search measured against the trials of all tasks on the same data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from strategy_optimizer.validation.ledger import (
    Earlier,
    Related,
    count_beyond,
    pooled,
    related_trials,
)
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    best_sharpe_without_skill,
    deflated_sharpe_2012,
    deflated_sharpe_h0,
    where_known,
)

Deflated: TypeAlias = Callable[..., float | NotEnough]


@dataclass(frozen=True)
class AllTasks:
    """What the trials of all tasks on the same data say of a winner, in sample.

    The winner is never better off than against the trials of its own search alone, or of any other: the best of more
    trials is at least as good, whatever their variance. Thousands of near-equal trials, such as those of a second
    search in a narrow space around the first one's winner, would otherwise shrink it and with it the luck of them all.

    Attributes
    ----------
    searches : int
        Earlier searches that count; earlier runs of the same call are one, where they made other trials.
    n_trials : int
        Trials of all tasks, this one included.
    distinct, distinct_error : float
        Different trials among them, and the standard error of that number: 0 where all keys were kept.
    trials_variance : float
        Variance of the Sharpe ratios of all trials, over as many observations as this search has.
    expected_best_sharpe : float
        Of the best of so many trials without skill.
    deflated_sharpe_2012, deflated_sharpe_h0 : float
        Probability that the winner is better than that.
    related : Related
        How related the trials of the tasks are.
    """

    searches: int
    n_trials: int
    distinct: float
    distinct_error: float
    trials_variance: float | NotEnough
    expected_best_sharpe: float | NotEnough
    deflated_sharpe_2012: float | NotEnough
    deflated_sharpe_h0: float | NotEnough
    related: Related | NotEnough


def examine_all_tasks(
    earlier: Earlier,
    moments: SharpeMoments | NotEnough,
    distinct: int,
    expected_best_sharpe: float | NotEnough,
    deflated_2012: float | NotEnough,
    deflated_h0: float | NotEnough,
) -> AllTasks | None:
    """Return the statistics over all tasks; None where no earlier search counts.

    Parameters
    ----------
    earlier : Earlier
    moments : SharpeMoments
        Of the winner's returns.
    distinct, expected_best_sharpe, deflated_2012, deflated_h0
        Of this search alone.
    """
    own, others = earlier.own.trials, [entry.trials for entry in earlier.searches]
    made_others_before = own.distinct > distinct  # the same call, with a limit of time
    if not others and not made_others_before:
        return None
    beyond = count_beyond(own.keys, [trials.keys for trials in others])
    n = max(1.0, max(distinct, own.distinct) + beyond.value)
    spreads = [trials.spread.over(own.spread.observations) for trials in others]
    variance = pooled([own.spread, *spreads]).variance
    groups = [
        (n, variance),
        *((trials.distinct, spread.variance) for trials, spread in zip(others, spreads, strict=True)),
    ]

    def against_all(deflated: Deflated, alone: float | NotEnough) -> float | NotEnough:
        found = [
            where_known(lambda m, v, n=n: deflated(m, n_trials=n, trials_variance=v), moments, variance)
            for n, variance in groups
        ]
        return _strictest(min, found, alone)

    expected = [where_known(best_sharpe_without_skill, variance, n) for n, variance in groups]
    return AllTasks(
        searches=len(others) + made_others_before,
        n_trials=own.made + sum(trials.made for trials in others),
        distinct=n,
        distinct_error=beyond.error,
        trials_variance=variance,
        expected_best_sharpe=_strictest(max, expected, expected_best_sharpe),
        deflated_sharpe_2012=against_all(deflated_sharpe_2012, deflated_2012),
        deflated_sharpe_h0=against_all(deflated_sharpe_h0, deflated_h0),
        related=related_trials([own, *others], n),
    )


def _strictest(
    extreme: Callable[[Sequence[float]], float], found: Sequence[float | NotEnough], alone: float | NotEnough
) -> float | NotEnough:
    """Return the extreme of a search alone and of the groups of trials that have a number; as `alone` has to."""
    known = [value for value in found if not isinstance(value, NotEnough)]
    return where_known(lambda value: extreme([value, *known]), alone)
