"""What the trials of stored tasks say is what the command line says of the same searches."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from strategy_optimizer.analysis import Predictor, analyse, compare_tasks
from strategy_optimizer.models import read_result
from strategy_optimizer.models.analysis import AnalysisOut, CompareOut, PredictionOut
from strategy_optimizer.models.result import ValidationModel
from strategy_optimizer.plain import as_plain
from strategy_optimizer.tasks import Result

TASKS = "/api/v1/optimize"


def post(reader: TestClient, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = reader.post(f"{TASKS}/{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def close_to(found: Any, expected: Any) -> bool:
    """Return whether JSON values are equal, numbers up to what threads of a matrix product change."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close_to(found[k], expected[k]) for k in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close_to, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        return found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    return bool(found == expected)


@pytest.mark.parametrize("task", ["opt_ga", "opt_pareto"])
def test_the_analysis_is_that_of_the_command(
    get: Any, searches: dict[str, Result], tmp_path: Path, task: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text(searches[task].to_json())
    found = get(f"{task}/analysis")
    AnalysisOut.model_validate(found)
    expected = {**analyse(read_result(path)).to_dict(), "task_id": task}
    assert found.keys() == expected.keys()
    for name in ("importance", "before_after", "convergence", "profiles", "surface", "predictions"):
        assert close_to(found[name], expected[name]), name
    assert [each["kind"] for each in found["insights"]] == [each["kind"] for each in expected["insights"]]


def test_a_task_that_runs_is_analysed_as_far_as_it_is(get: Any) -> None:
    found = get("opt_running/analysis")
    AnalysisOut.model_validate(found)
    assert (found["task_id"], found["convergence"]["trials"][-1]) == ("opt_running", 250)
    assert "before_after" not in found


def test_a_prediction_is_that_of_the_command(reader: TestClient, searches: dict[str, Result]) -> None:
    result = searches["opt_ga"]
    asked = {**result.best_parameters, "lookback_period": 57, "threshold": 0.031}
    names = ["score", "sharpe_ratio", "max_drawdown"]
    found = post(reader, "opt_ga/prediction", {"parameters": asked, "metrics": names})
    PredictionOut.model_validate(found)
    expected = {"task_id": "opt_ga", **as_plain(Predictor(result).predict(asked, names))}
    assert close_to(found, expected)
    sharpe = found["metrics"]["sharpe_ratio"]
    assert sharpe["most"][0] <= sharpe["half"][0] <= sharpe["half"][1] <= sharpe["most"][1]


def test_parameters_that_were_tried_are_known(reader: TestClient, searches: dict[str, Result]) -> None:
    result = searches["opt_ga"]
    found = post(reader, "opt_ga/prediction", {"parameters": {}})  # those of the best trial
    assert found["parameters"] == result.best_parameters
    assert found["measured"]["number"] == result.best_trial
    assert found["metrics"]["score"]["value"] == result.best_score
    assert found["failure"] == 0.0


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"parameters": {"threshold": 7.0}}, "invalid-space", "threshold"),
        ({"parameters": {"treshold": 0.1}}, "invalid-space", "did you mean 'threshold'"),
        ({"parameters": {}, "metrics": ["sharp_ratio"]}, "invalid-objective", "sharp_ratio"),
        ({"parameters": {}, "metrics": []}, "invalid-request", "metrics"),
        ({}, "invalid-request", "parameters"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(
    reader: TestClient, body: dict[str, Any], kind: str, words: str
) -> None:
    problem = post(reader, "opt_ga/prediction", body, 422)
    assert problem["type"] == f"/problems/{kind}"
    assert words in problem["detail"]


def test_tasks_beside_each_other(reader: TestClient, searches: dict[str, Result]) -> None:
    found = post(reader, "compare", {"tasks": ["opt_ga", "opt_pareto", "opt_ga"]})
    CompareOut.model_validate(found)
    expected = as_plain(compare_tasks([searches["opt_ga"], searches["opt_pareto"]]))
    for row, task in zip(expected, ("opt_ga", "opt_pareto"), strict=True):
        row["task_id"] = task
    assert found["tasks"] == expected
    assert found["optimizers"] is None
    assert "objective" in found["why_not"]


def test_optimizers_of_one_problem_are_compared(reader: TestClient) -> None:
    found = post(reader, "compare", {"tasks": ["opt_ga", "opt_bo"]})
    CompareOut.model_validate(found)
    assert {row["name"] for row in found["optimizers"]["rows"]} == {"ga", "bo"}
    assert "not_enough" in found["optimizers"]["pairs"][0]["p_value"]


def test_only_own_tasks_with_results_are_compared(reader: TestClient) -> None:
    assert post(reader, "compare", {"tasks": ["opt_ga", "opt_bobs"]}, 404)["type"] == "/problems/not-found"
    problem = post(reader, "compare", {"tasks": ["opt_ga", "opt_running"]}, 409)
    assert (problem["type"], problem["details"]["task"]) == ("/problems/wrong-state", "opt_running")


def test_the_validation_stands_alone(get: Any, reader: TestClient, searches: dict[str, Result]) -> None:
    found = get("opt_ga/validation")
    ValidationModel.model_validate(found)
    assert found == searches["opt_ga"].to_dict()["validation"]
    answer = reader.get(f"{TASKS}/opt_bo/validation")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    answer = reader.get(f"{TASKS}/opt_running/validation")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


def test_the_report_is_one_page_in_a_sandbox(reader: TestClient) -> None:
    answer = reader.get(f"{TASKS}/opt_ga/report")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == "sandbox allow-scripts"
    assert "<title>momentum on nasdaq</title>" in answer.text
    assert 'id="equity"' in answer.text  # strategy and bars were found
    again = reader.get(f"{TASKS}/opt_ga/report", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["analysis", "report"])
def test_a_task_without_trials_says_so(reader: TestClient, path: str) -> None:
    answer = reader.get(f"{TASKS}/opt_waiting/{path}")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


@pytest.mark.parametrize("path", ["analysis", "report", "validation", "results"])
def test_foreign_tasks_do_not_exist(reader: TestClient, path: str) -> None:
    answer = reader.get(f"{TASKS}/opt_bobs/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("path", ["analysis", "validation", "results"])
def test_what_did_not_change_is_not_sent_again(reader: TestClient, path: str) -> None:
    first = reader.get(f"{TASKS}/opt_ga/{path}")
    again = reader.get(f"{TASKS}/opt_ga/{path}", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_the_result_is_the_stored_one(get: Any, searches: dict[str, Result]) -> None:
    assert get("opt_pareto/results") == searches["opt_pareto"].to_dict()


def test_equal_questions_at_once_are_computed_once(
    reader: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = reader.app.state.reading.computed.pool  # type: ignore[attr-defined]
    begun: list[str] = []
    begin = pool.begin

    def counted(function: str, *arguments: Any, **named: Any) -> Any:
        begun.append(function)
        return begin(function, *arguments, **named)

    monkeypatch.setattr(pool, "begin", counted)
    body = {"parameters": {"lookback_period": 33}, "metrics": ["volatility"]}
    answers: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(reader, "opt_bo/prediction", body)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert all(answer == answers[0] for answer in answers)
    assert begun == ["prediction"]
    post(reader, "opt_bo/prediction", body)
    assert begun == ["prediction"]
