"""What the trials of a search say, in sentences with their numbers; each rests on a test that can fail.

Trials of an optimizer are no independent sample, so one test is seldom enough: what is said of a range of a parameter
must hold among the trials beyond chance, and the model of the trials must believe it of the points that were not tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategy_optimizer.analysis.importance import Importance, ParameterImportance, value_of
from strategy_optimizer.analysis.regions import Region, regions_of, separating_region
from strategy_optimizer.analysis.target import LEAST_EXPLAINED, BoolArray, FloatArray, IntArray, Target
from strategy_optimizer.optimizer.bayes.candidates import far_apart
from strategy_optimizer.optimizer.surrogate import Surrogate
from strategy_optimizer.space import Categorical
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.validation.statistics import NotEnough

LEAST_TRIALS = 100  # completed ones, before which nothing is said
GOOD_WITHIN = 0.2  # of the way from the best trial to the middle of the space: better than that is good
CHANCE = 0.05  # that good trials avoid some region by luck, below which it is said
LEAST_BEYOND = 20  # trials in a region of which something is said
APART = 0.1  # trials that differ by less than this share of the range in every parameter count as one
MOST_APART = 1000
PROBES = 400  # untried points of a region that the model is asked about
HOPE = 1.0  # standard deviations that the model may be too low by
MATTERS = 0.2  # total index from which a parameter is named as the one that matters most
NO_INFLUENCE = 0.01  # total index and loss by shuffling below which there is none to be measured
SURE_MODEL = 0.5  # share of the variation a model must foresee to say that something has no influence
AT_BOUND = 0.02  # distance from a bound, a share of the range, that counts as lying at it
INSIDE = 0.15  # how far inside the bound the model must believe in less
MANY_FAILED = 0.1  # share of failed trials from which they are spoken of


@dataclass(frozen=True)
class Insight:
    """A sentence on a search, and the numbers it is made of.

    Attributes
    ----------
    kind : str
        ``never_helped``, ``matters_most``, ``no_influence``, ``at_bound``, ``failures``, ``violations`` or ``rough``.
    text : str
    parameter : str or None
        That it is about.
    numbers : dict
    """

    kind: str
    text: str
    parameter: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


def find_insights(target: Target, importance: Importance) -> tuple[Insight, ...]:
    """Return what can be said of a score or metric; nothing with fewer than 100 completed trials.

    Parameters
    ----------
    target : Target
    importance : Importance
        Of the target.
    """
    if len(target.known) < LEAST_TRIALS or target.lacking is not None:
        return ()
    return (
        *_rough(importance),
        *_matters_most(importance),
        *_at_bound(target, importance),
        *_never_helped(target),
        *_no_influence(target, importance),
    )


# -- the landscape


def _rough(importance: Importance) -> Iterator[Insight]:
    found = importance.explained
    if isinstance(found, NotEnough) and "explained" in found.what:
        share = found.found / 100.0
        yield Insight(
            "rough",
            f"the {importance.of} of a trial says little of its neighbours: a model of {importance.trials:,} trials "
            f"foresees {share:.0%} of their variation, so predictions and importance are left out",
            numbers={"explained": share, "needed": LEAST_EXPLAINED},
        )


def _matters_most(importance: Importance) -> Iterator[Insight]:
    """Name the first parameter, where its index is clearly above the second's."""
    first, *others = importance.parameters
    total = first.total
    if isinstance(total, NotEnough) or total.value < MATTERS:
        return
    if others and not isinstance(others[0].total, NotEnough) and others[0].total.upper >= total.lower:
        return
    yield Insight(
        "matters_most",
        f"{first.name} matters most: it takes part in {total.value:.0%} of the variation of the {importance.of} over "
        f"the space ({total.lower:.0%} to {total.upper:.0%}), by a model of {importance.trials:,} trials",
        first.name,
        {"total": total.value, "lower": total.lower, "upper": total.upper},
    )


