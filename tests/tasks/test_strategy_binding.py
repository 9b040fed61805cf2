"""Searching a strategy in another space than its own."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer import Categorical, Continuous, Discrete, ParameterSpace, get_strategy
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.tasks.strategy_binding import bind_evaluator, bind_strategy


class Recorder:
    """Keeps the points it was given."""

    def evaluate(self, points: np.ndarray, /) -> MetricsTable:
        self.points = points
        return MetricsTable(np.zeros((len(points), len(METRICS))), np.zeros((len(points), 1, 3)))


OWN = ParameterSpace(
    "own",
    {
        "n": Discrete(1, 9, default=4),
        "kind": Categorical(["a", "b", "c"]),
        "trail": Continuous(0.1, 0.5, default=0.2, condition="kind == 'c'"),
    },
)


def translated(space: ParameterSpace, points: list[list[float]]) -> np.ndarray:
    recorder = Recorder()
    bind_evaluator(recorder, OWN, space).evaluate(np.array(points))
    return recorder.points


def test_the_same_space_needs_no_translation() -> None:
    recorder = Recorder()
    assert bind_evaluator(recorder, OWN, OWN.copy()) is recorder
    wide = OWN.override(
        {"n": Discrete(1, 90), "kind": OWN.parameters["kind"], "trail": OWN.parameters["trail"]}
    )
    assert bind_evaluator(recorder, OWN, wide) is recorder


def test_choices_are_translated_to_the_strategys_indices() -> None:
    space = OWN.override({"kind": Categorical(["c", "a"]), "trail": Continuous(0.1, 0.5)})
    points = [[4, 0, 0.3], [4, 1, np.nan]]
    np.testing.assert_array_equal(translated(space, points), [[4, 2, 0.3], [4, 0, np.nan]])


def test_a_column_that_the_space_does_not_have_takes_the_strategys_default() -> None:
    space = OWN.override({"n": Discrete(1, 9), "kind": Categorical(["b", "a"])})
    assert space.names == ("n", "kind")
    np.testing.assert_array_equal(translated(space, [[4, 0], [7, 1]]), [[4, 1, np.nan], [7, 0, np.nan]])
    space = ParameterSpace("own", {"kind": Categorical(["c", "b"])})
    np.testing.assert_array_equal(translated(space, [[0], [1]]), [[4, 2, 0.2], [4, 1, np.nan]])


def test_what_another_condition_leaves_out_takes_the_strategys_default() -> None:
    space = ParameterSpace(
        "own",
        {
            "n": Discrete(1, 9, default=4, condition="kind == 'a'"),
            "kind": Categorical(["a", "b", "c"]),
            "trail": Continuous(0.1, 0.5, default=0.2, condition="kind == 'c'"),
        },
    )
    points = [[np.nan, 2, 0.3], [7, 0, np.nan]]
    np.testing.assert_array_equal(translated(space, points), [[4, 2, 0.3], [7, 0, np.nan]])


def test_the_points_are_not_changed() -> None:
    space = OWN.override({"kind": Categorical(["c", "a"])})
    points = np.array([[4.0, 0.0, 0.2]])
    before = points.copy()
    bind_evaluator(Recorder(), OWN, space).evaluate(points)
    np.testing.assert_array_equal(points, before)


def test_a_strategy_is_itself_in_its_own_space() -> None:
    momentum = get_strategy("momentum")
    assert bind_strategy(momentum, momentum.space()) is momentum
    wide = momentum.space().override({"lookback_period": Discrete(2, 500)})
    bound = bind_strategy(momentum, wide)
    assert issubclass(bound, momentum)
    assert bound.label() == "momentum"
    assert bound.space().names == momentum.space().names
    assert momentum.space().parameters["lookback_period"] == Discrete(10, 100, default=20)


def test_a_space_of_another_strategy_is_refused() -> None:
    momentum = get_strategy("momentum")
    with pytest.raises(SpaceError, match="momentum has no parameter 'fast'") as caught:
        bind_strategy(momentum, ParameterSpace("s", {"fast": Discrete(1, 2)}))
    assert caught.value.parameter == "fast"
    with pytest.raises(SpaceError, match="in its order"):
        bind_strategy(momentum, ParameterSpace("s", dict(reversed(momentum.space().parameters.items()))))
    with pytest.raises(SpaceError, match="no parameter to search"):
        bind_strategy(momentum, ParameterSpace("s"))
    with pytest.raises(SpaceError, match="'threshold' is continuous, found discrete"):
        bind_strategy(momentum, ParameterSpace("s", {"threshold": Discrete(1, 2)}))
