"""All of the analysis in one call: its JSON, several objectives, few trials, and all trials failed alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategy_optimizer import Result, optimize
from strategy_optimizer.analysis import Surface, analyse
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.models import read_result
from strategy_optimizer.validation.statistics import NotEnough


@pytest.fixture(scope="module")
def result() -> Result:
    return optimize("ma_cross", "nasdaq", "ga", evaluations=300, seed=1, validate=False)


def test_the_whole_as_json(result: Result) -> None:
    asked = {**result.best_parameters, "fast": 17}
    found = analyse(result, [asked])
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert set(data) == {
        "task_id",
        "convergence",
        "importance",
        "insights",
        "profiles",
        "surface",
        "predictions",
        "before_after",
    }
    assert [each["name"] for each in data["importance"]["score"]["parameters"]] == [
        each.x for each in found.profiles if isinstance(each, Surface)
    ]
    assert data["predictions"][0]["parameters"]["fast"] == 17
    assert {each["kind"] for each in data["insights"]} == {each.kind for each in found.insights}


def test_a_result_that_was_read_gives_the_same(tmp_path: Path) -> None:
    # Of a strategy without infinite metrics, for which a file has null.
    result = optimize("momentum", "nasdaq", "ga", evaluations=150, seed=1, validate=False)
    path = tmp_path / "result.json"
    path.write_text(result.to_json())
    read, made = (json.dumps(analyse(each).to_dict()) for each in (read_result(path), result))
    assert read == made


def test_several_objectives_are_each_analysed() -> None:
    several = optimize(
        "momentum", "nasdaq", "nsga2", evaluations=200, objective="sharpe_ratio,max_drawdown", seed=1
    )
    found = analyse(several, [several.default_parameters])
    assert list(found.importance) == ["sharpe_ratio", "max_drawdown"]
    assert list(found.predictions[0].metrics)[:2] == ["sharpe_ratio", "max_drawdown"]
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("n", [1, 5, 39])
def test_few_trials_have_reasons_in_place_of_numbers(n: int) -> None:
    few = optimize("momentum", "nasdaq", "random", evaluations=n, validate=False)
    found = analyse(few, [{**few.default_parameters, "lookback_period": 44}])
    assert found.insights == ()
    assert all(isinstance(each, NotEnough) for each in found.profiles)
    assert isinstance(found.convergence.regret, NotEnough)
    assert all(isinstance(each, NotEnough) for each in found.predictions[0].metrics.values())
    assert "not_enough" in json.dumps(found.to_dict(), allow_nan=False)


def test_a_space_with_one_parameter() -> None:
    one = optimize(
        "momentum",
        "nasdaq",
        evaluations=60,
        space={"lookback_period": {"type": "discrete", "bounds": [10, 100]}},
        validate=False,
    )
    found = analyse(one)
    json.dumps(found.to_dict(), allow_nan=False)
    assert len(found.profiles) == len(one.history.space.names)


def test_a_mistake_in_what_is_asked_is_found(result: Result) -> None:
    with pytest.raises(SpaceError, match="fast"):
        analyse(result, [{**result.best_parameters, "fast": 100_000}])
