"""Scores of single candidates and of populations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer import ObjectiveFunction
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective import DEFAULT_WEIGHTS

GOOD = {
    "sharpe_ratio": 1.5,
    "total_return": 0.4,
    "max_drawdown": 0.25,
    "win_rate": 0.6,
    "volatility": 0.2,
    "trades": 40.0,
}


def table(*rows: dict[str, float], errors: dict[int, str] | None = None) -> MetricsTable:
    values = np.array([[{**dict.fromkeys(METRICS, 1.0), **row}[name] for name in METRICS] for row in rows])
    return MetricsTable(values, np.zeros((len(rows), 2, 3)), errors or {})


def test_the_default_weights_are_those_of_the_seed() -> None:
    expected = 0.4 * 1.5 + 0.3 * 0.4 + 0.2 * (1 - 0.25) + 0.1 * 0.6
    assert ObjectiveFunction().score(GOOD) == pytest.approx(expected, rel=1e-15)
    assert dict(DEFAULT_WEIGHTS) == {
        "sharpe_ratio": 0.4,
        "total_return": 0.3,
        "max_drawdown": 0.2,
        "win_rate": 0.1,
    }


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("max_drawdown", 1 - 0.3),
        ("volatility", -0.3),
        ("max_drawdown_bars", -0.3),
        ("turnover", -0.3),
        ("costs_paid", -0.3),
        ("kurtosis", -0.3),
        ("sharpe_ratio", 0.3),
        ("exposure", 0.3),
        ("skew", 0.3),
    ],
)
def test_direction_of_each_single_metric(metric: str, expected: float) -> None:
    assert ObjectiveFunction(metric).score({metric: 0.3}) == pytest.approx(expected)


def test_every_metric_can_be_an_objective() -> None:
    for metric in METRICS:
        assert math.isfinite(ObjectiveFunction(metric).score({metric: 1.0}))


def test_no_trade_is_a_failure() -> None:
    assert math.isnan(ObjectiveFunction("max_drawdown").score({"max_drawdown": 0.0, "trades": 0}))
    scores = ObjectiveFunction("max_drawdown").score_table(table({"trades": 0.0}, {"trades": 1.0}))
    assert np.isnan(scores.score[0])
    assert scores.score[1] == 0.0
    assert scores.reasons == {0: "no_trades"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "win_rate is not a number"),
        (math.inf, "win_rate is infinite"),
        (-math.inf, "win_rate is infinite"),
    ],
)
def test_a_metric_that_is_not_finite_fails_and_is_named(value: float, reason: str) -> None:
    objective = ObjectiveFunction()
    scores = objective.score_table(table(GOOD, {**GOOD, "win_rate": value}))
    assert np.isfinite(scores.score[0])
    assert np.isnan(scores.score[1])
    assert scores.reasons == {1: reason}
    assert math.isnan(objective.score({**GOOD, "win_rate": value}))


def test_the_first_broken_metric_of_several_is_named() -> None:
    objective = ObjectiveFunction({"sharpe_ratio": 1, "total_return": 1})
    scores = objective.score_table(table({"sharpe_ratio": math.nan, "total_return": math.inf}))
    assert scores.reasons == {0: "sharpe_ratio is not a number"}


def test_an_infinite_metric_outside_the_objective_does_not_matter() -> None:
    scores = ObjectiveFunction("sharpe_ratio").score_table(table({**GOOD, "profit_factor": math.inf}))
    assert scores.score[0] == 1.5
    assert scores.reasons == {}


def test_a_metric_with_weight_zero_does_not_matter() -> None:
    objective = ObjectiveFunction({"sharpe_ratio": 1.0, "profit_factor": 0.0})
    assert objective.score({**GOOD, "profit_factor": math.inf}) == 1.5
    assert objective.score(GOOD) == 1.5


def test_a_sum_that_overflows_fails() -> None:
    objective = ObjectiveFunction({"costs_paid": 1e300, "sharpe_ratio": 1.0})
    scores = objective.score_table(table({"costs_paid": 1e300}))
    assert np.isnan(scores.score[0])
    assert scores.reasons == {0: "the score is not finite"}


def test_the_strategys_error_is_the_reason() -> None:
    broken = dict.fromkeys(METRICS, math.nan)
    scores = ObjectiveFunction().score_table(table(broken, GOOD, errors={0: "division by zero"}))
    assert scores.reasons == {0: "division by zero"}


def test_outcome_constraints_do_not_enter_the_score_but_are_told() -> None:
    objective = ObjectiveFunction("sharpe_ratio", constraints=["trades >= 30", "max_drawdown <= 0.2"])
    rows = table(
        {**GOOD, "max_drawdown": 0.1}, {**GOOD, "trades": 15.0}, {**GOOD, "trades": 15.0, "max_drawdown": 0.4}
    )
    scores = objective.score_table(rows)
    np.testing.assert_allclose(scores.score, 1.5)
    np.testing.assert_allclose(scores.constraints, [[1 / 3, 0.5], [-0.5, -0.25], [-0.5, -1.0]])
    assert scores.reasons == {1: "violates trades >= 30", 2: "violates trades >= 30"}


def test_a_constraint_on_a_missing_metric_is_not_satisfied() -> None:
    objective = ObjectiveFunction("sharpe_ratio", constraints=["win_rate >= 0.1"])
    scores = objective.score_table(table({**GOOD, "win_rate": math.nan}))
    assert scores.score[0] == 1.5
    assert scores.reasons == {0: "violates win_rate >= 0.1"}


def test_a_failed_trial_keeps_its_own_reason_beside_constraints() -> None:
    objective = ObjectiveFunction("sharpe_ratio", constraints=["trades >= 30"])
    assert objective.score_table(table({"trades": 0.0})).reasons == {0: "no_trades"}


@given(st.lists(st.lists(st.floats(width=32), min_size=17, max_size=17), min_size=1, max_size=8))
def test_a_population_scores_as_each_of_its_rows_alone(rows: list[list[float]]) -> None:
    objective = ObjectiveFunction(constraints=["trades >= 3"])
    values = np.array(rows)
    scores = objective.score_table(MetricsTable(values, np.zeros((len(rows), 1, 3))))
    for i, row in enumerate(rows):
        single = objective.score(dict(zip(METRICS, row, strict=True)))
        np.testing.assert_array_equal(scores.score[i], single)
        assert (i in scores.reasons) or math.isfinite(single)


def test_scoring_leaves_the_table_unchanged() -> None:
    rows = table({"trades": 0.0}, GOOD)
    before = rows.values.copy()
    ObjectiveFunction().score_table(rows)
    np.testing.assert_array_equal(rows.values, before)


def test_evaluate_runs_the_backtest_of_the_caller() -> None:
    objective = ObjectiveFunction("sharpe_ratio", lambda params: {"sharpe_ratio": params["n"] * 2.0})
    assert objective.evaluate({"n": 3}) == 6.0


def test_evaluate_without_a_backtest_says_what_to_do() -> None:
    with pytest.raises(ObjectiveError, match=r"ObjectiveFunction\(weights, backtest=function\)"):
        ObjectiveFunction().evaluate({})


def test_a_missing_metric_is_an_error_that_names_it() -> None:
    with pytest.raises(ObjectiveError, match="no 'win_rate'"):
        ObjectiveFunction().score({"sharpe_ratio": 1.0, "total_return": 0.1, "max_drawdown": 0.1})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("sharp_ratio", "did you mean 'sharpe_ratio'"),
        ({"sharpe": 1.0}, "there is no metric 'sharpe'"),
        ({"sharpe_ratio": -1.0}, "the weight of sharpe_ratio is -1.0"),
        ({"sharpe_ratio": math.nan}, "the weight of sharpe_ratio is nan"),
        ({"sharpe_ratio": "a lot"}, "the weight of sharpe_ratio is 'a lot'"),
        ({"sharpe_ratio": True}, "the weight of sharpe_ratio is True"),
        ({"sharpe_ratio": 0.0}, "no weight above 0"),
        ({}, "no weight above 0"),
        (3.0, "the weights are 3.0"),
    ],
)
def test_bad_weights(weights: object, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        ObjectiveFunction(weights)  # type: ignore[arg-type]


def test_text_and_equality() -> None:
    assert str(ObjectiveFunction("max_drawdown")) == "1 - max_drawdown"
    assert str(ObjectiveFunction("volatility")) == "-volatility"
    weighted = ObjectiveFunction({"sharpe_ratio": 0.5, "volatility": 2.0}, constraints=["trades >= 30"])
    assert str(weighted) == "0.5 * sharpe_ratio + 2 * (-volatility)"
    assert repr(weighted).endswith("constraints=['trades >= 30'])")
    assert ObjectiveFunction("skew") == ObjectiveFunction({"skew": 1.0})
    assert hash(ObjectiveFunction("skew")) == hash(ObjectiveFunction({"skew": 1.0}))
    assert ObjectiveFunction("skew") != ObjectiveFunction("skew", constraints=["trades >= 1"])
    assert ObjectiveFunction("skew") != "skew"
