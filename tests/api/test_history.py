"""Pages of trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from strategy_optimizer.models.history import HistoryOut, TrialOut
from strategy_optimizer.models.service_task import ConvergenceOut
from strategy_optimizer.plain import as_plain
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks import Result

PATH = "/api/v1/optimize/{}/history"


def shown(trial: Trial) -> dict[str, Any]:
    """Return a trial as the API shows it."""
    entry = {
        "iteration": trial.number,
        "parameters": trial.parameters,
        "performance": trial.metrics | {"composite_score": trial.score},
        "state": trial.state,
        "feasible": trial.feasible,
        "seconds": trial.seconds,
        "reason": trial.reason,
    }
    plain: dict[str, Any] = as_plain(entry)
    return plain


def numbers(page: dict[str, Any]) -> list[int]:
    return [entry["iteration"] for entry in page["optimization_history"]]


@pytest.mark.parametrize("task", ["opt_ga", "opt_pareto"])
def test_pages_together_are_the_history(get: Any, searches: dict[str, Result], task: str) -> None:
    seen: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = get(f"{task}/history", offset=offset, limit=37)
        HistoryOut.model_validate(page)
        seen += page["optimization_history"]
        offset = page["next_offset"]
    assert seen == [shown(trial) for trial in searches[task].history]
    assert page["total"] == page["trials"] == len(seen)


def test_the_newest_come_first_when_asked(get: Any) -> None:
    page = get("opt_ga/history", order="descending", offset=3, limit=5)
    assert numbers(page) == [397, 396, 395, 394, 393]
    assert page["next_offset"] == 8


def test_only_what_came_since_is_read(get: Any) -> None:
    page = get("opt_running/history", since=240)
    assert (page["status"], page["trials"], page["total"], page["next_offset"]) == ("running", 250, 10, None)
    assert numbers(page) == list(range(241, 251))
    assert numbers(get("opt_running/history", since=240, order="descending", limit=3)) == [250, 249, 248]
    assert get("opt_running/history", since=250)["optimization_history"] == []
    assert get("opt_running/history", since=2**53)["total"] == 0


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize(
    "sort", ["score", "composite_score", "max_drawdown", "seconds", "trades", "iteration"]
)
def test_trials_are_sorted(get: Any, searches: dict[str, Result], sort: str, order: str) -> None:
    trials = [shown(trial) for trial in searches["opt_ga"].history]
    name = "composite_score" if sort == "score" else sort

    def number(entry: dict[str, Any]) -> float:
        found = entry[sort] if sort in ("seconds", "iteration") else entry["performance"][name]
        return np.nan if found is None else float(found)

    known = sorted((entry for entry in trials if not np.isnan(number(entry))), key=number)
    known = known[::-1] if order == "descending" else known
    expected = known + [entry for entry in trials if np.isnan(number(entry))]
    page = get("opt_ga/history", sort=sort, order=order, offset=11, limit=300)
    assert numbers(page) == [entry["iteration"] for entry in expected[11:311]]


def test_the_best_come_first(get: Any, searches: dict[str, Result]) -> None:
    page = get("opt_ga/history", sort="score", feasible=True, limit=1)
    assert page["optimization_history"][0]["performance"]["composite_score"] == searches["opt_ga"].best_score


@pytest.mark.parametrize(
    "params",
    [
        {"state": "failed"},
        {"state": ["failed", "completed"]},
        {"state": "pruned"},
        {"feasible": True},
        {"feasible": False, "sort": "trades"},
        {"min_score": 0.4},
        {"max_score": 0.4, "since": 100},
        {"min_score": 0.2, "max_score": 0.5, "sort": "max_drawdown", "order": "ascending", "since": 7},
        {"state": "completed", "feasible": False, "max_score": 0.0},
    ],
)
def test_trials_are_chosen(get: Any, searches: dict[str, Result], params: dict[str, Any]) -> None:
    states = params.get("state", ["completed", "failed", "pruned"])

    def wanted(trial: Trial) -> bool:
        return (
            trial.state in states
            and ("feasible" not in params or trial.feasible == params["feasible"])
            and ("min_score" not in params or trial.score >= params["min_score"])
            and ("max_score" not in params or trial.score <= params["max_score"])
            and trial.number > params.get("since", 0)
        )

    expected = {trial.number for trial in searches["opt_ga"].history if wanted(trial)}
    page = get("opt_ga/history", limit=1000, **params)
    assert set(numbers(page)) == expected
    assert page["total"] == len(expected)
    if "sort" not in params:
        assert numbers(page) == sorted(expected)


def test_a_task_without_trials_has_an_empty_history(get: Any) -> None:
    for params in ({}, {"sort": "score"}, {"state": "failed"}):
        page = get("opt_waiting/history", **params)
        assert (page["status"], page["total"], page["next_offset"]) == ("queued", 0, None)
        assert page["optimization_history"] == []


@pytest.mark.parametrize(
    ("params", "kind", "words"),
    [
        ({"sort": "sharp_ratio"}, "invalid-objective", "did you mean 'sharpe_ratio'"),
        ({"limit": 1001}, "invalid-request", "limit"),
        ({"offset": -1}, "invalid-request", "offset"),
        ({"state": "finished"}, "invalid-request", "state"),
        ({"min_score": "nan"}, "invalid-request", "min_score"),
        ({"order": "up"}, "invalid-request", "order"),
    ],
)
def test_what_is_wrong_is_said(reader: TestClient, params: dict[str, Any], kind: str, words: str) -> None:
    answer = reader.get(PATH.format("opt_ga"), params=params)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{kind}")
    assert words in answer.json()["detail"]


def test_one_trial(get: Any, reader: TestClient, searches: dict[str, Result]) -> None:
    for number in (1, 200, 400):
        found = get(f"opt_ga/history/{number}")
        TrialOut.model_validate(found)
        assert found == shown(searches["opt_ga"].history[number - 1])
    for number in (401, 0):
        answer = reader.get(PATH.format("opt_ga") + f"/{number}")
        assert answer.status_code == (404 if number else 422)


def test_foreign_tasks_do_not_exist(reader: TestClient) -> None:
    for path in ("history", "history/1", "convergence"):
        answer = reader.get(f"/api/v1/optimize/opt_bobs/{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_what_did_not_change_is_not_sent_again(reader: TestClient) -> None:
    path = PATH.format("opt_ga")
    first = reader.get(path, params={"limit": 5})
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = reader.get(path, params={"limit": 5}, headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = reader.get(path, params={"limit": 6}, headers={"If-None-Match": tag})
    assert (other.status_code, other.headers["etag"] != tag) == (200, True)


# -- convergence ----------------------------------------------------------------------------------------------


def test_convergence_in_few_points(get: Any, searches: dict[str, Result]) -> None:
    found = get("opt_ga/convergence", points=50)
    ConvergenceOut.model_validate(found)
    history = searches["opt_ga"].history
    assert (found["trials"], len(found["first"]), found["first"][0], found["last"][-1]) == (400, 50, 1, 400)
    best = np.where(history.feasible, history.scores, -np.inf)
    for first, last, low, high, top in zip(
        *(found[name] for name in ("first", "last", "low", "high", "best")), strict=True
    ):
        scores = history.scores[first - 1 : last]
        if np.isfinite(scores).any():
            assert (low, high) == (np.nanmin(scores), np.nanmax(scores))
        expected = best[:last].max()
        assert top == (expected if np.isfinite(expected) else None)
    assert found["convergence_analysis"] == as_plain(vars(searches["opt_ga"].convergence))


def test_convergence_of_a_task_that_runs(get: Any) -> None:
    found = get("opt_running/convergence")
    assert (found["status"], found["trials"], found["convergence_analysis"]) == ("running", 250, None)
    assert get("opt_waiting/convergence")["first"] == []


def test_several_objectives_have_no_one_score(get: Any) -> None:
    found = get("opt_pareto/convergence", points=10)
    assert found["best"] == [None] * 10
    assert found["convergence_analysis"]["convergence_iteration"] > 0
