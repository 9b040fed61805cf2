"""The command `optimize`, in this process."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer import load_bars
from strategy_optimizer.backtest import METRICS
from strategy_optimizer.models import ResultModel

FEW = ("--from", "2012", "--evaluations", "40")


def test_the_result_is_for_people(call) -> None:
    outcome = call("optimize", "momentum", *FEW)
    assert outcome.code == 0
    out = outcome.out
    assert "momentum on nasdaq" in out
    assert "searched   1,320 bars, 2012-01-03 to" in out
    assert "held out" in out
    assert "winner" in out
    assert "defaults" in out
    assert "buy&hold" in out
    assert "lookback_period" in out
    assert "40 by auto (" in out
    assert "the reference simulator: all 17" in out
    assert "The same again: strategy-optimizer optimize momentum --from 2012 --evaluations 40" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith(("The same", "trials")))


def test_a_narrow_terminal_gets_two_tables(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    out = call("optimize", "momentum", *FEW).out
    assert out.count("\nmax drawdown ") == out.count(" buy&hold\n") == 2
    assert out.index(" in sample ") < out.rindex(" held out ")


def test_json_is_the_result_and_nothing_else(call) -> None:
    outcome = call("optimize", "momentum", *FEW, "--json")
    model = ResultModel.from_json(outcome.out)
    assert model.reproduced
    assert model.counts is not None
    assert model.counts.trials == len(model.optimization_history) == 40
    assert model.seed == 0
    assert outcome.err


def test_the_same_call_gives_the_same_winner(call) -> None:
    first, second = (json.loads(call("optimize", "momentum", *FEW, "--json").out) for _ in range(2))
    other = json.loads(call("optimize", "momentum", *FEW, "--json", "--seed", 1).out)
    assert first["best_parameters"] == second["best_parameters"] != other["best_parameters"]


def test_quiet_prints_the_result_only(call) -> None:
    outcome = call("optimize", "momentum", *FEW, "--quiet")
    assert outcome.err == ""
    assert "momentum on nasdaq" in outcome.out


def test_nothing_stays_behind_when_a_search_is_done(call, state: Path) -> None:
    call("optimize", "momentum", *FEW)
    assert list(state.glob("runs/*")) == []


def test_a_named_checkpoint_stays(call, tmp_path: Path, state: Path) -> None:
    folder = tmp_path / "kept"
    assert call("optimize", "momentum", *FEW, "--checkpoint", folder).code == 0
    assert (folder / "state.json").exists()
    assert not state.exists()
    again = call("optimize", "momentum", *FEW, "--checkpoint", folder, "--resume", "--json")
    assert json.loads(again.out)["counts"]["resumed"] == 40
    more = call(
        "optimize", "momentum", "--from", 2012, "-n", 60, "--checkpoint", folder, "--resume", "--json"
    )
    assert json.loads(more.out)["counts"]["trials"] == 60


def test_a_used_checkpoint_is_not_written_over(call, tmp_path: Path) -> None:
    call("optimize", "momentum", *FEW, "--checkpoint", tmp_path / "kept")
    outcome = call("optimize", "momentum", *FEW, "--checkpoint", tmp_path / "kept")
    assert outcome.code == 2
    assert "holds a search of 40 trials already" in outcome.err


# --- what is searched ---------------------------------------------------------------------------------------


def result_of(call, *arguments: object) -> dict:
    outcome = call("optimize", *arguments, *FEW, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_fixed_parameters_stay(call) -> None:
    result = result_of(call, "momentum", "-p", "lookback_period=33", "-p", "threshold=0.02")
    assert {trial["parameters"]["lookback_period"] for trial in result["optimization_history"]} == {33}
    assert result["best_parameters"]["threshold"] == 0.02


def test_constraints_hold(call) -> None:
    result = result_of(call, "momentum", "--constraint", "take_profit > 3 * stop_loss")
    trials = [trial["parameters"] for trial in result["optimization_history"]]
    assert all(p["take_profit"] > 3 * p["stop_loss"] for p in trials)


def test_the_printed_space_can_be_edited_and_given_back(call, tmp_path: Path) -> None:
    document = json.loads(call("strategies", "momentum", "--json").out)
    document["parameter_space"]["lookback_period"]["bounds"] = [40, 45]
    document["constraints"] = ["stop_loss < take_profit"]
    path = tmp_path / "space.json"
    path.write_text(json.dumps(document))
    result = result_of(call, "momentum", "--space", path)
    trials = [trial["parameters"] for trial in result["optimization_history"]]
    assert all(40 <= p["lookback_period"] <= 45 and p["stop_loss"] < p["take_profit"] for p in trials)


def test_a_choice_held_fixed_leaves_out_what_depends_on_another(call) -> None:
    outcome = call("optimize", "ma_cross", *FEW, "-p", "stop=none", "--json")
    result = json.loads(outcome.out)
    assert result["best_parameters"]["stop"] == "none"
    assert {"stop_loss", "trail"}.isdisjoint(result["space"]["parameter_space"])


def test_outcome_constraints_rule_winners_out(call) -> None:
    result = result_of(call, "momentum", "--require", "trades >= 25")
    assert result["best_performance"]["trades"] >= 25
    assert result["counts"]["infeasible"] > 0


@pytest.mark.parametrize(
    ("objective", "metric"), [("total_return", "total_return"), ("sharpe_ratio:1", "sharpe_ratio")]
)
def test_the_objective_is_the_score(call, objective: str, metric: str) -> None:
    result = result_of(call, "momentum", "--objective", objective)
    assert result["best_score"] == pytest.approx(result["best_performance"][metric])


def test_the_objective_is_shown_with_unusual_metrics(call) -> None:
    out = call("optimize", "momentum", *FEW, "-o", "sortino_ratio:0.5,skew:0.5", "-r", "trades >= 5").out
    assert "score      0.5 * sortino_ratio + 0.5 * skew, with trades >= 5\n" in out
    assert "\nsortino ratio " in out
    assert "\nskew " in out


def test_costs_and_fills(call) -> None:
    costly = result_of(call, "momentum", "--commission", "0.01", "--fixed-fee", "5", "--borrow", "0.02")
    assert costly["costs"] == {"commission": 0.01, "fixed_fee": 5.0, "slippage": 0.0002, "borrow": 0.02}
    closing = result_of(call, "momentum", "--fill", "close", "--cash", "5000")
    assert (closing["rules"]["fill"], closing["rules"]["cash"]) == ("close", 5000.0)


def test_without_holdout_there_is_one_half_of_the_table(call) -> None:
    outcome = call("optimize", "momentum", *FEW, "--holdout", "0")
    assert outcome.code == 0
    assert outcome.out.count("buy&hold") == 1
    assert "nothing here says" in outcome.out.replace("\n  ", " ")


def test_a_population_asks_for_the_genetic_algorithm(call) -> None:
    call_of = ("optimize", "momentum", "--from", 2012, "--population", 10, "--generations", 4, "--json")
    result = json.loads(call(*call_of).out)
    assert result["optimizer"]["name"] == "ga"
    assert result["counts"]["trials"] == 40


def test_other_optimizers_and_settings(call) -> None:
    assert result_of(call, "momentum", "--optimizer", "random")["optimizer"]["name"] == "random"
    grid = result_of(call, "momentum", "--optimizer", "grid", "--setting", "resolution=2")
    assert grid["optimizer"]["settings"]["resolution"] == 2


def test_the_time_limit_ends_the_search(call) -> None:
    result = json.loads(call("optimize", "momentum", "--from", 2012, "--time", "1s", "--json").out)
    assert result["stop_reason"] == "deadline"


def test_the_target_ends_the_search(call) -> None:
    outcome = call("optimize", "momentum", "--from", 2012, "-n", 3000, "--target", "0.1", "--json")
    result = json.loads(outcome.out)
    assert result["stop_reason"] == "target"
    assert result["counts"]["trials"] < 3000


def test_several_symbols(call) -> None:
    result = result_of(call, "rotation", "-d", "nasdaq", "-d", "sp500")
    assert result["data"]["symbols"] == ["nasdaq", "sp500"]
    assert result["data"]["name"] == "nasdaq+sp500"


def test_a_strategy_of_ones_own(call, strategy_file) -> None:
    path = strategy_file("return Signals(rise > self.level, rise < 0)")
    result = result_of(call, path)
    assert result["strategy_name"] == "Mine"


# --- export -------------------------------------------------------------------------------------------------


def test_all_trials_are_written(call, tmp_path: Path) -> None:
    files = [tmp_path / f"trials.{kind}" for kind in ("csv", "json", "parquet")]
    outcome = call("optimize", "momentum", *FEW, *(x for file in files for x in ("--export", file)))
    assert outcome.code == 0
    assert all(f"wrote 40 trials to {file}" in outcome.err for file in files)
    with files[0].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(json.loads(files[1].read_text())) == 40
    assert {"trial", "score", "state", "lookback_period", *METRICS} <= set(rows[0])
    assert files[2].read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trials.xlsx", "expected one of .csv, .parquet, .json"),
        ("trials", "expected one of"),
        ("none/trials.csv", "which does not exist"),
    ],
)
def test_an_export_that_cannot_work_is_refused_before_the_search(
    call, tmp_path: Path, name: str, message: str
) -> None:
    outcome = call("optimize", "momentum", "--evaluations", 10**9, "--export", tmp_path / name)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / name).exists()


def test_a_disk_that_fills_during_the_export_costs_nothing(
    call, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from strategy_optimizer.tasks import export

    def full(frame: object, path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export, "_WRITERS", {".csv": full})
        outcome = call("optimize", "momentum", *FEW, "--export", tmp_path / "trials.csv")
    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert "No space left on device" in outcome.err
    assert "momentum on nasdaq" in outcome.out
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    again = call("optimize", "momentum", *FEW, "--resume", "--export", tmp_path / "trials.csv")
    assert again.code == 0
    assert "continuing after 40 trials" in again.err
    assert (tmp_path / "trials.csv").exists()


def test_a_disk_that_fills_during_the_search(call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import errno
    import os

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    outcome = call("optimize", "momentum", *FEW, "--export", tmp_path / "trials.csv")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("error: ")
    assert "No space left on device" in outcome.err
    assert not (tmp_path / "trials.csv").exists()


# --- interrupts ---------------------------------------------------------------------------------------------


def interrupt_after(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Press Ctrl-C once `n` trials are made."""
    from strategy_optimizer.tasks import search_loop

    original = search_loop.SearchLoop._take_in

    def take_in(self, *arguments: object, **keywords: object) -> None:
        original(self, *arguments, **keywords)
        if len(self.history) >= n:
            self._guard.requested = True

    monkeypatch.setattr(search_loop.SearchLoop, "_take_in", take_in)


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(call, state: Path, monkeypatch) -> None:
    call_of = ("optimize", "momentum", "--from", "2012", "--evaluations", "300", "--json")
    whole = json.loads(call(*call_of).out)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 50)
        outcome = call(*call_of)
    part = json.loads(outcome.out)
    assert outcome.code == 130
    assert part["stop_reason"] == "interrupted"
    assert 50 <= part["counts"]["trials"] < 300
    command = f"strategy-optimizer {' '.join(call_of)} --resume"
    assert f"continue with: {command}\n" in outcome.err
    rest = call(*call_of, "--resume")
    assert rest.code == 0
    resumed = json.loads(rest.out)
    assert resumed["counts"]["resumed"] == part["counts"]["trials"]
    for name in ("best_parameters", "best", "convergence_analysis", "task_id", "notes"):
        assert resumed[name] == whole[name]
    assert list(state.glob("runs/*")) == []


