"""Trials as files: the same that `optimize --export` writes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from polars.testing import assert_frame_equal

from strategy_optimizer.tasks import Result, export_trials

READERS: dict[str, Any] = {
    "csv": lambda data: pl.read_csv(io.BytesIO(data), infer_schema_length=None),
    "parquet": lambda data: pl.read_parquet(io.BytesIO(data)),
    "json": lambda data: pl.read_json(io.BytesIO(data), infer_schema_length=None),
}


def export(reader: TestClient, task: str, kind: str) -> Any:
    answer = reader.get(f"/api/v1/optimize/{task}/export", params={"format": kind})
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
@pytest.mark.parametrize("task", ["opt_ga", "opt_pareto"])
def test_the_file_is_that_of_the_command(
    reader: TestClient, searches: dict[str, Result], tmp_path: Path, task: str, kind: str
) -> None:
    answer = export(reader, task, kind)
    written = export_trials(searches[task].history, tmp_path / f"trials.{kind}").read_bytes()
    if kind == "parquet":
        assert_frame_equal(READERS[kind](answer.content), READERS[kind](written))
    elif kind == "json":
        assert json.loads(answer.content) == json.loads(written)
    else:
        assert answer.content == written
    trials = len(searches[task].history)
    assert answer.headers["content-disposition"] == f'attachment; filename="{task}-{trials}-trials.{kind}"'
    assert answer.headers["content-type"].startswith(
        {"csv": "text/csv", "json": "application/json"}.get(kind, "application/vnd.apache.parquet")
    )


def test_a_task_that_runs_is_exported_as_far_as_it_is(
    reader: TestClient, searches: dict[str, Result]
) -> None:
    frame = READERS["csv"](export(reader, "opt_running", "csv").content)
    assert frame["trial"].to_list() == list(range(1, 251))
    assert frame["threshold"].to_list() == [
        searches["opt_ga"].history[i].parameters["threshold"] for i in range(250)
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_a_task_without_trials_makes_an_empty_file(reader: TestClient, kind: str) -> None:
    answer = export(reader, "opt_waiting", kind)
    frame = pl.DataFrame() if kind == "json" else READERS[kind](answer.content)
    assert len(frame) == 0
    if kind == "json":
        assert answer.json() == []
    else:
        assert frame.columns[:4] == ["trial", "state", "reason", "feasible"]


def test_what_is_wrong_is_said(reader: TestClient) -> None:
    answer = reader.get("/api/v1/optimize/opt_ga/export", params={"format": "xlsx"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    answer = reader.get("/api/v1/optimize/opt_bobs/export")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
