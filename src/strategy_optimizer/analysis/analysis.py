"""All of the analysis of one search, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strategy_optimizer.analysis.comparison import BeforeAfter, compare_before_after
from strategy_optimizer.analysis.convergence import Course, analyse_course
from strategy_optimizer.analysis.importance import Importance, analyse_importance
from strategy_optimizer.analysis.insights import Insight, find_failures, find_insights
from strategy_optimizer.analysis.prediction import Prediction, Predictor
from strategy_optimizer.analysis.surfaces import Surface, profile, surface
from strategy_optimizer.analysis.target import Target, main_targets
from strategy_optimizer.plain import plain_fields
from strategy_optimizer.tasks import Result
from strategy_optimizer.validation.statistics import NotEnough


@dataclass(frozen=True)
class Analysis:
    """What the trials of a search say.

    Attributes
    ----------
    task_id : str
    convergence : Course
    importance : dict
        By ``score``, or by each of several objectives.
    insights : tuple of Insight
    profiles : tuple of Surface or NotEnough
        The first target along each parameter, the most important first.
    surface : Surface or NotEnough or None
        The first target over the two most important parameters; None of a space with one.
    predictions : tuple of Prediction
        Of the parameters that were asked about.
    before_after : BeforeAfter
        The winner beside the strategy's default parameters.
    """

    task_id: str
    convergence: Course
    importance: Mapping[str, Importance]
    insights: tuple[Insight, ...]
    profiles: tuple[Surface | NotEnough, ...]
    surface: Surface | NotEnough | None
    predictions: tuple[Prediction, ...]
    before_after: BeforeAfter

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what there is too little for is ``{"not_enough": text}``."""
        return plain_fields(self)


def analyse(result: Result, at: Sequence[Mapping[str, Any]] = (), *, seed: int = 0) -> Analysis:
    """Return what the trials of a search say.

    Parameters
    ----------
    result : Result
        From `optimize`, or read from a file with `strategy_optimizer.models.read_result`.
    at : sequence of mappings
        Parameters to predict; inside the space that was searched.
    seed : int
        Draws samples and resamplings.

    Raises
    ------
    SpaceError
        Parameters to predict do not lie in the space.

    Examples
    --------
    >>> from strategy_optimizer import optimize
    >>> result = optimize("momentum", "nasdaq", evaluations=150, validate=False)
    >>> found = analyse(result, [result.default_parameters | {"lookback_period": 60}])
    >>> found.importance["score"].parameters[0].name
    'lookback_period'
    """
    history = result.history
    predictor = Predictor(result, seed=seed)
    predictions = tuple(predictor.predict(params) for params in at)  # a mistake is found before the work
    targets = [predictor.target(name) for name in main_targets(history)]
    importance = {target.name: analyse_importance(target, seed=seed) for target in targets}
    insights = [*find_failures(history)]
    insights += [each for target in targets for each in find_insights(target, importance[target.name])]
    main, *_ = targets
    names = [each.name for each in importance[main.name].parameters]
    return Analysis(
        task_id=result.task_id,
        convergence=analyse_course(history, result.convergence, target=main),
        importance=importance,
        insights=tuple(insights),
        profiles=tuple(profile(main, name) for name in names),
        surface=_first_pair(main, names),
        predictions=predictions,
        before_after=compare_before_after(result),
    )


def _first_pair(target: Target, names: Sequence[str]) -> Surface | NotEnough | None:
    return surface(target, names[0], names[1]) if len(names) > 1 else None