def test_ctrl_c_before_a_trial_can_win(call, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        outcome = call("optimize", "momentum", "--from", 2012, "-n", 300, "--require", "trades >= 9999")
    assert outcome.code == 130
    assert "error" not in outcome.err
    assert "continue with: strategy-optimizer optimize momentum" in outcome.err


def test_ctrl_c_while_the_winner_is_checked_loses_nothing(call, monkeypatch) -> None:
    def interrupt(*arguments: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("strategy_optimizer.tasks.result_aggregator.reproduce", interrupt)
        outcome = call("optimize", "momentum", *FEW)
    assert outcome.code == 130
    assert "interrupted after 40 trials, all kept in" in outcome.err
    again = call("optimize", "momentum", *FEW, "--resume", "--json")
    assert json.loads(again.out)["counts"]["resumed"] == 40


def test_ctrl_c_before_the_search_says_that_there_is_nothing(call, monkeypatch) -> None:
    def interrupt(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("strategy_optimizer.cli.searching.load_named_bars", interrupt)
        outcome = call("optimize", "momentum", *FEW)
    assert (outcome.code, outcome.err) == (
        130,
        "interrupted before the first trial; there is nothing to continue\n",
    )


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_disk_that_is_full_at_the_end_keeps_what_was_saved(
    call, state: Path, monkeypatch, interrupted: bool
) -> None:
    from strategy_optimizer.errors import CheckpointError
    from strategy_optimizer.tasks.checkpoint import Checkpoint

    save = Checkpoint.save

    def full_at_last(self: Checkpoint, history: object, search: Callable[[], dict[str, object]]) -> None:
        if search()["stop_reason"] is not None:
            raise CheckpointError("the checkpoint cannot be written: No space left on device")
        save(self, history, search)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", full_at_last)
        if interrupted:
            interrupt_after(patch, 20)
        outcome = call("optimize", "momentum", *FEW)
    assert outcome.code == 2
    assert "No space left on device" in outcome.err
    assert len(list(state.glob("runs/*/state.json"))) == 1
    assert call("optimize", "momentum", *FEW, "--resume").code == 0


def test_the_same_call_goes_on_by_itself(call, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 50)
        call("optimize", "momentum", *FEW, "-n", 300)
    outcome = call("optimize", "momentum", *FEW, "-n", 300)
    assert "an earlier run of this call was interrupted: it is continued" in outcome.err
    assert "of them before it was continued" in outcome.out


def test_nothing_to_resume(call) -> None:
    outcome = call("optimize", "momentum", *FEW, "--resume")
    assert outcome.code == 2
    assert "there is no search to resume in" in outcome.err
    assert "the folder of this very call" in outcome.err


def test_nothing_to_resume_in_a_named_folder(call, tmp_path: Path) -> None:
    outcome = call("optimize", "momentum", *FEW, "--resume", "--checkpoint", tmp_path)
    assert outcome.code == 2
    assert f"there is no search to resume in {tmp_path}\n" in outcome.err


def test_what_a_strategy_prints_is_not_the_result(call, strategy_file) -> None:
    path = strategy_file("print('hello'); return Signals(rise > self.level, rise < 0)")
    outcome = call("optimize", path, *FEW, "--json")
    assert ResultModel.from_json(outcome.out).reproduced
    assert "hello" in outcome.err
    assert call("check", path, "--from", 2014, "--json").out.startswith("{")


def test_a_strategy_of_ones_own_should_be_checked(call, strategy_file) -> None:
    path = strategy_file("return Signals(rise > self.level, rise < 0)")
    assert f"strategy-optimizer check {path} --data nasdaq" in call("optimize", path, *FEW).err
    assert "check" not in call("optimize", "momentum", *FEW).err


def test_another_call_does_not_continue_a_search(call, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 50)
        call("optimize", "momentum", "--from", 2012, "-n", 300)
    assert call("optimize", "momentum", "--from", 2012, "-n", 300, "--seed", 5, "--resume").code == 2


def test_the_data_of_another_day_are_another_search(call, tmp_path: Path, monkeypatch) -> None:
    bars = load_bars("nasdaq", start="2014")
    path = tmp_path / "prices.csv"

    def write(rows: int) -> None:
        times = bars.timestamp[:rows].view("M8[ns]").astype("M8[D]")
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        lines = (",".join(map(str, row)) for row in zip(times, *columns, strict=False))
        path.write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(lines))

    write(900)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 50)
        assert call("optimize", "momentum", "-d", path, "-n", 300).code == 130
    write(901)
    assert call("optimize", "momentum", "-d", path, "-n", 300, "--resume").code == 2


def test_the_best_of_an_earlier_search_come_first(call, tmp_path):
    path = tmp_path / "trials.csv"
    assert call("optimize", "momentum", "--evaluations", "40", "--export", str(path)).code == 0
    outcome = call("optimize", "momentum", "--evaluations", "40", "--warm-start", str(path), "--json")
    assert outcome.code == 0
    assert any("4 points of an earlier search" in note for note in json.loads(outcome.out)["notes"])


def test_the_verdict_is_shown_with_its_reasons(call) -> None:
    outcome = call("optimize", "momentum", "--evaluations", 60)
    assert outcome.code == 0
    assert any(f"\nverdict: {decision}\n" in outcome.out for decision in ("deploy", "paper", "reject"))
    text = " ".join(outcome.out.split())
    assert "trials without skill would have about" in text
    assert "held out that of the recommended parameters is" in text
    assert "(Hansen's test)" in text


def test_without_validation_there_is_no_verdict(call) -> None:
    outcome = call("optimize", "momentum", "--evaluations", 60, "--no-validate")
    assert "verdict" not in outcome.out
    assert "validation" not in json.loads(
        call("optimize", "momentum", "--evaluations", 60, "--no-validate", "--json").out
    )


def test_an_edge_can_be_required(call) -> None:
    assert call("optimize", "momentum", "--evaluations", 60, "--require-edge").code == 3
    outcome = call("optimize", "momentum", "--require-edge", "--no-validate")
    assert outcome.code == 2
    assert "--require-edge needs the verdict" in outcome.err
