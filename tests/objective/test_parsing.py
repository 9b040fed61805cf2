"""Objectives from texts, mappings and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategy_optimizer import ObjectiveFunction
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective import parse_objective

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
        ({"type": "pareto", "weights": {"skew": 1}}, "the objective's type is 'pareto'"),
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
    broken.write_text("[1]")
    with pytest.raises(ObjectiveError, match="holds list"):
        parse_objective(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ObjectiveError, match="cannot be read"):
        parse_objective(broken)
