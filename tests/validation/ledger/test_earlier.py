"""Which earlier searches count, how often held-out bars were seen, and what that does to a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from strategy_optimizer import optimize, walk_forward, walk_forward_matrix
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import TaskError
from strategy_optimizer.market import Bars
from strategy_optimizer.market.synthetic import RandomWalk, synthetic_market
from strategy_optimizer.models import ResultModel
from strategy_optimizer.tasks import FinishedSearch, make_task
from strategy_optimizer.validation import Validation, judge, run_and_validate, validate_search
from strategy_optimizer.validation.ledger import (
    LEFT_OUT,
    Entry,
    Ledger,
    Sketch,
    compare,
    entry_of,
    pooled,
    record,
)
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    best_sharpe_without_skill,
    distinct_count,
    psr_2012,
    trials_sharpe_variance,
)
from strategy_optimizer.validation.trial_returns import trial_sharpes

Make = Callable[..., Entry]
Search = Callable[..., FinishedSearch]


def run(bars: Any, strategy: Any = "momentum", **settings: Any) -> Any:
    return optimize(strategy, bars, "random", **{"evaluations": 60, "seed": 1} | settings)


def entries() -> tuple[Entry, ...]:
    return Ledger().read().entries


# -- which entries count -----------------------------------------------------------------------------------


def test_a_search_counts_where_half_of_the_bars_are_the_same(entry: Make) -> None:
    own = entry("own", searched=range(100))
    others = [
        entry("same", searched=range(100)),
        entry("new bars", searched=range(20, 120)),
        entry("half", searched=range(50, 200)),
        entry("less than half", searched=range(51, 200)),
        entry("one year", searched=range(12)),
        entry("other data", searched=range(1000, 1100)),
        entry("own", searched=range(100)),
    ]
    assert [e.task_id for e in compare(own, others).searches] == ["same", "new bars", "half"]


def test_looks_are_the_different_winners_that_were_shown_on_the_held_out_bars(entry: Make) -> None:
    own = entry("own", searched=range(75), held_out=range(75, 100), shown=[1])
    seen = entry("a", searched=range(75), held_out=range(75, 100), shown=[2])
    again = entry("b", searched=range(75), held_out=range(75, 100), shown=[1, 2])
    later = entry("c", searched=range(80), held_out=range(80, 105), shown=[3])
    searched_them = entry("d", searched=range(100), shown=[4])
    partly = entry("e", searched=range(88), held_out=range(88, 120), shown=[5])
    elsewhere = entry("f", searched=range(60), held_out=range(60, 80), shown=[6])
    no_winner = entry("g", searched=range(75), held_out=range(75, 100))
    assert compare(own, []).looks == 1
    assert compare(own, [again]).looks == 2
    assert compare(own, [seen, again, later, searched_them, partly, elsewhere, no_winner]).looks == 5


def test_a_continued_search_forgets_what_the_interruption_showed(entry: Make, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    held = {"held_out": range(240, 300)}
    record(entry("a", shown=[1], keys=range(5), interrupted=True, **held), ledger)
    found = record(entry("a", shown=[2], keys=range(9), **held), ledger)
    assert (found.looks, found.own.shown.tolist(), found.own.trials.made) == (1, [2], 9)
    # a search that was complete stays what it was when the same call is run again and stopped
    found = record(entry("a", shown=[3], keys=range(2), interrupted=True, **held), ledger)
    assert (found.looks, found.own.trials.made, found.own.interrupted) == (2, 9, False)


def test_the_same_call_with_other_trials_counts_both_runs(
    market: Bars, search_of: Search, tmp_path: Path
) -> None:
    """A search with a limit of time makes other trials the next time; it has the same call, and so the same name."""
    ledger = Ledger(tmp_path)
    first, second = search_of(market, seed=1), search_of(market, seed=2, evaluations=40)
    call = entry_of(first).task_id
    record(entry_of(first), ledger)
    for _ in range(2):  # and once more adds nothing
        earlier = record(replace(entry_of(second), task_id=call), ledger)
    assert len(ledger.read().entries) == 1
    found = validate_search(second, earlier, threads=1, most_trials=0).overfitting.all_tasks
    assert found is not None
    everything = np.concatenate([search.history.blocks[:, :, 1] for search in (first, second)])
    assert (found.searches, found.n_trials, found.distinct) == (1, 100, distinct_count(everything))
    assert earlier.looks == 2  # two winners were shown
    assert record(entry_of(first), ledger).own.trials.distinct == found.distinct


# -- whole searches ----------------------------------------------------------------------------------------


def test_a_first_search_has_the_numbers_that_it_has_without_a_ledger(market: Bars) -> None:
    first, alone = run(market), run(market, ledger=False)
    assert first.validation.to_dict() == alone.validation.to_dict()
    assert first.validation.overfitting.all_tasks is None
    assert first.validation.held_out.looks == 1
    assert alone.notes == (*first.notes, LEFT_OUT)
    assert len(entries()) == 1


def test_the_same_call_again_adds_nothing(market: Bars) -> None:
    first = run(market)
    assert run(market).validation.to_dict() == first.validation.to_dict()
    assert len(entries()) == 1


def test_the_trials_of_all_tasks_are_counted_as_exact_sets_count_them(market: Bars) -> None:
    run(market, seed=1)
    run(market, seed=2, evaluations=100)
    own = run(market, seed=3)
    found = own.validation.overfitting.all_tasks
    histories = [
        run(market, seed=s, evaluations=n, validate=False, ledger=False).history for s, n in SEARCHES
    ]
    assert (found.searches, found.n_trials) == (2, 220)
    assert found.distinct == distinct_count(np.concatenate([h.blocks[:, :, 1] for h in histories]))
    assert found.distinct_error == 0.0
    observations = own.validation.overfitting.moments.n_obs
    sharpes = np.concatenate([h.metrics[:, METRICS.index("sharpe_ratio")] for h in histories]) / np.sqrt(
        own.validation.overfitting.periods_per_year
    )
    assert observations == 1133
    assert found.trials_variance == pytest.approx(trials_sharpe_variance(sharpes), rel=1e-9)
    moments = own.validation.overfitting.moments
    usual = best_sharpe_without_skill(found.trials_variance, found.distinct)
    assert found.deflated_sharpe_2012 == pytest.approx(psr_2012(moments, usual))
    within = np.average([e.trials.sketch.diversity for e in entries()], weights=[60, 100, 60])
    diversity = max(within, 1.0 - found.related.mean_correlation)
    assert found.null_variance == pytest.approx(diversity / observations)
    alone = own.validation.overfitting.null_variance  # of one space, so that only the samples differ
    assert found.null_variance == pytest.approx(alone, rel=0.1)
    expected = best_sharpe_without_skill(max(alone, found.null_variance), 100 * found.distinct)
    assert found.expected_best_sharpe == pytest.approx(expected)
    assert found.deflated_sharpe_null == pytest.approx(psr_2012(moments, expected))
    assert own.validation.held_out.looks == 3


SEARCHES = [(1, 60), (2, 100), (3, 60)]


def test_the_verdict_rests_on_all_tasks_and_says_so(market: Bars) -> None:
    run(market, seed=1, evaluations=200)
    result = run(market, seed=2)
    alone = run(market, seed=2, ledger=False)
    assert "those of 1 earlier search on these data included" in " ".join(result.verdict.reasons)
    assert "as the best of 2 that these bars judged" in " ".join(result.verdict.reasons)
    assert result.verdict.luck > alone.verdict.luck
    model = ResultModel.from_json(result.to_json())
    assert model.validation.overfitting["all_tasks"]["searches"] == 1
    assert model.validation.overfitting["distinct"] == alone.validation.overfitting.distinct
    assert model.validation.held_out["looks"] == 2


def test_new_bars_another_span_and_other_code_still_count_and_other_data_do_not(market: Bars) -> None:
    run(market.slice(0, 1300), seed=1)
    assert run(market, seed=2).validation.overfitting.all_tasks.searches == 1
    assert run(market.slice(200), seed=3).validation.overfitting.all_tasks.searches == 2
    assert run(market, "ma_cross", seed=1).validation.overfitting.all_tasks.searches == 3
    other = synthetic_market(1512, RandomWalk(), seed=4)
    assert run(other, seed=1).validation.overfitting.all_tasks is None
    run(market.slice(0, 250), seed=9, validate=False)
    one_year = entries()[-1].task_id
    assert one_year not in [e.task_id for e in compare(_entry(market, seed=2), entries()).searches]


def _entry(bars: Bars, **settings: Any) -> Entry:
    task = make_task("momentum", bars, "random", **{"evaluations": 60} | settings)
    task.run()
    assert task.search is not None
    return entry_of(task.search)


def test_the_same_parameters_with_new_bars_are_the_same_trials(market: Bars) -> None:
    run(market.slice(0, 1400), seed=5, validate=False)
    found = run(market, seed=5).validation.overfitting
    assert found.all_tasks.n_trials == 120
    assert found.all_tasks.distinct == found.distinct == 60


def test_searches_without_a_verdict_a_winner_or_an_end_are_recorded(market: Bars) -> None:
    run(market, validate=False)
    with pytest.raises(TaskError, match="none of 60 trials satisfies"):
        run(market, outcome_constraints=["trades >= 100000"])
    task = make_task("momentum", market, "random", evaluations=60, seed=7)
    events: list[Any] = []

    def interrupt(event: Any) -> None:
        events.append(event)
        if len(events) == 2:
            raise KeyboardInterrupt

    task.sink = interrupt
    with pytest.raises((KeyboardInterrupt, TaskError)):
        run_and_validate(task)
    assert [e.trials.made for e in entries()][:2] == [60, 60]
    assert [e.looks for e in entries()][:2] == [1, 0]


def test_a_ledger_that_is_left_out_neither_counts_nor_is_counted(market: Bars) -> None:
    run(market, ledger=False)
    assert entries() == ()
    run(market, seed=2)
    result = run(market, seed=3, ledger=False)
    assert result.validation.overfitting.all_tasks is None
    assert result.validation.held_out.looks == 1
    assert LEFT_OUT in result.notes


def test_a_ledger_that_cannot_be_written_costs_a_note_and_nothing_else(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DATA", str(tmp_path / "file"))
    result = run(market)
    assert any("the trial ledger cannot be written" in note for note in result.notes)
    assert result.validation.overfitting.all_tasks is None


def test_held_out_bars_that_were_searched_before_were_seen(market: Bars) -> None:
    run(market, holdout=0.0, seed=1, validate=False)
    result = run(market, seed=2)
    assert result.validation.held_out.looks == 2


def test_several_objectives_and_symbols_are_recorded(market: Bars) -> None:
    optimize(
        "momentum",
        market,
        "nsga2",
        objective=["sharpe_ratio", "max_drawdown"],
        evaluations=60,
        validate=False,
    )
    pair = {"a": market, "b": synthetic_market(1512, RandomWalk(), seed=4)}
    run(pair, "rotation", validate=False)
    assert [(e.trials.made, e.looks) for e in entries()] == [(60, 1), (60, 1)]
    assert entries()[1].symbols == ("a", "b")


# -- walk-forward ------------------------------------------------------------------------------------------


def test_a_walk_forward_is_one_entry_of_all_its_windows(market: Bars) -> None:
    found = walk_forward("momentum", market, "random", train="2y", test="1y", evaluations=30, seed=1)
    (entry,) = entries()
    assert (entry.kind, entry.trials.made, entry.interrupted) == ("walk-forward", found.trials, False)
    assert entry.searched.n_bars == found.windows[-1].train.stop
    assert entry.trials.distinct == len(entry.trials.keys.keys) <= found.trials
    assert len(entry.trials.sketch.returns) >= len(found.windows)
    walk_forward("momentum", market, "random", train="2y", test="1y", evaluations=30, seed=1, workers=1)
    assert len(entries()) == 1
    overfitting = run(market, seed=4).validation.overfitting
    assert (overfitting.all_tasks.searches, overfitting.all_tasks.n_trials) == (1, found.trials + 60)
    assert not isinstance(overfitting.all_tasks.related, NotEnough)


def test_the_last_test_of_a_walk_forward_is_a_look_at_its_bars(market: Bars) -> None:
    found = walk_forward("momentum", market, "random", train=800, test=700, evaluations=30, seed=1)
    (entry,) = entries()
    assert [(w.train.stop, w.test.stop) for w in found.windows] == [(800, 1500)]
    assert (entry.searched.n_bars, entry.held_out.n_bars, entry.looks) == (800, 700, 1)
    assert run(market, seed=4).validation.held_out.looks == 2
    Ledger().clear()
    walk_forward_matrix("momentum", market, "random", train=[700, 800], test=[600, 700], evaluations=30)
    (entry,) = entries()
    assert entry.searched.n_bars + entry.held_out.n_bars == 1512
    assert run(market, seed=4).validation.held_out.looks == 2


def test_the_windows_do_not_depend_on_the_number_of_workers(market: Bars) -> None:
    made = []
    for workers in (1, 2):
        walk_forward("momentum", market, "random", train="2y", test="1y", evaluations=30, workers=workers)
        (entry,) = entries()
        made.append((entry.trials.keys.keys.tolist(), entry.trials.distinct, entry.shown.tolist()))
        assert entry.trials.spread.variance > 0.0
    assert made[0] == made[1]


def test_a_matrix_is_one_entry_and_a_ledger_left_out_is_said(market: Bars) -> None:
    arguments: dict[str, Any] = {"train": ["1y", "2y"], "test": ["1y"], "evaluations": 20}
    left_out = walk_forward_matrix("momentum", market, "random", ledger=False, **arguments)
    assert entries() == ()
    assert "later searches on these data will not count these trials" in left_out.caveats[-1]
    found = walk_forward_matrix("momentum", market, "random", **arguments)
    assert [e.trials.made for e in entries()] == [found.trials]
    alone = walk_forward("momentum", market, "random", train="2y", test="1y", evaluations=20, ledger=False)
    assert "later searches" in alone.notes[-1]


# -- the rule ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(market: Bars, search_of: Search) -> Validation:
    return validate_search(search_of(market), threads=1, most_trials=0)


@pytest.mark.parametrize("looks", [1, 2, 5, 40])
def test_a_psr_after_many_looks_is_to_the_power_of_them(found: Validation, looks: int) -> None:
    assert found.held_out is not None
    held_out = replace(found.held_out, psr=0.97, looks=looks)
    verdict = judge(replace(found.overfitting, deflated_sharpe_null=0.9), held_out)
    expected = norm.sf((norm.ppf(0.9) + norm.ppf(0.97**looks)) / np.sqrt(2.0))
    assert verdict.luck == pytest.approx(expected, abs=1e-12)
    assert (f"as the best of {looks} that these bars judged" in " ".join(verdict.reasons)) == (looks > 1)


def test_the_power_is_the_chance_of_the_best_of_independent_looks() -> None:
    """The best of eight strategies without skill, each by luck, passes 95 % in one of 20 cases, not seven."""
    best = norm.cdf(np.random.default_rng(0).standard_normal((200_000, 8))).max(axis=1)
    assert (best > 0.95).mean() == pytest.approx(1.0 - 0.95**8, abs=0.01)
    assert (best**8 > 0.95).mean() == pytest.approx(0.05, abs=0.005)


def test_earlier_searches_never_help(market: Bars, search_of: Search, entry: Make) -> None:
    """Thousands of trials that scarcely differ make the pooled variance small; the winner gains nothing by it."""
    search = search_of(market)
    own = entry_of(search)
    alone = validate_search(search, threads=1, most_trials=0)
    rng = np.random.default_rng(0)
    for deviation in (1e-6, 0.01, 0.1):
        other = entry("other", keys=rng.integers(0, 2**63, 5000))
        spread = replace(own.trials.spread, count=5000, squares=5000 * deviation**2)
        other = replace(other, searched=own.searched, trials=replace(other.trials, spread=spread))
        with_it = validate_search(search, compare(own, [other]), threads=1, most_trials=0).overfitting
        assert with_it.all_tasks is not None
        assert with_it.all_tasks.trials_variance == pytest.approx(
            pooled([own.trials.spread, spread]).variance
        )
        for name in ("deflated_sharpe_2012", "deflated_sharpe_h0", "deflated_sharpe_null"):
            assert getattr(with_it.all_tasks, name) <= getattr(alone.overfitting, name)
        assert with_it.all_tasks.expected_best_sharpe >= alone.overfitting.expected_best_sharpe
        assert with_it.deflated_sharpe_2012 == alone.overfitting.deflated_sharpe_2012
        assert with_it.decisive_deflated_sharpe == with_it.all_tasks.deflated_sharpe_null
        unknown = replace(with_it, null_variance=NotEnough("runs for an even sample", 0, 2))
        assert unknown.decisive_deflated_sharpe == with_it.all_tasks.deflated_sharpe_2012
        json.dumps(replace(alone, overfitting=with_it).to_dict(), allow_nan=False)


def test_a_narrow_search_after_a_wide_one_is_held_against_the_wide_one(
    market: Bars, search_of: Search
) -> None:
    """Near-equal trials around a winner say nothing of how lucky the best of all those before them was."""
    wide = search_of(market, evaluations=100)
    best = wide.history[wide.history.best].parameters  # type: ignore[index]
    days = best["lookback_period"]
    narrow = search_of(
        market,
        evaluations=3000,
        space={
            "lookback_period": {"type": "discrete", "bounds": [days - 1, days + 1]},
            "threshold": {
                "type": "continuous",
                "bounds": [0.99 * best["threshold"], 1.01 * best["threshold"]],
            },
        },
    )
    record(entry_of(wide), Ledger())
    alone, counted = (
        validate_search(search, earlier, threads=1, most_trials=0).overfitting
        for search, earlier in ((wide, None), (narrow, record(entry_of(narrow), Ledger())))
    )
    assert counted.all_tasks is not None
    assert counted.all_tasks.trials_variance < 0.5 * alone.trials_variance  # type: ignore[operator]
    usual = best_sharpe_without_skill(alone.trials_variance, alone.distinct)  # type: ignore[arg-type]
    assert counted.all_tasks.deflated_sharpe_2012 == pytest.approx(psr_2012(counted.moments, usual))  # type: ignore[arg-type]
    assert counted.null_variance < 0.3 * alone.null_variance  # type: ignore[operator]
    sketch = entry_of(wide).trials.sketch
    assert sketch.diversity is not None
    variance = sketch.diversity / entry_of(narrow).trials.spread.observations
    bar = best_sharpe_without_skill(variance, 100 * alone.distinct)
    assert bar == pytest.approx(alone.expected_best_sharpe, rel=0.1)
    assert counted.all_tasks.expected_best_sharpe == pytest.approx(bar, rel=1e-9)
    assert counted.all_tasks.deflated_sharpe_null == pytest.approx(psr_2012(counted.moments, bar))  # type: ignore[arg-type]


def test_of_an_earlier_search_without_a_sketch_its_own_sharpe_ratios_say_how_far_they_lie_apart(
    market: Bars, search_of: Search
) -> None:
    """As of one so slow that no even sample could be run in time."""
    first, second = entry_of(search_of(market, seed=1)), search_of(market, seed=2)
    slow = replace(first, trials=replace(first.trials, sketch=Sketch.none()))
    found = validate_search(second, compare(entry_of(second), [slow]), threads=1, most_trials=0)
    every = found.overfitting.all_tasks
    variance, own = first.trials.spread.variance, entry_of(second).trials
    assert every is not None
    assert isinstance(variance, float)
    assert own.sketch.diversity is not None
    within = (60 * variance + 60 * own.sketch.diversity / own.spread.observations) / 120
    assert every.null_variance == pytest.approx(within, rel=1e-9)
    bars = [best_sharpe_without_skill(variance, 6_000), best_sharpe_without_skill(within, 12_000)]
    assert every.expected_best_sharpe == pytest.approx(max(bars), rel=1e-9)


def test_searching_ever_longer_ends_where_the_best_of_all_would(market: Bars, search_of: Search) -> None:
    """Ten searches of 60 trials are judged, at the end, as one of the ten's trials together would be."""
    searches = [search_of(market, seed=seed) for seed in range(10)]
    ledger = Ledger()
    for search in searches:
        earlier = record(entry_of(search), ledger)
    last = validate_search(searches[-1], earlier, threads=1, most_trials=0).overfitting
    sharpes = np.concatenate([trial_sharpes(search) for search in searches])
    distinct = distinct_count(np.concatenate([search.history.blocks[:, :, 1] for search in searches]))
    assert last.all_tasks is not None
    assert isinstance(last.moments, SharpeMoments)
    usual = [best_sharpe_without_skill(trials_sharpe_variance(sharpes), distinct)]  # type: ignore[arg-type]
    for search in searches:
        variance = trials_sharpe_variance(trial_sharpes(search))
        own = distinct_count(search.history.blocks[:, :, 1])
        usual.append(best_sharpe_without_skill(variance, own))  # type: ignore[arg-type]
    assert last.all_tasks.deflated_sharpe_2012 == pytest.approx(psr_2012(last.moments, max(usual)), abs=1e-9)
    one_space = best_sharpe_without_skill(last.null_variance, 100 * distinct)  # type: ignore[arg-type]
    assert last.all_tasks.expected_best_sharpe == pytest.approx(one_space, rel=0.1)
    assert last.all_tasks.expected_best_sharpe > 1.05 * last.expected_best_sharpe  # type: ignore[operator]
