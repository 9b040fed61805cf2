"""The values of a report: those of the result, of backtests run again, and of nothing else."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from strategy_optimizer import (
    Bars,
    Continuous,
    Discrete,
    Result,
    Signals,
    Strategy,
    load_bars,
    optimize,
    run_backtest,
)
from strategy_optimizer.backtest import Costs, Rules
from strategy_optimizer.cli.app import app
from strategy_optimizer.errors import TaskError
from strategy_optimizer.models import read_result
from strategy_optimizer.report import Material, find_material, report_data
from strategy_optimizer.report.decimation import MOST_POINTS, kept_rows
from strategy_optimizer.report.equity import drawdown, equity_data, growth_of
from strategy_optimizer.report.page import html_page
from strategy_optimizer.report.robustness import replications_for
from strategy_optimizer.report.statistics import statistics_data
from strategy_optimizer.report.windows import AFFORDED, expected_seconds, left_to_add, walk_forward_data
from strategy_optimizer.validation import walk_forward
from strategy_optimizer.validation.robustness import examine_robustness


def test_it_is_json_and_small(data: dict[str, Any]) -> None:
    assert len(json.dumps(data, allow_nan=False)) < 1_000_000


def test_decimation_keeps_extremes_and_ends() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 999, 1_000, 1_001, 5_031, 100_000):
        values = rng.standard_normal(n).cumsum()
        rows = kept_rows(values)
        assert len(rows) <= MOST_POINTS
        assert (rows[0], rows[-1]) == (0, n - 1)
        assert (np.diff(rows) > 0).all()
        assert values[rows].min() == values.min()
        assert values[rows].max() == values.max()


def test_decimation_of_a_curve_with_gaps() -> None:
    values = np.full(3_000, np.nan)
    values[700] = 3.0
    assert 700 in kept_rows(values)


@pytest.mark.parametrize("name", ["in-sample best", "recommended", "defaults", "buy-and-hold"])
def test_curves_end_where_the_numbers_say(name: str, result: Result, material: Material) -> None:
    lines = {line["name"]: line for line in equity_data(result, material)["lines"]}
    assert result.validation is not None
    performance = {
        "in-sample best": result.best,
        "recommended": result.validation.recommendation.regions[0].performance,
        "defaults": result.defaults,
        "buy-and-hold": result.buy_and_hold,
    }[name]
    assert performance.held_out is not None
    growth = (1 + performance.in_sample["total_return"]) * (1 + performance.held_out["total_return"])
    assert lines[name]["growth"]["y"][-1] == pytest.approx(growth, rel=1e-5)


def test_the_drawdown_is_that_of_the_metrics(result: Result, material: Material) -> None:
    growth = growth_of(lambda window: material.run(result.best_parameters, window), material)
    assert growth is not None
    start, stop = material.in_sample
    found = drawdown(growth[start:stop]).max()
    assert found == pytest.approx(result.best.in_sample["max_drawdown"], abs=1e-12)
    slow = max(1 - growth[i] / max(1.0, growth[: i + 1].max()) for i in range(start, stop, 7))
    assert found >= slow


def test_growth_is_the_backtest_of_each_part(result: Result, material: Material) -> None:
    growth = growth_of(lambda window: material.run(result.best_parameters, window), material)
    bars, (start, stop) = load_bars("nasdaq"), result.data.in_sample
    rules = Rules(Costs(**result.costs), window=(start, stop))
    before = run_backtest(material.bound, result.best_parameters, bars, rules).equity / 100_000.0
    assert growth is not None
    np.testing.assert_array_equal(growth[start:stop], before)


def test_the_numbers_are_those_of_the_result(result: Result, data: dict[str, Any]) -> None:
    columns = {column["name"]: column for column in data["numbers"]["columns"]}
    for name, performance in (("in-sample best", result.best), ("buy-and-hold", result.buy_and_hold)):
        for metric in ("sharpe_ratio", "total_return", "composite_score"):
            assert columns[name]["in_sample"][metric] == pytest.approx(
                performance.in_sample[metric], rel=1e-5
            )
            assert columns[name]["held_out"][metric] == pytest.approx(performance.held_out[metric], rel=1e-5)


def test_the_statistics_are_those_of_the_validation(result: Result, data: dict[str, Any]) -> None:
    rows = {row["name"]: row for group in data["statistics"] for row in group["rows"]}
    found: Any = result.validation
    assert rows["chance of so much luck"]["value"] == found.verdict.luck
    assert rows["deflated Sharpe ratio"]["value"] == found.overfitting.deflated_sharpe_null
    usual = rows["deflated Sharpe ratio, by the variance of the trials"]
    assert usual["value"] == found.overfitting.deflated_sharpe_2012
    assert rows["probability of backtest overfitting"]["value"] == found.overfitting.pbo
    assert rows["annual Sharpe ratio"]["value"] == found.held_out.annual_sharpe
    expected = found.overfitting.expected_best_sharpe * found.overfitting.periods_per_year**0.5
    assert rows["Sharpe ratio to expect by luck"]["value"] == pytest.approx(expected)
    counts = found.overfitting.counts
    assert (
        rows[f"deflated Sharpe ratio, trials counted by clusters ({counts.clusters})"]["value"]
        == (found.overfitting.deflated_by_count["clusters"])
    )
    alone, held_out = ([row["value"] for row in data["statistics"][k]["rows"]] for k in (3, 4))
    assert alone[:2] == [found.overfitting.psr_2012, found.overfitting.psr_h0]
    assert held_out[1:3] == [found.held_out.psr, found.held_out.psr_h0]
    assert all(row["says"].endswith(".") and row["good"] for row in rows.values())


def test_a_result_from_before_the_variance_without_skill_rests_on_that_of_the_trials(result: Result) -> None:
    validation = json.loads(result.to_json())["validation"]
    for name in ("null_variance", "deflated_sharpe_null"):
        del validation["overfitting"][name]
    rows = {row["name"]: row["value"] for group in statistics_data(validation) for row in group["rows"]}
    assert rows["deflated Sharpe ratio"] == validation["overfitting"]["deflated_sharpe_2012"]
    assert "deflated Sharpe ratio, by the variance of the trials" not in rows


def test_robustness_is_the_examination(result: Result, material: Material, data: dict[str, Any]) -> None:
    found = examine_robustness(
        material.bound,
        result.recommended_parameters or {},
        material.bars,
        material.searched,
        space=result.history.space,
    )
    shown = data["robustness"]
    assert shown["warnings"] == list(found.warnings)
    assert shown["bands"]["sharpe_ratio"]["lower"] == pytest.approx(
        found.bands["sharpe_ratio"].lower, rel=1e-5
    )
    assert shown["costs"]["after"]["sharpe_ratio"] == pytest.approx(
        found.costs.perturbed["sharpe_ratio"], rel=1e-5
    )


def test_the_walk_forward_sees_no_held_out_bar(result: Result, data: dict[str, Any]) -> None:
    found = data["walk_forward"]
    assert found["lacking"] is None
    assert len(found["windows"]) == 6
    assert found["dates"][1] == result.data.in_sample_dates[1]
    assert max(x for line in found["lines"] for x in line["x"]) < data["equity"]["held_out_days"][0]


def test_the_walk_forward_is_the_one_of_the_library(result: Result, data: dict[str, Any]) -> None:
    found = data["walk_forward"]
    stop = result.data.in_sample[1]
    same = walk_forward(
        "momentum",
        load_bars("nasdaq").slice(0, stop),
        train=found["train"],
        test=found["test"],
        seed=1,
        evaluations=200,
        ledger=False,
        trial_seconds=1e-5,
    )
    assert [window.test_dates[0] for window in same.windows] == [w["test_dates"][0] for w in found["windows"]]
    assert same.buy_and_hold.metrics["sharpe_ratio"] == pytest.approx(
        found["metrics"]["buy-and-hold"]["sharpe_ratio"], rel=1e-5
    )


def test_a_slow_strategy_gets_a_command_instead(result: Result, material: Material) -> None:
    class SlowHistory:
        def __getattr__(self, name: str) -> Any:
            return getattr(result.history, name)

        seconds = np.full(200, 1.0)

    slow = replace(result, history=SlowHistory())
    assert expected_seconds(slow, 200) > AFFORDED
    found = walk_forward_data(slow, material)
    assert "would take about 1,200 s" in found["lacking"]
    assert found["command"].startswith(
        "strategy-optimizer walk-forward momentum --data nasdaq --from 1999-01-04 --to 2013-12-31"
    )


def test_what_the_command_cannot_know_is_said(
    hostile: tuple[Result, Bars, Any], data: dict[str, Any]
) -> None:
    result, bars, strategy = hostile
    material = find_material(result, strategy, bars)
    assert isinstance(material, Material)
    assert [text.split(" in the place")[0] for text in left_to_add(result, material)] == [
        "the strategy's file or module",
        "the files of the data",
    ]
    assert data["walk_forward"]["to_add"] == []


def test_the_command_can_be_parsed(data: dict[str, Any]) -> None:
    _, name, *arguments = shlex.split(data["walk_forward"]["command"])
    typer.main.get_command(app).commands[name].make_context(name, arguments)  # type: ignore[attr-defined]


def test_several_objectives(several: Result) -> None:
    found = report_data(several, "not wanted")
    front = found["search"]["front"]
    assert front["objectives"] == ["sharpe_ratio", "max_drawdown"]
    assert {point["trial"] for point in front["points"]} == {point.trial for point in several.pareto_front}
    assert found["equity"] is None
    assert [each["of"] for each in found["search"]["importance"]] == front["objectives"]


def test_few_trials_without_validation() -> None:
    result = optimize("momentum", "nasdaq", evaluations=3, validate=False, ledger=False, holdout=0.0)
    found = report_data(result, find_material(result))
    assert found["verdict"] is None
    assert found["statistics"] is None
    assert found["search"]["surfaces"]["surfaces"] == []
    assert "not enough" in found["search"]["surfaces"]["lacking"]
    assert found["equity"]["held_out_days"] is None
    assert not found["robustness"]["recommended"]


class Fussy(Strategy):
    """Its own defaults are outside of what it can run on."""

    name = "fussy"
    parameters = {"days": Discrete(2, 40, default=2), "size": Continuous(0.1, 1.0, default=0.5)}

    def warmup(self, p: Any) -> int:
        return p.days

    def signals(self, bars: Bars) -> Signals:
        if self.days < 5:
            raise ValueError("too few days")
        rise = np.zeros(bars.n_bars)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(rise > 0.0, rise < 0)


def test_what_fails_is_said_and_the_rest_is_there() -> None:
    space = {"days": {"type": "discrete", "bounds": [5, 40], "default": 10}}
    result = optimize(
        Fussy,
        "nasdaq",
        space=space,
        constraints=[lambda p: p["days"] < 30],
        evaluations=30,
        costs=Costs(commission=0.5),
        ledger=False,
    )
    found = report_data(result, find_material(result, Fussy), windows=True)
    assert found["equity"]["failing"] == ["defaults"]
    assert "reaches the whole price" in found["robustness"]["lacking"]
    assert found["walk_forward"]["to_add"][0].startswith("the strategy's file")
    page = html_page(found)
    assert "fails on them: defaults" in page
    assert "Not examined: " in page


def test_very_many_bars_are_resampled_less_often() -> None:
    assert [replications_for(n) for n in (3_000, 100_000, 500_000, 10_000_000)] == [1_000, 1_000, 200, 100]


# -- a result that was read ----------------------------------------------------------------------------------


@pytest.fixture
def read(result: Result, tmp_path: Path) -> Callable[..., Result]:
    """Return a function that reads the result with some fields changed."""

    def read_with(**changed: Any) -> Result:
        document = json.loads(result.to_json())
        for key, value in changed.items():
            place, _, name = key.rpartition("__")
            (document[place] if place else document)[name] = value
        path = tmp_path / "result.json"
        path.write_text(json.dumps(document))
        return read_result(path)

    return read_with


def test_a_result_that_was_read_has_the_same_report(
    read: Callable[..., Result], result: Result, data: dict[str, Any]
) -> None:
    again = read()
    found = report_data(again, find_material(again), windows=False)
    for name in (
        "verdict",
        "parameters",
        "contenders",
        "statistics",
        "notes",
        "equity",
        "robustness",
        "numbers",
    ):
        assert json.dumps(found[name]) == json.dumps(data[name]), name


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"strategy_digest": "0" * 64}, "its code has changed"),
        ({"strategy_name": "package.module:Class"}, "is not known here by its name"),
        ({"data__digest": "0" * 64}, "their digest differs"),
        ({"data__name": "prices"}, "are not known here by their name"),
    ],
)
def test_what_is_not_at_hand_is_left_out(
    read: Callable[..., Result], changed: dict[str, Any], reason: str
) -> None:
    found = find_material(read(**changed))
    assert isinstance(found, str)
    assert reason in found


def test_wrong_data_and_strategies_are_refused(read: Callable[..., Result]) -> None:
    with pytest.raises(TaskError, match="the data sp500 are not those"):
        find_material(read(), data="sp500")
    with pytest.raises(TaskError, match="the strategy ma_cross is not the one"):
        find_material(read(), "ma_cross")


def test_longer_data_are_cut_to_the_period(tmp_path: Path) -> None:
    bars = load_bars("nasdaq", start="2005", end="2010")
    result = optimize("momentum", bars, evaluations=5, ledger=False, validate=False)
    found = find_material(result, data="nasdaq")
    assert isinstance(found, Material)
    assert found.bars.digest == bars.digest
    assert isinstance(find_material(result), Material)  # the sample of that name, in that period
