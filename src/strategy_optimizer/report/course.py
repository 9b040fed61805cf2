"""How the search went, which parameters matter, surfaces, the front, and what the trials say in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from strategy_optimizer.analysis import (
    Course,
    Importance,
    Surface,
    Target,
    analyse_course,
    analyse_importance,
    find_insights,
    surface,
    target_of,
)
from strategy_optimizer.analysis.importance import value_of
from strategy_optimizer.analysis.insights import find_failures
from strategy_optimizer.analysis.target import main_targets
from strategy_optimizer.number_texts import score_text
from strategy_optimizer.report.equity import rounded
from strategy_optimizer.tasks import Result, TrialHistory
from strategy_optimizer.validation.statistics import NotEnough

MOST_SURFACES = 6
PAIRED = 4  # parameters of which every pair is shown: six pairs
MATTERS = 0.01  # total index below which a parameter's surfaces say nothing
MARKS = 200  # trials on a surface
MOST_FRONT, MOST_OTHERS = 300, 300  # points that are drawn
T = TypeVar("T")


def search_data(result: Result, *, seed: int = 0) -> dict[str, Any]:
    """Return what the trials of a search say, as plain values."""
    history = result.history
    targets = [target_of(history, name) for name in main_targets(history)]
    importance = [analyse_importance(target, seed=seed) for target in targets]
    insights = [each.text for each in find_failures(history)]
    for target, found in zip(targets, importance, strict=True):
        insights += [each.text for each in find_insights(target, found)]
    course = analyse_course(history, result.convergence, target=targets[0])
    return {
        "convergence": rounded(course)
        | {"several": history.front is not None, "texts": list(course_texts(course))},
        "importance": [_importance(found) for found in importance],
        "surfaces": surfaces_data(targets[0], importance[0], result),
        "insights": insights,
        "front": front_data(result) if history.front is not None else None,
    }


def course_texts(course: Course) -> Iterator[str]:
    """Return sentences on how a search went, and on what a model believes is still to be found."""
    measures, left = course.measures, course.regret
    yield f"within 1% of the best at trial {measures.convergence_iteration:,}"
    if math.isfinite(measures.final_improvement):
        yield f"the best is {score_text(measures.final_improvement)} above the default parameters"
    yield f"exploration ratio {measures.exploration_ratio:.0%}: cells of a grid with 10 bins a parameter / trials"
    if course.reference:
        corner = ", ".join(f"{name} {score_text(value)}" for name, value in course.reference.items())
        yield f"the front's hypervolume, from {corner}, is {course.best_so_far[-1]:.4g}"
    if isinstance(left, NotEnough):
        yield f"what may still be found is not known: {left}"
    else:
        best = "best" if not course.reference else f"best {next(iter(course.reference))}"
        yield (
            f"by a model of {left.trials:,} trials one more, where it hopes for most, adds {score_text(left.expected)} "
            f"to the {best}, and no point is likely to be better by more than {score_text(left.bound)}; it takes what "
            "is rough for noise, so more may be found"
        )


def _importance(found: Importance) -> dict[str, Any]:
    shown = ("name", "total", "first", "delta", "delta_chance")
    parameters = [{name: rounded(getattr(each, name)) for name in shown} for each in found.parameters]
    return {
        "of": found.of,
        "trials": found.trials,
        "explained": rounded(found.explained),
        "caution": found.caution,
        "parameters": parameters,
    }


# -- surfaces ----------------------------------------------------------------------------------------------


def surfaces_data(target: Target, importance: Importance, result: Result) -> dict[str, Any]:
    """Return the surfaces of the most important pairs, or one sentence on why there is none."""
    weights = {each.name: value_of(each.total) for each in importance.parameters}
    free = [name for name in weights if target.space.sizes[target.space.names.index(name)] > 1]
    every = list(combinations(free[:PAIRED], 2))
    pairs = [pair for pair in every if min(weights[name] for name in pair) >= MATTERS] or every[:1]
    pairs.sort(key=lambda pair: weights[pair[0]] + weights[pair[1]], reverse=True)
    found = [surface(target, x, y) for x, y in pairs[:MOST_SURFACES]]
    lacking = next((str(each) for each in found if isinstance(each, NotEnough)), None)
    if not pairs:
        lacking = "a surface needs two parameters that vary"
    marked = {"in-sample best": result.best_parameters, "recommended": result.recommended_parameters}
    shown = [_surface(each, marked) for each in found if isinstance(each, Surface)]
    return {"lacking": lacking, "of": target.name, "minimized": target.minimized, "surfaces": shown}


def _surface(found: Surface, marked: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """Return the prediction around the best trial with its deviation, and trials to lay over it."""
    assert found.y is not None
    points = {
        name: [params[found.x], params[found.y]]
        for name, params in marked.items()
        if params is not None and found.x in params and found.y in params
    }
    names = ("x", "y", "x_values", "y_values", "explained")
    return {name: rounded(getattr(found, name)) for name in names} | {
        "mean": rounded(found.at_best),
        "deviation": rounded(found.at_best_deviation),
        "trials": [
            rounded([mark.number, mark.x, mark.y, mark.value]) for mark in _spread(found.trials, MARKS)
        ],
        "marked": rounded(points),
    }


# -- the Pareto front --------------------------------------------------------------------------------------


def front_data(result: Result) -> dict[str, Any]:
    """Return the front and an even selection of the other trials, in the objectives."""
    history, front = result.history, result.pareto_front
    names = list(front[0].objectives)
    numbers = {point.trial for point in front}
    others = [row for row in np.flatnonzero(history.feasible).tolist() if row + 1 not in numbers]
    return {
        "objectives": names,
        "directions": list(_directions(history)),
        "points": [
            {
                "trial": point.trial,
                "in_sample": rounded(point.objectives),
                "held_out": rounded({name: (point.performance.held_out or {}).get(name) for name in names}),
            }
            for point in _spread(front, MOST_FRONT)
        ],
        "others": rounded(
            [[history[row].metrics[name] for name in names] for row in _spread(others, MOST_OTHERS)]
        ),
        "best_trial": result.best_trial,
        "recommended_trial": _recommended_trial(result),
        "size": len(numbers),
    }


def _directions(history: TrialHistory) -> Sequence[str]:
    assert history.front is not None
    return history.front.objective.directions


def _recommended_trial(result: Result) -> int | None:
    found = None if result.validation is None else result.validation.recommendation
    return None if found is None else int(found.trial)


def _spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the items, evenly."""
    rows = np.unique(np.linspace(0, len(items) - 1, min(len(items), most)).astype(np.int64)).tolist()
    return [items[row] for row in rows]