def _no_influence(target: Target, importance: Importance) -> Iterator[Insight]:
    explained = importance.explained
    if isinstance(explained, NotEnough) or explained < SURE_MODEL:
        return
    for each in importance.parameters:
        if isinstance(each.total, NotEnough) or isinstance(each.permutation, NotEnough):
            continue
        most = max(each.total.upper, each.permutation.upper)
        if most < NO_INFLUENCE and each.active > 0.5 and _was_varied(target, each):
            yield Insight(
                "no_influence",
                f"{each.name} has no measurable influence on the {importance.of}: it takes part in less than "
                f"{max(most, 0.001):.1%} of its variation",
                each.name,
                {"at_most": most},
            )


def _was_varied(target: Target, each: ParameterImportance) -> bool:
    """Return whether the trials look at most of a parameter's range: else nothing is known of its influence."""
    j = target.space.names.index(each.name)
    unit = target.space.to_unit(target.points[target.known])[:, j]
    unit = unit[~np.isnan(unit)]
    if target.space.kinds[j] == 2:
        return len(np.unique(unit)) == int(target.space.sizes[j])
    return bool(np.quantile(unit, 0.98) - np.quantile(unit, 0.02) > 0.5)


# -- bounds


def _at_bound(target: Target, importance: Importance) -> Iterator[Insight]:
    """Name the bounds at which the best trial lies, where the model believes that less of it is worse."""
    model, space = target.model, target.space
    if isinstance(model, NotEnough) or target.best is None:
        return
    weights = {each.name: value_of(each.total) for each in importance.parameters}
    point = target.points[target.best]
    unit = space.to_unit(point[None])[0]
    for j, (name, parameter) in enumerate(space.parameters.items()):
        if isinstance(parameter, Categorical) or np.isnan(point[j]) or weights[name] < NO_INFLUENCE:
            continue
        if parameter.size is not None and parameter.size < 3:
            continue
        for bound, side, inwards in ((parameter.low, "lower", 1.0), (parameter.high, "upper", -1.0)):
            edge = unit[j] if point[j] == bound else (0.0 if side == "lower" else 1.0)
            if abs(unit[j] - edge) > AT_BOUND or not _falls_inside(
                model, target, j, unit[j] + inwards * INSIDE
            ):
                continue
            yield Insight(
                "at_bound",
                f"the best lies at the {side} bound of {name} ({bound:g}), and the model sees it fall away from there: "
                "widen it",
                name,
                {"bound": float(bound), "value": float(point[j])},
            )


def _falls_inside(model: Surrogate, target: Target, j: int, unit: float) -> bool:
    """Return whether the best trials with parameter j moved inside are believed to be worse."""
    space = target.space
    rows = np.argsort(-np.where(target.feasible & np.isfinite(target.values), target.gains, -np.inf))[:10]
    here = target.points[rows]
    here = here[~np.isnan(here[:, j])]
    moved = space.to_unit(np.where(np.isnan(here), space.default_values, here))
    moved[:, j] = unit
    there = np.where(np.isnan(here), np.nan, space.unconditional().from_unit(moved))
    usable = space.is_feasible(there)
    if not usable.any():
        return False
    return bool(np.mean(model.predict_mean(here[usable]) - model.predict_mean(there[usable])) > 0.0)


# -- ranges that never helped


def _never_helped(target: Target) -> Iterator[Insight]:
    """Name for each parameter the widest range on either side, and every choice, in which no good trial lies."""
    model = target.model
    if isinstance(model, NotEnough):
        return
    gains = target.gains[target.known]
    level = good_level(model, target)
    apart = _apart(target)  # the children of one good trial are no further evidence
    regions = [regions_of(target.space, j) for j in range(target.space.n_dims)]
    n_tests = sum(map(len, regions))
    for j, of_parameter in enumerate(regions):
        values = target.points[target.known, j]
        active = ~np.isnan(values)
        counted = apart[active[apart]]
        said: set[object] = set()
        for region in of_parameter:
            inside = region.holds(values)
            once = (
                region.side if region.is_range else region.shown
            )  # the widest range of a side, every choice
            if once in said or (inside & (gains >= level)).any() or inside.sum() < LEAST_BEYOND:
                continue
            if _is_luck(gains[counted] >= level, inside[counted], n_tests):
                continue
            if _hopeless(model, target, region, level):
                said.add(once)
                yield _said_of(target, region, gains, inside, active)


