"""Objectives from texts, mappings and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategy_optimizer import ObjectiveFunction
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective import ParetoObjective, parse_objective

SEED = {
    "type": "multi_objective",
    "weights": {"sharpe_ratio": 0.4, "total_return": 0.3, "max_drawdown": 0.2, "win_rate": 0.1},
}


def test_forms_that_mean_the_same(tmp_path: Path) -> None:
    path = tmp_path / "objective.json"
    path.write_text(json.dumps(SEED))
    expected = ObjectiveFunction()
    assert parse_objective(SEED) == expected
    assert parse_objective(SEED["weights"]) == expected  # type: ignore[arg-type]
    assert parse_objective("sharpe_ratio:0.4,total_return:0.3, max_drawdown : 0.2,win_rate:0.1") == expected
    assert parse_objective(path) == expected
    assert parse_objective(str(path)) == expected
    assert parse_objective(expected) is expected


def test_a_single_metric() -> None:
    assert parse_objective(" calmar_ratio ") == ObjectiveFunction("calmar_ratio")
    assert parse_objective({"type": "metric", "metric": "skew"}) == ObjectiveFunction("skew")


def test_forms_of_several_metrics_that_mean_the_same(tmp_path: Path) -> None:
    path = tmp_path / "objective.json"
    path.write_text('["sharpe_ratio", "exposure:minimize"]')
    expected = ParetoObjective(["sharpe_ratio", "exposure:minimize"])
    assert parse_objective(path) == expected
    assert parse_objective(["sharpe_ratio", "exposure:minimize"]) == expected
    assert parse_objective("sharpe_ratio, exposure : minimize") == expected
    assert parse_objective("sharpe_ratio:maximize,exposure:minimize") == expected
    assert parse_objective({"sharpe_ratio": "maximize", "exposure": "minimize"}) == expected
    assert parse_objective({"metrics": ["sharpe_ratio", "exposure:minimize"]}) == expected
    assert parse_objective(expected) is expected


def test_the_json_of_several_metrics_makes_a_round_trip() -> None:
    wanted = {"sharpe_ratio": 1.0, "max_drawdown": 0.2}
    objective = parse_objective("sharpe_ratio,max_drawdown", ["trades >= 30"], wanted)
    again = parse_objective(json.loads(json.dumps(objective.to_json())))
    assert again == objective
    assert again != parse_objective("sharpe_ratio,max_drawdown", ["trades >= 30"])
    assert again != parse_objective("max_drawdown,sharpe_ratio", ["trades >= 30"], wanted)
    assert parse_objective("sharpe_ratio,max_drawdown", reference="max_drawdown:0.2, sharpe_ratio:1") == (
        parse_objective("sharpe_ratio,max_drawdown", reference=wanted)
    )


@pytest.mark.parametrize(
    ("source", "reference", "message"),
    [
        ("skew", "skew:1", "is for a Pareto search; the objective is skew"),
        ("skew,win_rate", "skew:1", "the reference point has no win_rate"),
        ("skew,win_rate", "skew:1,win_rate:1,trades:3", "has 'trades', which is no objective"),
        ("skew,win_rate", "skew=1", "has 'skew=1'; expected a colon"),
        ("skew,win_rate", "skew:1,win_rate:50%", "is '50%'.*a fraction, not percent"),
        ("skew,win_rate", "skew:1,skew:2", "names skew twice"),
        ("skew,win_rate", "skew:1,win_rate:inf", "win_rate is inf; expected a number"),
        ("skew,win_rate", {"skew": 1, "win_rate": True}, "win_rate is True; expected a number"),
        ("skew,win_rate", [1, 2], r"the reference point is \[1, 2\]"),
    ],
)
def test_what_a_reference_point_cannot_be(source: str, reference: object, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        parse_objective(source, reference=reference)  # type: ignore[arg-type]


def test_json_round_trip() -> None:
    objective = ObjectiveFunction({"skew": 0.1, "win_rate": 3.0}, constraints=["trades >= 30", "skew >= 0.1"])
    again = parse_objective(json.loads(json.dumps(objective.to_json())))
    assert again == objective
    assert again.constraints == objective.constraints


def test_constraints_are_added_and_the_backtest_is_kept() -> None:
    objective = ObjectiveFunction("skew", lambda params: {"skew": 2.0}, constraints=["trades >= 30"])
    more = parse_objective(objective, iter(["skew >= 0"]))
    assert [str(c) for c in more.constraints] == ["trades >= 30", "skew >= 0"]
    assert more.evaluate({}) == 2.0
    assert [str(c) for c in parse_objective("skew", "trades >= 9").constraints] == ["trades >= 9"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sharpe", "there is no metric 'sharpe'"),
        ("sharpe_ratio:lots", "the weight of sharpe_ratio is 'lots'"),
        ("sharpe_ratio:0.5,sharpe_ratio:0.5", "names sharpe_ratio twice"),
        ("sharpe_ratio:0.5,", "there is no metric ''"),
        ({"type": "best", "weights": {"skew": 1}}, "the objective's type is 'best'"),
        ({"type": "pareto", "weights": {"skew": 1}}, "has 'weights', which the type 'pareto' does not use"),
        ({"type": "weighted", "metrics": ["skew", "win_rate"]}, "has 'metrics', which the type 'weighted'"),
        ({"type": "pareto"}, "two metrics or more, found none"),
        ("sharpe_ratio:0.7,max_drawdown", "gives sharpe_ratio a weight but not max_drawdown"),
        ("max_drawdown:minimize,sharpe_ratio:1", "gives sharpe_ratio a weight but not max_drawdown:minimize"),
        ("sharpe_ratio,sharp", "there is no metric 'sharp'"),
        ("sharpe_ratio,", "there is no metric ''"),
        ("max_drawdown:minimize", "two metrics or more, found max_drawdown; one metric is written"),
        ("skew:minimise,win_rate:minimise", "the weight of skew is 'minimise'.*or maximize or minimize"),
        ("skew,win_rate:minimise", "the direction of win_rate is 'minimise'.*did you mean 'minimize'"),
        (["skew", 1], "has 1 among its metrics"),
        ({"weight": {"skew": 1}, "type": "weighted"}, "unknown field 'weight'; did you mean 'weights'"),
        ({"metric": "skew", "weights": {"skew": 1}}, "both 'metric' and 'weights'"),
        ({"metric": "skw"}, "did you mean 'skew'"),
        (7, "the objective is 7"),
    ],
)
def test_what_is_refused(source: object, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        parse_objective(source)  # type: ignore[arg-type]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ObjectiveError, match="cannot be read"):
        parse_objective(tmp_path / "missing.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ObjectiveError, match="not valid JSON"):
        parse_objective(broken)
    broken.write_text("1")
    with pytest.raises(ObjectiveError, match="holds int"):
        parse_objective(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ObjectiveError, match="cannot be read"):
        parse_objective(broken)
