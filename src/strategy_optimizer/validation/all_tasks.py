"""The winner of a search measured against the trials of all tasks on the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from strategy_optimizer.validation.ledger import (
    Earlier,
    Related,
    Trials,
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
    even_trials,
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
    deflated_sharpe_2012, deflated_sharpe_h0 : float
        Probability that the winner is better than the best of so many trials without skill.
    null_variance : float
        Variance that the Sharpe ratios of evenly spread trials of all tasks have when none has skill: one minus their
        mean correlation, over the observations of this search; never less than that within the tasks.
    deflated_sharpe_null, expected_best_sharpe : float
        As those of `Overfitting`, against all tasks.
    related : Related
        How related evenly spread trials of the tasks are.
    """

    searches: int
    n_trials: int
    distinct: float
    distinct_error: float
    trials_variance: float | NotEnough
    deflated_sharpe_2012: float | NotEnough
    deflated_sharpe_h0: float | NotEnough
    null_variance: float | NotEnough
    deflated_sharpe_null: float | NotEnough
    expected_best_sharpe: float | NotEnough
    related: Related | NotEnough


class Alone(NamedTuple):
    """What the trials of a search alone say of its winner; see `Overfitting`."""

    distinct: int
    expected_best_sharpe: float | NotEnough
    deflated_sharpe_2012: float | NotEnough
    deflated_sharpe_h0: float | NotEnough
    deflated_sharpe_null: float | NotEnough


class Group(NamedTuple):
    """Trials that the winner is measured against: how many, and the variance of their Sharpe ratios."""

    n: float
    variance: float | NotEnough


def examine_all_tasks(earlier: Earlier, moments: SharpeMoments | NotEnough, alone: Alone) -> AllTasks | None:
    """Return the statistics over all tasks; None where no earlier search counts.

    Parameters
    ----------
    earlier : Earlier
    moments : SharpeMoments
        Of the winner's returns.
    alone : Alone
    """
    own, others = earlier.own.trials, [entry.trials for entry in earlier.searches]
    made_others_before = own.distinct > alone.distinct  # the same call, with a limit of time
    if not others and not made_others_before:
        return None
    beyond = count_beyond(own.keys, [trials.keys for trials in others])
    n = max(1.0, max(alone.distinct, own.distinct) + beyond.value)
    related = related_trials([own, *others], n)
    observed = _observed_groups(n, own, others)
    null = _null_groups(n, related, own, others)
    knows_null = not isinstance(alone.deflated_sharpe_null, NotEnough)
    return AllTasks(
        searches=len(others) + made_others_before,
        n_trials=own.made + sum(trials.made for trials in others),
        distinct=n,
        distinct_error=beyond.error,
        trials_variance=observed[0].variance,
        deflated_sharpe_2012=_lowest(deflated_sharpe_2012, moments, observed, alone.deflated_sharpe_2012),
        deflated_sharpe_h0=_lowest(deflated_sharpe_h0, moments, observed, alone.deflated_sharpe_h0),
        null_variance=null[0].variance,
        deflated_sharpe_null=_lowest(deflated_sharpe_2012, moments, null, alone.deflated_sharpe_null),
        expected_best_sharpe=_highest(null if knows_null else observed, alone.expected_best_sharpe),
        related=related,
    )


def _observed_groups(n: float, own: Trials, others: Sequence[Trials]) -> list[Group]:
    """Return all tasks together, then each other one alone, with the variance of the trials' own Sharpe ratios."""
    spreads = [trials.spread.over(own.spread.observations) for trials in others]
    return [
        Group(n, pooled([own.spread, *spreads]).variance),
        *(
            Group(max(1.0, trials.distinct), spread.variance)
            for trials, spread in zip(others, spreads, strict=True)
        ),
    ]


def _null_groups(
    n: float, related: Related | NotEnough, own: Trials, others: Sequence[Trials]
) -> list[Group]:
    """Return the same groups as even trials, with the variance of their Sharpe ratios when none has skill."""
    everything = [own, *others]
    diversities = [_diversity(trials) for trials in everything]
    within = float(np.average(diversities, weights=[max(1, trials.distinct) for trials in everything]))
    between = 0.0 if isinstance(related, NotEnough) else 1.0 - related.mean_correlation
    counts, observations = [n, *(trials.distinct for trials in others)], own.spread.observations
    return [
        Group(even_trials(count), diversity / observations)
        for count, diversity in zip(counts, [max(within, between), *diversities[1:]], strict=True)
    ]


def _diversity(trials: Trials) -> float:
    """Return one minus the mean correlation of a task's trials; where it is not known, what their Sharpe ratios say."""
    if trials.sketch.diversity is not None:
        return trials.sketch.diversity
    variance = trials.spread.variance
    return 1.0 if isinstance(variance, NotEnough) else min(1.0, variance * trials.spread.observations)


def _lowest(
    deflated: Deflated, moments: SharpeMoments | NotEnough, groups: Iterable[Group], alone: float | NotEnough
) -> float | NotEnough:
    """Return the lowest deflated Sharpe ratio, of a search alone and of the groups; as `alone` has to be known."""
    found = [
        where_known(
            lambda known, variance, n=group.n: deflated(known, n_trials=n, trials_variance=variance),
            moments,
            group.variance,
        )
        for group in groups
    ]
    return where_known(lambda value: min([value, *_known(found)]), alone)


def _highest(groups: Iterable[Group], alone: float | NotEnough) -> float | NotEnough:
    """Return the highest Sharpe ratio to expect by luck, of a search alone and of the groups."""
    found = [where_known(best_sharpe_without_skill, group.variance, group.n) for group in groups]
    return where_known(lambda value: max([value, *_known(found)]), alone)


def _known(found: Iterable[float | NotEnough]) -> list[float]:
    return [value for value in found if not isinstance(value, NotEnough)]
