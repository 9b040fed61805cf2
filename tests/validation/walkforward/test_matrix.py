"""The matrix: cells over the same bars, and a recommendation that says what it is worth."""

from __future__ import annotations

import json
import math

import pytest

from ctrl_c import interrupt_once
from strategy_optimizer import Costs
from strategy_optimizer.errors import SplitError
from strategy_optimizer.validation import walk_forward, walk_forward_matrix
from strategy_optimizer.validation.statistics import (
    NotEnough,
    best_sharpe_without_skill,
    psr_h0,
    trials_sharpe_variance,
)

QUICK = {"optimizer": "random", "evaluations": 40}


@pytest.fixture(scope="module")
def matrix(nasdaq):
    return walk_forward_matrix(
        "momentum", nasdaq.slice(0, 2000), train=["1y", 500], test=["6m", "1y"], **QUICK
    )


def test_all_cells_are_over_the_same_bars(matrix) -> None:
    assert [(cell.train, cell.test) for cell in matrix.cells] == [
        ("1y", "6m"),
        ("1y", "1y"),
        ("500 bars", "6m"),
        ("500 bars", "1y"),
    ]
    for cell in matrix.cells:
        stitched = [t for window in cell.result.windows for t in window.stitched]
        assert stitched == list(range(500, 2000))
        assert cell.result.windows[0].train.stop == 500
        assert cell.result.dates == matrix.dates


def test_the_longest_cell_is_the_walk_forward_itself(matrix, nasdaq) -> None:
    alone = walk_forward("momentum", nasdaq.slice(0, 2000), train=500, test="1y", **QUICK)
    assert matrix.cells[3].result.windows[: len(alone.windows)] == alone.windows


def test_searches_are_shared(matrix) -> None:
    trains = {window.train for cell in matrix.cells for window in cell.result.windows}
    assert matrix.trials == 40 * len(trains)
    assert matrix.trials < sum(cell.result.trials for cell in matrix.cells)


def test_the_best_is_deflated_by_the_number_of_cells(matrix) -> None:
    sharpes = [cell.result.out_of_sample.moments.sharpe for cell in matrix.cells]
    best = matrix.cells[matrix.best]
    assert best.sharpe == max(cell.sharpe for cell in matrix.cells)
    benchmark = best_sharpe_without_skill(trials_sharpe_variance(sharpes), 4)
    assert matrix.deflated == psr_h0(best.result.out_of_sample.moments, benchmark)
    assert matrix.deflated < best.result.out_of_sample.psr_h0


def test_anchored_cells_keep_their_first_bar(nasdaq) -> None:
    found = walk_forward_matrix(
        "momentum", nasdaq.slice(0, 900), train=[300, 400], test=[250], anchored=True, purge=10, **QUICK
    )
    assert [window.train for window in found.cells[0].result.windows] == [range(100, 400), range(100, 650)]
    assert found.cells[0].result.windows[0].test == range(410, 660)
    assert "on all earlier bars" in found.recommendation


def test_one_cell_is_not_deflated(nasdaq) -> None:
    found = walk_forward_matrix("momentum", nasdaq.slice(0, 900), train=[300], test=[250], **QUICK)
    assert found.deflated == found.cells[0].result.out_of_sample.psr_h0


def test_the_right_length_is_recommended(side, turning) -> None:
    # The market turns every 100 bars: a past of 20 bars follows it, one of 100 is always wrong.
    found = walk_forward_matrix(
        side, turning, "grid", train=[20, 100], test=[20, 50], costs=Costs(), evaluations=10
    )
    best = found.cells[found.best]
    assert (best.train, best.test) == ("20 bars", "20 bars")
    assert found.recommendation.startswith(
        "Re-optimise every 20 bars on the last 20 bars: of 4 combinations it has"
    )
    assert "of 4 it is the best" in found.caveats[0]


def test_nothing_is_recommended_where_all_lose(side, turning) -> None:
    found = walk_forward_matrix(side, turning, "grid", train=[100], test=[100], costs=Costs(), evaluations=10)
    assert found.recommendation.startswith("Do not re-optimise this way: none of 1 combination made money")


def test_the_defaults_are_recommended_where_they_do_better(matrix, nasdaq) -> None:
    from strategy_optimizer.validation.walkforward.recommendation import recommend

    cells = [(cell.train, cell.test, cell.result) for cell in matrix.cells]
    best = matrix.best
    result = cells[best][2]
    better = {**result.defaults.metrics, "sharpe_ratio": 9.0}
    from dataclasses import replace

    cells[best] = (*cells[best][:2], replace(result, defaults=replace(result.defaults, metrics=better)))
    winning = replace(result.out_of_sample, metrics={**result.out_of_sample.metrics, "sharpe_ratio": 1.0})
    cells[best] = (*cells[best][:2], replace(cells[best][2], out_of_sample=winning))
    advice, caveats = recommend(cells, best, matrix.deflated)
    assert advice.startswith(
        "Keep the default parameters: over the same bars they had a Sharpe ratio of 9.00"
    )
    assert len(caveats) >= 1


def test_no_cell_with_a_sharpe_ratio(rise, turning) -> None:
    found = walk_forward_matrix(
        rise, turning, train=[100], test=[50, 100], outcome_constraints=["trades >= 1000"], **QUICK
    )
    assert found.best is None
    assert isinstance(found.deflated, NotEnough)
    assert found.recommendation.startswith("No advice")


def test_the_json_form_is_plain(matrix) -> None:
    data = json.loads(matrix.to_json())
    assert [cell["windows"] for cell in data["cells"]] == [len(cell.result.windows) for cell in matrix.cells]
    assert "windows" not in data
    assert data["strategy_name"] == "momentum"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ["12m", "1y"]}, "the same number of bars twice"),
        ({"train": "1y"}, "train is '1y'; expected a list of lengths, such as ['1y', '3y']"),
        ({"test": []}, "test is []; expected a list of lengths"),
        ({"train": ["30y"]}, "but one window needs"),
        ({"train": ["1y", "30y"]}, "have 5,031 bars, but one window needs 7,722 (train 7,595"),
        ({"test": ["6m", "30y"]}, "test 7,595); use shorter windows or more data"),
        ({"purge": "30y"}, "purge 7,595"),
    ],
)
def test_mistakes(nasdaq, changes, message) -> None:
    with pytest.raises(SplitError) as caught:
        walk_forward_matrix("momentum", nasdaq, **({"train": ["1y"], "test": ["6m"]} | QUICK | changes))
    assert message in str(caught.value)


def test_ctrl_c_keeps_whole_cells(nasdaq) -> None:
    interrupt = interrupt_once(lambda event: event.done == 12)
    found = walk_forward_matrix(
        "momentum",
        nasdaq,
        "ga",
        train=["2y", "8y"],
        test=["1y"],
        evaluations=3000,
        workers=1,
        progress=interrupt,
    )
    assert len(found.cells) == 1
    assert found.planned == 2
    assert math.isfinite(found.cells[0].sharpe)
