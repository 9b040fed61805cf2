"""What callers hand over: numbers and nothing that only reads like one, one row per point, aligned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from contracts.optimizer import mixed_space
from strategy_optimizer.errors import SearchError
from strategy_optimizer.optimizer import BOOptimizer, RandomOptimizer
from strategy_optimizer.optimizer.checks import as_outcomes, as_score_rows, as_scores

TWO = ("maximize", "minimize")


def outcomes_of(scores: Any, directions: tuple[str, ...] = ("maximize",), **told: Any) -> Any:
    columns = {"constraints": None, "std_errors": None, "seconds": None, "n_constraints": 0} | told
    return as_outcomes(scores, n=2, directions=directions, **columns)


@pytest.mark.parametrize(
    "scores", [["1.0", 2.0], [None, "1.0"], [b"1", 2.0], np.array(["1.0", "2.0"]), ["nan", 1.0], [["1"], [2]]]
)
def test_a_text_is_no_score(scores: Any) -> None:
    with pytest.raises(SearchError, match=r"scores must be numbers .*: the text "):
        outcomes_of(scores)


def test_a_text_is_no_number_anywhere() -> None:
    for told in ({"std_errors": ["1", 2.0]}, {"seconds": [1.0, "2"]}, {"constraints": [[1.0], ["2"]]}):
        with pytest.raises(SearchError, match=f"{next(iter(told))} must be numbers .*: the text '"):
            outcomes_of([1.0, 2.0], **told)
    with pytest.raises(SearchError, match=r"scores has .* expected shape .*: the text '2' is not a number"):
        outcomes_of([None, (1.0, "2")], TWO)


def test_what_is_no_number_is_a_failed_trial() -> None:
    assert np.isnan(as_scores([None, math.nan, math.inf, -math.inf], 4)).all()
    assert as_scores(np.array([1, None, 2.5], object), 3).tolist() == pytest.approx(
        [1, math.nan, 2.5], nan_ok=True
    )


def test_a_text_that_is_returned_fails_its_trial() -> None:
    optimizer = RandomOptimizer(mixed_space(), budget=3)
    with pytest.raises(
        SearchError, match=r"all 3 trials failed; .*returned the text '1.0'; expected a number"
    ):
        optimizer.optimize(lambda params: "1.0")


def test_the_loop_tells_durations_and_names_the_first_failure() -> None:
    optimizer = BOOptimizer(mixed_space(), n_calls=3)  # asks one by one
    optimizer.optimize(lambda params: 1.0)
    assert (optimizer.log.seconds >= 0.0).all()
    scores = iter("abc")
    with pytest.raises(SearchError, match=r"all 3 trials failed; the first one: .*the text 'a'"):
        BOOptimizer(mixed_space(), n_calls=3).optimize(lambda params: next(scores))


def test_one_bad_score_of_several_fails_the_trial() -> None:
    rows = as_score_rows([[1.0, math.inf], [3.0, 4.0]], 2, TWO)
    assert np.isnan(rows[0]).all()
    assert rows[1].tolist() == [3.0, 4.0]


def test_a_flat_row_is_of_a_single_point() -> None:
    assert as_score_rows([1.0, 2.0], 1, TWO).tolist() == [[1.0, 2.0]]
    with pytest.raises(SearchError, match=r"scores has shape \(4,\); expected shape \(2, 2\)"):
        as_score_rows([1.0, 2.0, 3.0, 4.0], 2, TWO)


def test_standard_errors_of_several_objectives_are_not_negative() -> None:
    with pytest.raises(SearchError, match=r"std_errors are below 0 \(-0.1 is one\)"):
        outcomes_of([(1.0, 2.0)] * 2, TWO, std_errors=[(0.1, 0.1), (0.1, -0.1)])


def test_each_trial_has_as_many_outcome_constraints_as_those_before() -> None:
    with pytest.raises(SearchError, match=r"constraints has shape \(2, 1\); expected \(2, 3\)"):
        outcomes_of([1.0, 2.0], constraints=[[1.0], [1.0]], n_constraints=3)


# -- points that were never asked


def test_outcomes_stay_with_their_points_where_others_are_left_out() -> None:
    optimizer = RandomOptimizer(mixed_space())
    points = mixed_space().sample(3, 1)
    outside = points.copy()
    outside[0, 0] = 1000.0
    with pytest.warns(UserWarning, match="1 of 3"):
        optimizer.tell_array(outside, [5.0, 1.0, 2.0], warm_start=True)
    assert optimizer.log.scores.tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(optimizer.log.points, points[1:])


def test_a_value_of_an_inactive_parameter_is_no_other_point() -> None:
    space = mixed_space()
    optimizer = RandomOptimizer(space)
    point = space.from_dicts([space.defaults() | {"stop": "none"}])
    trail = space.names.index("trail")
    assert np.isnan(point[0, trail])
    told = point.copy()
    told[0, trail] = 0.1
    optimizer.tell_array(told, [1.0])
    np.testing.assert_array_equal(optimizer.log.points, point)
    assert optimizer.log.keys.tolist() == space.keys(point).tolist()
    assert told[0, trail] == 0.1  # the caller's own array
