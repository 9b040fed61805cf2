"""A search that begins with the best points of an earlier one, scored anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strategy_optimizer import Bars, load_bars, optimize
from strategy_optimizer.errors import TaskError
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.warm_start import earlier_points, n_taken_over


@pytest.fixture(scope="module")
def bars() -> Bars:
    return load_bars("nasdaq").slice(0, 1500)


@pytest.fixture(scope="module", params=["csv", "parquet", "json"])
def export(request: Any, bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    older = bars.slice(0, 1000)
    path: Path = tmp_path_factory.mktemp("earlier") / f"trials.{request.param}"
    optimize("ma_cross", older, optimizer="random", evaluations=150, seed=3).export(path)
    return path


def test_the_best_points_of_the_earlier_search_are_tried_first(bars: Bars, export: Path) -> None:
    result = optimize("ma_cross", bars, optimizer="random", evaluations=120, warm_start=export)
    frame = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_json}[export.suffix[1:]](export)
    best = frame.filter(pl.col("score").is_not_null()).sort("score", descending=True).head(12)
    assert [trial.parameters["slow"] for trial in map(result.history.__getitem__, range(12))] == best[
        "slow"
    ].to_list()
    assert [trial.parameters["ma"] for trial in map(result.history.__getitem__, range(12))] == best[
        "ma"
    ].to_list()
    (note,) = [note for note in result.notes if "points of an earlier search" in note]
    assert note.startswith("12 points of an earlier search were tried first: the best of them scores ")


def test_they_are_scored_on_the_new_bars(bars: Bars, export: Path) -> None:
    result = optimize("ma_cross", bars, optimizer="random", evaluations=120, warm_start=export)
    again = optimize(
        "ma_cross", bars, optimizer="random", evaluations=20, warm_start=[result.history[0].parameters]
    )
    assert again.history[0].parameters == result.history[0].parameters
    assert again.history[0].score == result.history[0].score


def test_it_is_another_search_than_without(bars: Bars) -> None:
    plain = optimize("momentum", bars, optimizer="random", evaluations=30)
    warm = optimize(
        "momentum", bars, optimizer="random", evaluations=30, warm_start=[{"lookback_period": 33}]
    )
    assert plain.task_id != warm.task_id
    assert warm.history[0].parameters["lookback_period"] == 33


def space() -> ParameterSpace:
    return (
        ParameterSpace("some")
        .add_parameter("n", "discrete", (1, 9))
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("kind", "categorical", ["a", "b"])
    )


def test_points_outside_are_left_out_and_types_mended() -> None:
    rows = [{"n": 99, "x": 0.1, "kind": "a"}, {"n": 3.0, "x": 0, "kind": "b", "other": 1}]
    assert earlier_points(rows, space(), 5) == ({"n": 3, "x": 0.0, "kind": "b"},)


def test_no_more_than_asked_and_each_once() -> None:
    rows = [{"n": n, "x": 0.5, "kind": "a"} for n in (1, 1, 2, 3, 4)]
    assert [point["n"] for point in earlier_points(rows, space(), 3)] == [1, 2, 3]
    assert [n_taken_over(n) for n in (1, 50, 100, 5000)] == [1, 5, 10, 20]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trials.txt", "", "expected a file that ends in .csv, .parquet, .json"),
        ("trials.csv", "a,b\n1,2\n", "it has no column feasible, score, state"),
        ("trials.json", "{", "cannot be read as trials"),
        ("trials.csv", "state,feasible,score\nfailed,false,\n", "it has no completed trial"),
        (
            "trials.csv",
            "state,feasible,score,n,x,kind\ncompleted,true,1.0,77,0.5,a\n",
            "the first problem: .*77",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(TaskError, match=message):
        earlier_points(path, space(), 5)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"gone\.csv cannot be read as trials"):
        earlier_points(tmp_path / "gone.csv", space(), 5)
