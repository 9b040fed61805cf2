"""`optimize` with several objectives."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from strategy_optimizer.cli import result_view
from strategy_optimizer.models import ResultModel

PAIR = ("--from", "2012", "--evaluations", "60", "--objective", "sharpe_ratio,max_drawdown")


def test_the_front_is_shown_with_the_winner_marked(call) -> None:
    outcome = call("optimize", "momentum", *PAIR)
    assert outcome.code == 0
    out = outcome.out
    assert "objectives maximize sharpe_ratio, minimize max_drawdown\n" in out
    assert "60 by auto (bo 48) with seed 0" in out
    assert "that no other one beats in every objective; the winner is its knee" in out
    rows = [line for line in out.splitlines() if line.startswith("winner ")]
    assert len(rows) == 2  # of the front, and beside what is recommended
    assert "\nscore" not in out
    assert "auto tries 12 points first" in outcome.err
    assert all(
        len(line) <= 80 for line in out.splitlines() if not line.startswith(("The same", "front", "trials"))
    )


def test_a_wide_terminal_shows_the_parameters_of_each_point(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    lines = call("optimize", "momentum", *PAIR).out.splitlines()
    header = next(line for line in lines if "trial sharpe ratio" in line)
    assert "lookback_period" in header
    assert "take_profit" in header


def test_a_long_front_is_cut_but_keeps_ends_and_winner(call, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = ("optimize", "momentum", *PAIR, "--evaluations", 300, "--optimizer", "nsga2")
    front = json.loads(call(*longer, "--json").out)["pareto_front"]
    monkeypatch.setattr(result_view, "FRONT_ROWS", 3)
    out = call(*longer).out
    assert f"3 of {len(front)}; --export has all" in out
    shown = out.split(" trial ")[1].split("3 of ")[0]
    assert f" {front[0]['trial']} " in shown
    assert f" {front[-1]['trial']} " in shown
    assert "winner" in shown


def test_a_reference_point_chooses_the_winner(call) -> None:
    first = json.loads(call("optimize", "momentum", *PAIR, "--json").out)
    end = first["pareto_front"][-1]
    reference = ",".join(f"{name}:{value}" for name, value in end["objectives"].items())
    outcome = call("optimize", "momentum", *PAIR, "--reference", reference)
    assert "the winner is the closest to sharpe ratio" in outcome.out
    assert f"winner {end['trial']:>5,} " in outcome.out


def test_json_and_export_have_every_objective(call, tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    outcome = call("optimize", "momentum", *PAIR, "--json", "--export", path)
    model = ResultModel.from_json(outcome.out)
    assert model.pareto_front is not None
    with path.open() as file:
        rows = list(csv.DictReader(file))
    on_front = {int(row["trial"]) for row in rows if row["on_front"] == "true"}
    assert on_front == {point.trial for point in model.pareto_front}
    assert all(row["sharpe_ratio"] and row["max_drawdown"] for row in rows)


def test_a_population_asks_for_nsga2(call) -> None:
    out = call("optimize", "momentum", *PAIR[:2], *PAIR[4:], "--population", 10, "--generations", 4).out
    assert "40 by nsga2" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "sharpe_ratio,drawdown"), "there is no metric 'drawdown'; did you mean 'max_drawdown'"),
        (("-o", "sharpe_ratio,skew:up"), "the direction of skew is 'up'"),
        (("-o", "sharpe_ratio:1,skew"), "gives sharpe_ratio a weight but not skew"),
        (
            ("-o", "skew,trades", "--optimizer", "ga"),
            "ga optimises exactly one objective, found 2 directions",
        ),
        (("-o", "skew,trades", "--target", "1"), "target is 1, one score"),
        (("-o", "skew,trades", "--reference", "skew:1"), "the reference point has no trades"),
        (("--reference", "sharpe_ratio:1"), "is for a Pareto search; the objective is sharpe_ratio"),
    ],
)
def test_wrong_calls_get_one_line(call, arguments: tuple[str, ...], message: str) -> None:
    outcome = call("optimize", "momentum", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("error:") == 1
