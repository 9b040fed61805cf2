"""The command `walk-forward`, in this process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import polars as pl
import pytest

from strategy_optimizer.cli.windows_progress import WindowsDisplay
from strategy_optimizer.models import WalkForwardMatrixModel, WalkForwardModel
from strategy_optimizer.validation.walkforward import WindowsProgress

DATA = ("momentum", "--from", "2008", "--to", "2014", "--optimizer", "random", "-n", 40)
PLAN = ("walk-forward", *DATA, "--train", "3y", "--test", "1y")
MATRIX = ("walk-forward", *DATA, "--train", "1y,3y", "--test", "6m,1y", "--matrix")


def test_the_report_is_for_people(call) -> None:
    outcome = call(*PLAN)
    assert outcome.code == 0
    out = outcome.out
    assert "momentum on nasdaq, walk-forward" in out
    assert "windows    4: searched 759 bars, tested 253 bars" in out
    assert "score      sharpe_ratio" in out
    assert "trials     160 by random with seed 0 in " in out
    assert out.count("\n2011-") == 1
    for text in ("re-optimised", "defaults", "buy&hold", "PSR (h0)", "PSR (2012)", "t-statistic"):
        assert text in out
    assert "lookback_period" in out
    assert "4 windows made a gain" in out
    assert "The same again: strategy-optimizer walk-forward momentum --from 2008" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("The same"))


def test_a_wide_terminal_shows_what_was_chosen(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    rows = [line for line in call(*PLAN).out.splitlines() if line.startswith(("tested from", "201"))]
    assert rows[0].split()[-5:] == [
        "lookback_period",
        "threshold",
        "position_size",
        "stop_loss",
        "take_profit",
    ]
    assert len(rows[1].split()) == 12


def test_json_is_the_result_and_nothing_else(call) -> None:
    outcome = call(*PLAN, "--json")
    model = WalkForwardModel.from_json(outcome.out)
    assert len(model.windows) == model.planned == 4
    assert model.trials == 160
    assert len(model.returns) == sum(b - a for a, b in (window.stitched for window in model.windows))
    assert model.complete


def test_the_same_call_gives_the_same_result(call) -> None:
    first, second = (json.loads(call(*PLAN, "--json", "--workers", n).out) for n in (1, 2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_options_reach_the_search(call) -> None:
    outcome = call(
        *PLAN, "--anchored", "--step", "6m", "--purge", 5, "-p", "lookback_period=30", "-r", "trades >= 5",
        "-o", "calmar_ratio", "--commission", 0.001, "--seed", 4, "--json",
    )  # fmt: skip
    model = WalkForwardModel.from_json(outcome.out)
    assert model.lengths.model_dump() == {
        "train": 759,
        "test": 253,
        "step": 126,
        "purge": 5,
        "anchored": True,
    }
    assert {window.train[0] for window in model.windows} == {0}
    assert {window.parameters["lookback_period"] for window in model.windows if window.parameters} == {30}
    assert all(window.in_sample.trades >= 5 for window in model.windows if window.in_sample)
    assert model.objective["text"] == "calmar_ratio"
    assert model.costs["commission"] == 0.001
    assert model.seed == 4


def test_the_matrix(call) -> None:
    outcome = call(*MATRIX)
    assert outcome.code == 0
    assert "walk-forward matrix" in outcome.out
    assert "the same for all" in outcome.out
    assert "of 4 combinations" in outcome.out.replace("\n", " ")
    assert all(len(line) <= 80 for line in outcome.out.splitlines() if not line.startswith("The same"))
    model = WalkForwardMatrixModel.from_json(call(*MATRIX, "--json").out)
    assert [(cell.train, cell.test) for cell in model.cells] == [
        ("1y", "6m"),
        ("1y", "1y"),
        ("3y", "6m"),
        ("3y", "1y"),
    ]
    assert model.recommendation.split(".")[0] in outcome.out.replace("\n", " ")


def test_windows_are_written(call, tmp_path) -> None:
    path = tmp_path / "windows.csv"
    outcome = call(*PLAN, "--export", path)
    assert f"wrote 4 windows to {path}" in outcome.err
    assert len(pl.read_csv(path)) == 4


def test_plain_lines_of_progress(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    with WindowsDisplay(clock=lambda: next(seconds)) as show:
        show(WindowsProgress(1, 34, 1000, 1.0, 0.03, 33.0))
        show(WindowsProgress(6, 34, 6500, 6.0, 0.19, 25.6))
        show(WindowsProgress(7, 34, 7000, 7.0, 0.2, 28.0))
    assert capsys.readouterr().err == "6 of 34 windows  6,500 trials  26 s left (19%)\n"
    with WindowsDisplay(quiet=True, clock=iter(range(0, 100, 10)).__next__) as show:
        show(WindowsProgress(6, 34, 6500, 6.0, 0.19, 25.6))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train", "30y"), "the data have 5,031 bars, but one window needs"),
        (("--train", "3q"), "train is '3q', and 'q' is no unit of time here; expected bars such as 250"),
        (("--test", "0"), "test is '0', which is 0 bars of nasdaq; expected at least 2"),
        (("--step", "0"), "step is '0', which is 0 bars of nasdaq; expected at least 1"),
        (("--train", "1y,3y"), "--train 1y,3y gives several lengths; add --matrix to compare them"),
        (("--test", "1y,3y"), "--test 1y,3y gives several lengths"),
        (("--matrix", "--step", "1y"), "--step does not go with --matrix"),
        (("--matrix", "--export", "cells.csv"), "--export writes the windows of one walk-forward"),
        (("--matrix", "--train", "12m,1y"), "the same number of bars twice"),
        (("--export", "windows.txt"), "expected one of .csv, .parquet, .json"),
        (("--setting", "holdout=0"), "--setting holdout: this is no setting of an optimizer"),
        (("--holdout", "0.2"), "there is no --holdout here; it is an option of optimize and optimize-engine"),
        (("--train", "10"), "the training window of 10 bars is too short"),
    ],
)
def test_a_wrong_call_is_one_clear_line(call, arguments, message) -> None:
    outcome = call("walk-forward", "momentum", "-n", 10**9, *arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.out == ""


def test_no_window_with_a_valid_trial_is_a_failure(call) -> None:
    outcome = call(*PLAN, "-r", "trades >= 100000")
    assert outcome.code == 1
    assert (
        "error: no window had a valid trial: none of 40 trials satisfies the outcome constraints"
        in outcome.err
    )
    assert "4 windows held cash" in outcome.out


def interrupt_at(monkeypatch: pytest.MonkeyPatch, is_time: Callable[[WindowsProgress], bool]) -> None:
    """Send Ctrl-C once, when the display is told so."""
    show, sent = WindowsDisplay.__call__, []

    def interrupted(display: WindowsDisplay, event: WindowsProgress) -> None:
        show(display, event)
        if is_time(event) and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(WindowsDisplay, "__call__", interrupted)


def test_ctrl_c_shows_what_is_done(call, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(monkeypatch, lambda event: event.done == 1)
    outcome = call(*PLAN, "-n", 3000, "--optimizer", "ga", "--workers", 1)
    assert outcome.code == 130
    assert "interrupted: " in outcome.out
    assert "of 4 windows are done" in outcome.out


def test_ctrl_c_before_the_first_window(call, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(monkeypatch, lambda event: event.done == 0)
    outcome = call(*PLAN, "-n", 10**6, "--optimizer", "ga")
    assert outcome.code == 130
    assert "interrupted before the first window was done" in outcome.err
    assert outcome.out == ""


def test_what_a_strategy_prints_stays_out_of_the_result(call, strategy_file) -> None:
    path = strategy_file("print('noise'); return Signals(rise > self.level, rise < 0)")
    outcome = call(
        "walk-forward", path, "--from", "2012", "--train", "2y", "--test", "2y", "-n", 20, "--json"
    )
    assert outcome.code == 0
    assert WalkForwardModel.from_json(outcome.out).strategy_name == "Mine"
    assert "noise" in outcome.err


def test_a_checkpoint_is_continued(call, tmp_path) -> None:
    kept = ("--checkpoint", tmp_path / "kept")
    whole = json.loads(call(*PLAN, "--json").out)
    assert call(*PLAN, *kept).code == 0
    (tmp_path / "kept" / "window-0-759.json").unlink()
    again = json.loads(call(*PLAN, *kept, "--resume", "--json").out)
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}
    refused = call(*PLAN, *kept)
    assert refused.code == 2
    assert "holds a walk-forward of 4 windows already; resume it" in refused.err
    assert "--resume continues what is in the folder of --checkpoint; name it" in call(*PLAN, "--resume").err


def test_it_is_said_how_to_continue(call, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(monkeypatch, lambda event: event.done == 2)
    outcome = call(*PLAN, "--checkpoint", tmp_path / "kept")
    assert outcome.code == 130
    assert f"the windows that are done are kept in {tmp_path / 'kept'}" in outcome.err.replace("\n", "")
    assert f"--checkpoint {tmp_path / 'kept'} --resume" in outcome.err.replace("\n", "")
