"""Several metrics: their directions, the scores told, failures, and the point that is chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strategy_optimizer import ParetoObjective
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.directions import TURNED

GOOD = {"sharpe_ratio": 1.5, "max_drawdown": 0.25, "turnover": 4.0, "trades": 40.0}


def table(*rows: dict[str, float], errors: dict[int, str] | None = None) -> MetricsTable:
    values = np.array([[{**dict.fromkeys(METRICS, 1.0), **row}[name] for name in METRICS] for row in rows])
    return MetricsTable(values, np.zeros((len(rows), 2, 3)), errors or {})


def test_the_natural_direction_of_every_metric() -> None:
    objective = ParetoObjective(METRICS)
    for metric, direction in zip(objective.metrics, objective.directions, strict=True):
        assert direction == ("minimize" if metric in TURNED else "maximize")


def test_a_direction_can_be_given() -> None:
    objective = ParetoObjective(["trades:minimize", "volatility:maximize", "skew:maximize", "turnover"])
    assert objective.metrics == ("trades", "volatility", "skew", "turnover")
    assert objective.directions == ("minimize", "maximize", "maximize", "minimize")


def test_the_scores_are_the_metrics_themselves() -> None:
    objective = ParetoObjective(["turnover", "sharpe_ratio", "max_drawdown"])
    assert objective.score(GOOD) == (4.0, 1.5, 0.25)
    scores = objective.score_table(table(GOOD, {**GOOD, "turnover": 5.0}))
    np.testing.assert_array_equal(scores.score, [[4.0, 1.5, 0.25], [5.0, 1.5, 0.25]])
    np.testing.assert_array_equal(objective.gains(table(GOOD).values), [[-4.0, 1.5, -0.25]])
    assert not scores.failed.any()
    assert math.isnan(objective.composite(GOOD))


def test_a_trial_fails_as_a_whole_and_says_why() -> None:
    objective = ParetoObjective(["sharpe_ratio", "profit_factor"])
    scores = objective.score_table(
        table(
            {"profit_factor": math.inf},
            {"sharpe_ratio": math.nan, "profit_factor": math.inf},
            {"trades": 0.0},
            GOOD,
            dict.fromkeys(METRICS, math.nan),
            errors={4: "division by zero"},
        )
    )
    assert scores.failed.tolist() == [True, True, True, False, True]
    assert np.isnan(scores.score).all(axis=1).tolist() == scores.failed.tolist()
    assert scores.reasons == {
        0: "profit_factor is infinite",
        1: "sharpe_ratio is not a number",
        2: "no_trades",
        4: "division by zero",
    }
    assert all(
        math.isnan(value) for value in objective.score({"sharpe_ratio": 1.0, "profit_factor": math.inf})
    )
    with pytest.raises(ObjectiveError, match="the metrics have no 'profit_factor'"):
        objective.score({"sharpe_ratio": 1.0})


def test_a_metric_that_is_no_objective_may_be_anything() -> None:
    scores = ParetoObjective(["sharpe_ratio", "turnover"]).score_table(table({**GOOD, "win_rate": math.nan}))
    assert not scores.failed[0]


def test_outcome_constraints_are_margins_beside_the_scores() -> None:
    objective = ParetoObjective(["sharpe_ratio", "turnover"], constraints=["trades >= 50"])
    scores = objective.score_table(table(GOOD))
    np.testing.assert_allclose(scores.constraints, [[-0.2]])
    assert scores.reasons == {0: "violates trades >= 50"}
    assert not scores.failed[0]


def test_the_knee_or_the_closest_to_the_reference_is_chosen() -> None:
    front = np.array([[1.0, 0.50], [0.9, 0.12], [0.5, 0.11], [0.3, 0.10]])  # Sharpe ratio, drawdown
    objective = ParetoObjective(["sharpe_ratio", "max_drawdown"])
    assert objective.choose(front) == 1
    assert objective.with_reference({"sharpe_ratio": 1.0, "max_drawdown": 0.5}).choose(front) == 0
    assert objective.with_reference({"max_drawdown": 0.1, "sharpe_ratio": 0.3}).choose(front) == 3


def test_more_constraints_keep_the_rest() -> None:
    wanted = {"skew": 1.0, "turnover": 2.0}
    objective = ParetoObjective(["skew:minimize", "turnover"], reference=wanted, constraints=["trades >= 3"])
    more = objective.with_constraints(["win_rate >= 0.1"])
    assert more.directions == objective.directions
    assert more.reference == wanted
    assert [str(c) for c in more.constraints] == ["trades >= 3", "win_rate >= 0.1"]
    assert repr(more) == (
        "ParetoObjective(['skew:minimize', 'turnover:minimize'], reference={'skew': 1.0, 'turnover': 2.0}, "
        "constraints=['trades >= 3', 'win_rate >= 0.1'])"
    )
    assert hash(more) != hash(objective)
    assert more != "skew"


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("skew,trades", "the metrics are the text 'skew,trades'; expected a list"),
        ([], "needs two metrics or more, found none"),
        (["skew"], "needs two metrics or more, found skew"),
        (["skew", "skew:minimize"], "names skew twice"),
        (["skew", "sharpe_ration"], "did you mean 'sharpe_ratio'"),
        (
            ["skew", "trades:down"],
            "the direction of trades is 'down'; expected maximize or minimize, or nothing",
        ),
        (["skew", None], "has None among its metrics"),
    ],
)
def test_what_is_refused(metrics: object, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        ParetoObjective(metrics)  # type: ignore[arg-type]
