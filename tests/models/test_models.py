"""The JSON of tasks and results: the seed's files as they stand, round trips, no NaN."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from strategy_optimizer import ObjectiveFunction, optimize
from strategy_optimizer.engines import CallableEngine
from strategy_optimizer.errors import ObjectiveError, SpaceError
from strategy_optimizer.models import ResultModel, TaskModel, WalkForwardMatrixModel, WalkForwardModel
from strategy_optimizer.tasks import Result, result
from strategy_optimizer.validation import walk_forward, walk_forward_matrix

SEED_RESULT = {
    "task_id": "opt_001",
    "best_parameters": {"lookback_period": 25, "threshold": 0.018, "ma": "ema", "short": True},
    "best_performance": {
        "sharpe_ratio": 1.85,
        "total_return": 0.42,
        "max_drawdown": 0.12,
        "win_rate": 0.58,
        "composite_score": 1.1,
    },
    "optimization_history": [
        {
            "iteration": 1,
            "parameters": {"lookback_period": 20, "threshold": 0.02},
            "performance": {"sharpe_ratio": 1.2, "composite_score": 0.8},
        }
    ],
    "convergence_analysis": {
        "convergence_iteration": 45,
        "final_improvement": 0.35,
        "exploration_ratio": 0.72,
    },
}

SEED_TASK = {
    "task_id": "opt_001",
    "strategy_name": "momentum_strategy",
    "optimization_type": "ga",
    "parameter_space": {
        "lookback_period": {"type": "discrete", "bounds": [10, 100]},
        "threshold": {"type": "continuous", "bounds": [0.01, 0.05]},
    },
    "objective_function": {
        "type": "multi_objective",
        "weights": {"sharpe_ratio": 0.4, "total_return": 0.3, "max_drawdown": 0.2, "win_rate": 0.1},
    },
    "optimization_config": {"population_size": 50, "generations": 100, "n_calls": 100, "parallel_workers": 8},
    "status": "running",
    "progress": 0.45,
    "created_at": "2024-01-01T00:00:00Z",
}


@pytest.fixture(scope="module")
def outcome() -> Result:
    return optimize("momentum", "nasdaq", "random", evaluations=25, objective=ObjectiveFunction())


def test_the_seeds_result_is_valid_and_comes_back_as_it_was() -> None:
    model = ResultModel.model_validate(SEED_RESULT)
    assert json.loads(model.to_json()) == SEED_RESULT
    assert ResultModel.from_json(model.to_json()) == model
    assert model.best_parameters["short"] is True
    assert isinstance(model.best_parameters["lookback_period"], int)


def test_a_result_comes_back_through_json(outcome: Result) -> None:
    model = ResultModel.from_result(outcome)
    assert ResultModel.from_json(model.to_json()) == model
    assert json.loads(model.to_json()) == json.loads(outcome.to_json())
    assert model.best_parameters == outcome.best_parameters
    assert model.best_performance.composite_score == outcome.best_score
    assert len(model.optimization_history) == 25
    assert model.reproduced is True


def noisy(parameters: dict[str, Any]) -> dict[str, Any]:
    """A backtest of another engine: more at x = 0.5, and luck of its own for each x."""
    noise = np.random.default_rng(int(1e6 * parameters["x"])).standard_normal(800)
    returns = 0.01 * (noise + 0.05 - (parameters["x"] - 0.5) ** 2)
    return {"sharpe_ratio": float(16 * returns.mean() / returns.std()), "trades": 40, "returns": returns}


def test_a_result_of_another_engine_comes_back_through_json() -> None:
    space = {"x": {"type": "continuous", "bounds": [0.0, 1.0]}}
    engine = CallableEngine(noisy, held_out=lambda parameters: noisy({"x": 1.0 - parameters["x"]}))
    found = optimize(engine, space=space, evaluations=40, executor="serial", cache=False)
    model = ResultModel.from_result(found)
    assert ResultModel.from_json(model.to_json()) == model
    assert json.loads(model.to_json()) == json.loads(found.to_json())
    assert model.execution is not None
    assert model.execution["executor"] == "serial"
    assert model.validation is not None
    assert model.validation.verdict.decision == found.verdict.decision
    assert model.recommended_parameters == found.recommended_parameters
    assert model.validation.overfitting["periods_per_year"] is None
    assert "not_enough" in model.validation.overfitting["control_pbo"]
    silent = optimize(
        lambda p: {"height": p["x"]}, space=space, evaluations=5, executor="serial", cache=False
    )
    assert ResultModel.from_result(silent).validation is None


def test_the_seeds_fields_come_with_the_seeds_meaning(outcome: Result) -> None:
    data = outcome.to_dict()
    assert set(SEED_RESULT) <= set(data)
    for name in ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "composite_score"):
        assert data["best_performance"][name] == outcome.best_performance[name]
    first = data["optimization_history"][0]
    assert {"iteration", "parameters", "performance"} <= set(first)
    assert first["iteration"] == 1
    assert set(data["convergence_analysis"]) == set(SEED_RESULT["convergence_analysis"])  # type: ignore[call-overload]


def test_json_has_no_nan(outcome: Result) -> None:
    assert math.isnan(outcome.buy_and_hold.in_sample["win_rate"])
    text = outcome.to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["buy_and_hold"]["in_sample"]["win_rate"] is None
    model = ResultModel.model_validate({**SEED_RESULT, "seconds": math.inf, "best_score": math.nan})
    assert json.loads(model.to_json())["seconds"] is None
    assert model.best_score is None
    nan_metric = {**SEED_RESULT, "best_performance": {"calmar_ratio": math.nan}}
    assert json.loads(ResultModel.model_validate(nan_metric).to_json())["best_performance"] == {
        "calmar_ratio": None
    }


def test_beyond_the_limit_only_improvements_are_embedded(
    outcome: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result, "EMBEDDED_TRIALS", 10)
    embedded = outcome.to_dict()["optimization_history"]
    scores = [entry["performance"]["composite_score"] for entry in embedded]
    assert 0 < len(embedded) < 25
    assert scores == sorted(scores)
    assert embedded[-1]["iteration"] == outcome.best_trial
    assert "optimization_history" not in outcome.to_dict(trials=False)


def test_unknown_fields_of_a_result_are_refused() -> None:
    with pytest.raises(ValidationError, match="best_params"):
        ResultModel.model_validate(SEED_RESULT | {"best_params": {}})


def test_the_seeds_task_is_valid_as_it_stands() -> None:
    task = TaskModel.from_json(json.dumps(SEED_TASK))
    assert task.to_space().names == ("lookback_period", "threshold")
    assert task.objective_function.to_objective() == ObjectiveFunction()
    assert task.evaluations == 5000
    assert json.loads(task.to_json()) == SEED_TASK


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("ga", {"population_size": 10, "generations": 3, "n_calls": 7}, 30),
        ("nsga2", {"population_size": 10, "generations": 3}, 30),
        ("random", {"population_size": 10, "generations": 3, "n_calls": 7}, 7),
        ("ga", {"population_size": 10, "generations": 3, "budget": 8}, 8),
        ("auto", {"population_size": 10, "generations": 3}, 30),
        ("ga", {"population_size": 10, "n_calls": 7}, 7),
        ("auto", {"population_size": 10}, None),
        ("grid", {}, None),
    ],
)
def test_the_budget_of_a_task(kind: str, config: dict[str, int], expected: int | None) -> None:
    task = TaskModel.model_validate({**SEED_TASK, "optimization_type": kind, "optimization_config": config})
    assert task.evaluations == expected


def test_constraints_stand_beside_the_space() -> None:
    task = TaskModel.model_validate({**SEED_TASK, "constraints": ["lookback_period > 1000 * threshold"]})
    space = task.to_space()
    assert space.constraints == ("lookback_period > 1000 * threshold",)
    assert space.is_feasible(np.array([[20.0, 0.05]])).tolist() == [False]


def with_value(path: str, value: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(SEED_TASK))
    *folders, last = path.split(".")
    place = data
    for folder in folders:
        place = place[folder]
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("strategy", "momentum"),
        ("optimization_type", "annealing"),
        ("optimization_config.population_size", 0),
        ("optimization_config.workers", 3),
        ("parameter_space.threshold.type", "real"),
        ("parameter_space.threshold.bound", [1, 2]),
        ("objective_function.type", "best"),
        ("objective_function.weights.sharpe_ratio", "a lot"),
        ("costs", {"commision": 0.1}),
        ("costs", {"commission": -0.1}),
    ],
)
def test_what_a_task_refuses(path: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=path.split(".")[-1]):
        TaskModel.model_validate(with_value(path, value))


def test_errors_of_the_parts_keep_their_kind() -> None:
    with pytest.raises(SpaceError, match=r"'threshold'.*reversed"):
        TaskModel.model_validate(with_value("parameter_space.threshold.bounds", [2, 1])).to_space()
    task = TaskModel.model_validate(with_value("objective_function.weights", {"sharp_ratio": 1.0}))
    with pytest.raises(ObjectiveError, match="did you mean 'sharpe_ratio'"):
        task.objective_function.to_objective()


def test_pydantic_is_loaded_by_the_models_only() -> None:
    code = "import sys, strategy_optimizer.tasks; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("required", ["trades >= 1", "trades >= 100000"])  # nothing satisfies the second
def test_the_json_of_a_walk_forward_is_its_model(nasdaq, required: str) -> None:
    bars, plan = nasdaq.slice(0, 900), {"optimizer": "random", "evaluations": 20}
    found = walk_forward("momentum", bars, train=400, test=200, outcome_constraints=[required], **plan)
    model = WalkForwardModel.from_result(found)
    assert json.loads(model.to_json()) == found.to_dict()
    matrix = walk_forward_matrix(
        "momentum", bars, train=[300, 400], test=[200], outcome_constraints=[required], **plan
    )
    assert json.loads(WalkForwardMatrixModel.from_result(matrix).to_json()) == matrix.to_dict()
