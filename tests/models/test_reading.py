"""A result that was written is read back as it was: numbers, history, front; and bad files get one clear error."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from strategy_optimizer import Categorical, Continuous, Discrete, Result, Signals, Strategy, optimize
from strategy_optimizer.errors import TaskError
from strategy_optimizer.models import read_result


class Mixed(Strategy):
    """Rises of some days, with a stop or none, and parameters that are called as columns and metrics."""

    parameters = {
        "days": Discrete(2, 40, default=10),
        "stop": Categorical(["none", "trailing"]),
        "trail": Continuous(0.01, 0.2, log=True, condition="stop == 'trailing'"),
        "score": Continuous(0.0, 0.4),
        "whole": Categorical([True, False]),
    }

    def warmup(self, p):
        return p.days

    def signals(self, bars):
        rise = np.zeros(bars.n_bars)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(rise > self.score, rise < 0.0)


@pytest.fixture(
    scope="module", params=["sharpe_ratio", ["sharpe_ratio", "max_drawdown"]], ids=["one", "several"]
)
def result(request: pytest.FixtureRequest) -> Result:
    return optimize(
        Mixed,
        "nasdaq",
        evaluations=120,
        objective=request.param,
        outcome_constraints=["trades >= 10"],
        seed=1,
    )


def same(a: object, b: object) -> bool:
    return json.dumps(a, sort_keys=True, default=repr) == json.dumps(b, sort_keys=True, default=repr)


def assert_same_history(found: Result, true: Result) -> None:
    for name in ("points", "metrics", "scores", "seconds", "states", "feasible"):
        assert np.array_equal(getattr(found.history, name), getattr(true.history, name), equal_nan=True), name
    assert found.history.reasons == true.history.reasons
    assert found.history.authors == true.history.authors
    assert found.history.best == true.history.best
    assert found.history.failures() == true.history.failures()
    assert found.history.improvements() == true.history.improvements()


def finite_metrics(result: Result) -> Result:
    """Return the result with infinite metrics as NaN: JSON has null for both."""
    for page in result.history._pages:
        page.metrics[~np.isfinite(page.metrics)] = np.nan
    return result


def test_json_and_back(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(result.to_json())
    found = read_result(path)
    assert result.counts.failed > 0
    assert result.counts.infeasible > 0
    assert_same_history(found, finite_metrics(result))
    assert same(found.to_dict(), result.to_dict())
    assert found.verdict.decision == result.verdict.decision
    for name in (field.name for field in fields(Result)):
        assert hasattr(found, name)


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_json_with_an_export_of_its_trials(result: Result, tmp_path: Path, ending: str) -> None:
    path, trials = tmp_path / "result.json", tmp_path / f"trials.{ending}"
    data = json.loads(result.to_json())
    data["optimization_history"] = data["optimization_history"][:3]  # as with more trials than are embedded
    path.write_text(json.dumps(data))
    result.export(trials)
    with pytest.raises(TaskError, match=r"holds 3 of 120 trials.*--trials"):
        read_result(path)
    assert_same_history(read_result(path, trials), finite_metrics(result) if ending == "json" else result)


def test_a_constraint_in_python_is_left_out(tmp_path: Path) -> None:
    result = optimize(
        "ma_cross", "nasdaq", evaluations=30, constraints=[lambda p: p["fast"] != 7], validate=False
    )
    path = tmp_path / "result.json"
    path.write_text(result.to_json())
    assert read_result(path).history.space.constraints == ("fast < slow",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no result"),
        ("[1]", "is no result"),
        ('{"task_id": 1}', "is no result: task_id"),
        (
            '{"task_id": "t", "best_parameters": {}, "best_performance": {}}',
            "has no field 'space', so there is too little to analyse; write one with: strategy-optimizer optimize",
        ),
    ],
)
def test_what_is_no_result(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(TaskError, match=message):
        read_result(path)


def test_no_file_and_wrong_trials(result: Result, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be read: No such file"):
        read_result(tmp_path / "none.json")
    path, trials = tmp_path / "result.json", tmp_path / "trials.csv"
    path.write_text(result.to_json())
    trials.write_text("a,b\n1,2\n")
    with pytest.raises(TaskError, match="is no export of this search"):
        read_result(path, trials)
    other = optimize("momentum", "nasdaq", evaluations=30, validate=False)
    other.export(trials)
    with pytest.raises(TaskError, match="is no export of this search"):
        read_result(path, trials)