def _apart(target: Target) -> IntArray:
    """Return which of the known trials, the best first, differ clearly from all better ones."""
    order = np.argsort(-target.gains[target.known], kind="stable")
    unit = np.nan_to_num(target.space.to_unit(target.points[target.known[order]]), nan=-1.0)
    return order[far_apart(unit, APART, MOST_APART)]


def good_level(model: Surrogate, target: Target) -> float:
    """Return the gain from which a trial is good: not far from the best, beside the middle of the whole space."""
    middle = float(np.median(model.predict_mean(target.space.sample(PROBES, 0, "sobol"))))
    best = float(target.gains[target.known].max())
    return best - GOOD_WITHIN * max(0.0, best - middle)


def _is_luck(good: BoolArray, inside: BoolArray, n_tests: int) -> bool:
    """Return whether good trials may avoid a region by chance: hypergeometric, the best of so many tests."""
    from scipy.stats import hypergeom  # heavy: when used

    chance = float(hypergeom.pmf(0, len(good), int(good.sum()), int(inside.sum())))
    return chance * n_tests >= CHANCE


def _hopeless(model: Surrogate, target: Target, region: Region, good: float) -> bool:
    """Return whether the model believes of no point in a region that it is good, by a deviation."""
    rng = np.random.default_rng(0)
    points = region.sample(target.space, PROBES, rng)
    if len(points) < LEAST_BEYOND:
        return False
    mean, deviation = model.predict(points)
    return bool((mean + HOPE * deviation).max() < good)


def _said_of(
    target: Target, region: Region, gains: FloatArray, inside: BoolArray, active: BoolArray
) -> Insight:
    there = target.sign * float(gains[inside].max())
    rest = target.sign * float(gains[active & ~inside].max())
    n = int(inside.sum())
    return Insight(
        "never_helped",
        f"{region.text} never helped: the best of {n:,} trials there has {number(there)}, the best {region.elsewhere} "
        f"{number(rest)}",
        region.name,
        {"trials": n, "best_there": there, "best_elsewhere": rest, **region.numbers},
    )


# -- failures


def find_failures(history: TrialHistory) -> Iterator[Insight]:
    """Name why trials failed or violate a constraint, and the range of a parameter where nearly all of them lie."""
    n = len(history)
    if n < LEAST_TRIALS:
        return
    reasons = np.array(history.reasons)
    for kind, tally, verb in (
        ("failures", history.failures(), "failed with"),
        ("violations", history.violations(), ""),
    ):
        for reason, count in tally.items():
            if count < MANY_FAILED * n:
                continue
            share = count / n
            region, caught = separating_region(history.space, history.points, reasons == reason)
            where = (
                f", {'nearly all' if caught >= 0.9 else 'most'} of them with {region.text}" if region else ""
            )
            yield Insight(
                kind,
                f"{share_text(share)} of the trials {f'{verb} {reason}'.strip()}{where}",
                region.name if region else None,
                {
                    "reason": reason,
                    "trials": count,
                    "share": share,
                    "caught": caught,
                    **(region.numbers if region else {}),
                },
            )


def share_text(share: float) -> str:
    """Return a share for people.

    >>> share_text(0.51), share_text(0.34), share_text(0.17)
    ('half', 'a third', '17 %')
    """
    for text, value in (("half", 0.5), ("a third", 1 / 3), ("a quarter", 0.25), ("two thirds", 2 / 3)):
        if abs(share - value) < 0.015:
            return text
    return f"{100 * share:.0f} %"


def number(value: float) -> str:
    """Return a number with three digits.

    >>> number(0.41234), number(1234.5)
    ('0.412', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
