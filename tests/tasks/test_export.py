"""Exports: columns, types, whole files or none."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from full_disk import room_for_100_bytes
from strategy_optimizer import ObjectiveFunction, ParameterSpace
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import TrialHistory, export_trials


@pytest.fixture
def history() -> TrialHistory:
    space = (
        ParameterSpace("s")
        .add_parameter("n", "discrete", (1, 9))
        .add_parameter("x", "continuous", (0, 1))
        .add_parameter("stop", "categorical", ["none", "trailing"])
        .add_parameter("flag", "categorical", [True, False])
        .add_parameter("level", "categorical", [1, 2.5])
        .add_parameter("trail", "discrete", (1, 5), condition="stop == 'trailing'")
        .add_parameter("trades", "discrete", (1, 3))
    )
    points = np.array([[3, 0.25, 0, 1, 1, np.nan, 2], [4, 0.5, 1, 0, 0, 5, 3], [5, 0.75, 1, 0, 0, 1, 1]])
    values = np.ones((3, len(METRICS)))
    values[1] = np.nan
    values[2, METRICS.index("profit_factor")] = np.inf
    history = TrialHistory(space, 2)
    table = MetricsTable(values, np.ones((3, 2, 3)), {1: 'raised "ValueError", line 3'})
    history.append(points, table, ObjectiveFunction("skew").score_table(table), 0.125)
    return history


HEAD = ["trial", "state", "reason", "feasible", "score", "seconds", "author"]


def test_csv(history: TrialHistory, tmp_path: Path) -> None:
    with export_trials(history, tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    parameters = ["n", "x", "stop", "flag", "level", "trail", "trades"]
    metrics = [name if name != "trades" else "trades_" for name in METRICS]
    assert list(rows[0]) == [*HEAD, *parameters, *metrics]
    first, failed, last = rows
    assert (first["trial"], first["state"], first["reason"], first["score"]) == ("1", "completed", "", "1.0")
    assert (first["n"], first["x"], first["stop"], first["flag"], first["level"], first["trail"]) == (
        "3",
        "0.25",
        "none",
        "false",
        "2.5",
        "",
    )
    assert failed["state"] == "failed"
    assert failed["reason"] == 'raised "ValueError", line 3'
    assert failed["score"] == failed["sharpe_ratio"] == ""
    assert last["profit_factor"] == "inf"


def test_parquet_keeps_types(history: TrialHistory, tmp_path: Path) -> None:
    frame = pl.read_parquet(export_trials(history, str(tmp_path / "a.parquet")))
    assert frame.height == 3
    expected = {
        "trial": pl.Int64,
        "state": pl.String,
        "reason": pl.String,
        "feasible": pl.Boolean,
        "score": pl.Float64,
        "n": pl.Int64,
        "x": pl.Float64,
        "stop": pl.String,
        "flag": pl.Boolean,
        "level": pl.Float64,
        "trail": pl.Int64,
        "sharpe_ratio": pl.Float64,
    }
    assert {name: frame.schema[name] for name in expected} == expected
    assert frame["trail"].to_list() == [None, 5, 1]
    assert frame["score"].to_list() == [1.0, None, 1.0]
    assert frame["reason"].null_count() == 2


def test_json_has_null_for_what_is_not_finite(history: TrialHistory, tmp_path: Path) -> None:
    rows = json.loads(export_trials(history, tmp_path / "a.json").read_text())
    assert rows[0]["trail"] is None
    assert rows[1]["score"] is None
    assert rows[2]["profit_factor"] is None
    assert rows[2]["flag"] is True
    assert rows[0]["seconds"] == 0.125
    assert all(math.isfinite(v) for row in rows for v in row.values() if isinstance(v, float))


def test_the_ending_may_be_upper_case_and_a_file_is_replaced(history: TrialHistory, tmp_path: Path) -> None:
    path = tmp_path / "A.CSV"
    path.write_text("old")
    export_trials(history, path)
    assert path.read_text().startswith("trial,")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"), [("a.xlsx", "'.xlsx'"), ("a", "has no ending"), ("a.cvs", "mean '.csv'")]
)
def test_unknown_endings(name: str, message: str, history: TrialHistory, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=message):
        export_trials(history, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(history: TrialHistory, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="No such file or directory") as caught:
        export_trials(history, tmp_path / "missing" / "a.csv")
    assert isinstance(caught.value.__cause__, OSError)
    (tmp_path / "file").write_text("")
    with pytest.raises(TaskError, match="Not a directory"):
        export_trials(history, tmp_path / "file" / "a.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_nothing_is_left_of_a_file_that_did_not_fit(
    history: TrialHistory, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text("old")
    with (
        room_for_100_bytes(),
        pytest.raises(TaskError, match=r"the trials cannot be written to .*: File too large"),
    ):
        export_trials(history, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_history_has_the_columns(history: TrialHistory, tmp_path: Path) -> None:
    empty = TrialHistory(history.space, 2)
    frame = pl.read_parquet(export_trials(empty, tmp_path / "a.parquet"))
    assert frame.height == 0
    assert frame.columns[: len(HEAD)] == HEAD
    assert frame.schema["stop"] == pl.String
