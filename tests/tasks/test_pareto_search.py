"""Several objectives through the loop, the checkpoint, the result, the files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from strategy_optimizer import (
    Bars,
    Discrete,
    ObjectiveFunction,
    ParetoObjective,
    Rules,
    Signals,
    Strategy,
    create_optimizer,
    optimize,
)
from strategy_optimizer.backtest import METRICS, MetricsTable, run_backtest
from strategy_optimizer.errors import ObjectiveError, OptimizerSettingError, ReproductionError, TaskError
from strategy_optimizer.models import ResultModel, TaskModel
from strategy_optimizer.records import Finished, Progress
from strategy_optimizer.space import Continuous
from strategy_optimizer.tasks import (
    DEFAULT_COSTS,
    Budget,
    Checkpoint,
    Result,
    SearchLoop,
    TrialHistory,
    export_trials,
    make_task,
    result,
    search_loop,
)
from strategy_optimizer.tasks import loop as loop_module

OBJECTIVES = ("sharpe_ratio", "trades:minimize")
PAIR = ParetoObjective(OBJECTIVES)
EVALUATIONS = 90  # Bayesian search chooses among three objectives: a second for every four


def brute_front(gains: np.ndarray, feasible: np.ndarray) -> set[int]:
    """Return the rows that no other feasible one dominates; of equals the first."""
    front = set()
    for i in np.flatnonzero(feasible).tolist():
        rivals = np.flatnonzero(feasible)
        beaten = ((gains[rivals] >= gains[i]).all(axis=1) & (gains[rivals] > gains[i]).any(axis=1)).any()
        copied = (gains[rivals[rivals < i]] == gains[i]).all(axis=1).any()
        if not beaten and not copied:
            front.add(i)
    return front


def filled(space: Any, values: list[tuple[float, float]], group: int = 7, **options: Any) -> TrialHistory:
    """Return a history of trials with these Sharpe ratios and trades."""
    objective = ParetoObjective(OBJECTIVES, **options)
    history = TrialHistory(space, 2, objective)
    metrics = np.ones((len(values), len(METRICS)))
    metrics[:, [METRICS.index("sharpe_ratio"), METRICS.index("trades")]] = values
    points = space.sample(len(values), 0)
    for first in range(0, len(values), group):
        rows = slice(first, first + group)
        table = MetricsTable(metrics[rows], np.ones((len(metrics[rows]), 2, 3)))
        history.append(points[rows], table, objective.score_table(table), 0.5)
    return history


# -- the history -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [1, 7, 1000])
def test_the_front_is_that_of_all_trials(space: Any, group: int) -> None:
    rng = np.random.default_rng(3)
    values = list(zip(rng.integers(0, 12, 300) / 10, rng.integers(0, 15, 300), strict=True))
    history = filled(space, values, group, constraints=["sharpe_ratio >= 0.2"])
    assert history.front is not None
    rows = history.front.rows.tolist()
    assert set(rows) == brute_front(PAIR.gains(history.metrics), history.feasible)
    sharpe = history.metrics[rows, METRICS.index("sharpe_ratio")]
    assert (np.diff(sharpe) < 0).all()
    assert history.improvements() == sorted(rows)
    assert history.best in rows
    assert history.stagnation == 299 - max(rows)
    assert np.isnan(history.scores).all()
    assert history.n_failed == sum(trades == 0 for _, trades in values)


def test_without_a_feasible_trial_there_is_no_front(space: Any) -> None:
    history = filled(space, [(1.0, 0.0), (2.0, 0.0), (0.1, 4.0)], constraints=["sharpe_ratio >= 1"])
    assert history.front is not None
    assert (history.best, len(history.front), history.front.ends, history.stagnation) == (None, 0, [], 3)
    assert history.improvements() == []
    assert (history.n_failed, history.n_infeasible) == (2, 1)


def test_the_ends_are_the_best_in_each_objective(space: Any) -> None:
    history = filled(space, [(1.0, 9.0), (0.5, 2.0), (0.9, 4.0), (0.5, 2.0)])
    assert history.front is not None
    assert history.front.rows.tolist() == [0, 2, 1]
    assert history.front.ends == [0, 1]
    assert history.front.newest == 2


def test_a_selection_is_even_and_keeps_what_matters(space: Any) -> None:
    values = [(i / 1000, float(i + 1 + (i == 777))) for i in range(1000)]
    history = filled(space, values, 100)
    front = history.front
    assert front is not None
    assert len(front) == 999
    selected = front.selection(50)
    assert 50 <= len(selected) <= 53
    assert set(selected.tolist()) >= {*front.ends, history.best}
    assert np.isin(selected, front.rows).all()
    assert (np.diff(history.metrics[selected, METRICS.index("sharpe_ratio")]) < 0).all()
    np.testing.assert_array_equal(front.selection(999), front.rows)


def test_a_result_names_a_selection_of_a_long_front(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("result_aggregator", "convergence"):
        monkeypatch.setattr(f"strategy_optimizer.tasks.{module}.FRONT_POINTS", 5)
    long = optimize(Rise, random_bars(), evaluations=EVALUATIONS, seed=2, objective=THREE)
    assert long.history.front is not None
    assert 5 <= len(long.pareto_front) <= 9 < len(long.history.front)
    assert long.best_trial in {point.trial for point in long.pareto_front}


# -- the loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["nsga2", "random", "grid"])
def test_the_optimizer_is_told_the_metrics(make_loop: Any, optimizer: str) -> None:
    loop = make_loop(optimizer, objective=PAIR, planned=400)
    assert loop.run() in ("budget", "exhausted")
    log, history = loop.optimizer.log, loop.history
    np.testing.assert_array_equal(history.points, log.points)
    completed = history.states == 0
    np.testing.assert_array_equal(log.scores[completed], PAIR.gains(history.metrics)[completed])
    np.testing.assert_array_equal(np.isnan(log.scores).all(axis=1), ~completed)
    front = loop.optimizer.pareto_front
    assert set(history.front.rows.tolist()) <= set(front.rows.tolist())
    found = {tuple(scores) for scores in front.scores.tolist()}
    assert {tuple(row) for row in PAIR.raw(history.front.gains).tolist()} == found


def test_nsga2_finds_more_than_random_search(make_loop: Any) -> None:
    worst = (0.0, 100.0)
    volumes = {
        name: [
            self_volume(make_loop(name, objective=PAIR, planned=300, seed=seed), worst) for seed in range(3)
        ]
        for name in ("nsga2", "random")
    }
    assert min(volumes["nsga2"]) > max(volumes["random"])


def self_volume(loop: SearchLoop, worst: tuple[float, float]) -> float:
    loop.run()
    return loop.optimizer.pareto_front.hypervolume(worst)


@pytest.mark.parametrize("constraints", [(), ("trades <= 80",)])
def test_a_resumed_search_is_the_uninterrupted_one(
    make_loop: Any, evaluator: Any, tmp_path: Path, constraints: tuple[str, ...]
) -> None:
    objective = ParetoObjective(OBJECTIVES, constraints=constraints)
    evaluator.fail_above = 0.95
    whole = make_loop("nsga2", objective=objective, planned=300)
    whole.run()
    for evaluations in (90, 300):
        checkpoint = Checkpoint(tmp_path, {"objective": "pair"}, resume=evaluations == 300)
        loop = make_loop(
            "nsga2", objective=objective, planned=300, evaluations=evaluations, checkpoint=checkpoint
        )
        loop.run()
        checkpoint.close()
    assert loop.n_resumed == 90
    np.testing.assert_array_equal(loop.history.points, whole.history.points)
    np.testing.assert_array_equal(loop.history.front.rows, whole.history.front.rows)
    assert loop.history.best == whole.history.best
    assert loop.optimizer.best_score == whole.optimizer.best_score


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_groups_do_not_change_the_search(make_loop: Any, monkeypatch: Any, size: int) -> None:
    expected = make_loop("nsga2", objective=PAIR)
    expected.run()
    pace = search_loop.Pace(size=size)
    monkeypatch.setattr(pace, "learn", lambda n, elapsed: None)
    monkeypatch.setattr(search_loop, "Pace", lambda: pace)
    loop = make_loop("nsga2", objective=PAIR)
    loop.run()
    np.testing.assert_array_equal(loop.history.points, expected.history.points)


def test_patience_waits_for_the_front(make_loop: Any) -> None:
    loop = make_loop("random", objective=PAIR, planned=100_000, patience=400)
    assert loop.run() == "converged"
    assert 400 <= len(loop.history) - 1 - loop.history.front.newest < 400 + loop.optimizer.batch_size


def test_progress_tells_of_the_front(make_loop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(loop_module, "PROGRESS_INTERVAL", 0.0)
    events: list[Any] = []
    loop = make_loop("nsga2", objective=PAIR, sink=events.append)
    loop.run()
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert last.best_score is None
    assert last.front == len(loop.history.front)
    best = loop.history[loop.history.best]
    assert last.best_parameters == best.parameters
    assert last.best_metrics == {name: best.metrics[name] for name in PAIR.metrics}
    assert [event.best_score for event in events if isinstance(event, Finished)] == [None]


def test_an_optimizer_for_other_scores_is_refused(space: Any, evaluator: Any) -> None:
    for objective, directions in (
        (PAIR, None),
        (PAIR, ["maximize", "maximize"]),
        (PAIR, ["maximize", "minimize", "minimize"]),
        (ObjectiveFunction("skew"), ["minimize"]),
        (ObjectiveFunction("skew"), ["maximize", "maximize"]),
    ):
        optimizer = create_optimizer("nsga2", space, budget=50, directions=directions)
        with pytest.raises(TaskError, match=r"the optimizer has the directions .*, but the objective"):
            SearchLoop(optimizer, evaluator, objective, Budget(evaluations=50))


# -- the one call ------------------------------------------------------------------------------------------


class Rise(Strategy):
    """Long while the close is above its value some days ago."""

    parameters: ClassVar = {"days": Discrete(2, 60, default=10), "size": Continuous(0.1, 1.0, default=0.5)}
    days: int
    size: float

    def warmup(self, p: Any) -> int:
        return int(p.days)

    def signals(self, bars: Bars) -> Signals:
        rise = np.zeros(bars.close.shape)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(rise > 0, rise < 0, size=self.size)


def random_bars(n: int = 500) -> Bars:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.01, n)))
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    stamps = np.arange(n) * 86_400_000_000_000
    return Bars(open_, high, low, close, np.ones(n), stamps, ("S0",), "random walk")


THREE = ["sharpe_ratio", "max_drawdown", "turnover"]


@pytest.fixture(scope="module")
def found() -> Result:
    return optimize(
        Rise,
        random_bars(),
        evaluations=EVALUATIONS,
        seed=2,
        objective=THREE,
        outcome_constraints=["trades >= 3"],
    )


def test_auto_thinks_of_each_trial_and_the_result_has_the_whole_front(found: Result) -> None:
    assert found.optimizer["name"] == "auto"
    assert "auto chose bo" in found.optimizer["reason"]
    history = found.history
    gains = ParetoObjective(THREE).gains(history.metrics)
    assert {point.trial - 1 for point in found.pareto_front} == brute_front(gains, history.feasible)
    for point in found.pareto_front:
        trial = history[point.trial - 1]
        assert point.parameters == trial.parameters
        assert point.objectives == {name: trial.metrics[name] for name in THREE}
        assert {**trial.metrics, "composite_score": None} == {
            **point.performance.in_sample,
            "composite_score": None,
        }


def test_the_winner_is_on_the_front_and_has_no_score(found: Result) -> None:
    winner = next(point for point in found.pareto_front if point.trial == found.best_trial)
    assert winner.parameters == found.best_parameters
    assert math.isnan(found.best_score)
    assert math.isnan(found.convergence.final_improvement)
    assert 1 <= found.convergence.convergence_iteration <= EVALUATIONS
    assert "also for the best in each objective" in found.reproduced_by
    assert "score" not in found.reproduced_by


def test_the_held_out_numbers_of_every_point_can_be_run_again(found: Result) -> None:
    rules = Rules(DEFAULT_COSTS, window=found.data.held_out)
    for point in found.pareto_front[:5]:
        again = run_backtest(Rise, point.parameters, random_bars(), rules).metrics
        held_out = dict(point.performance.held_out or {})
        held_out.pop("composite_score")
        np.testing.assert_allclose(list(held_out.values()), list(again.values()), rtol=1e-12)


def test_a_reference_point_chooses_another_winner_of_the_same_front(found: Result) -> None:
    end = found.pareto_front[0]
    other = optimize(
        Rise,
        random_bars(),
        evaluations=EVALUATIONS,
        seed=2,
        objective=THREE,
        outcome_constraints=["trades >= 3"],
        reference=end.objectives,
    )
    assert other.best_trial == end.trial != found.best_trial
    assert [point.trial for point in other.pareto_front] == [point.trial for point in found.pareto_front]
    assert other.objective["reference"] == end.objectives


def test_the_same_checkpoint_can_be_asked_for_another_reference(tmp_path: Path) -> None:
    common: dict[str, Any] = {"evaluations": 50, "objective": THREE, "checkpoint": tmp_path}
    first = optimize(Rise, random_bars(), **common)
    end = first.pareto_front[-1]
    again = optimize(Rise, random_bars(), **common, resume=True, reference=end.objectives)
    assert again.counts.resumed == 50
    assert again.best_trial == end.trial


def test_the_json_has_the_front_and_its_model_reads_it(found: Result) -> None:
    data = json.loads(found.to_json())
    assert data["best_score"] is None
    assert data["best_performance"]["composite_score"] is None
    assert data["objective"]["type"] == "pareto"
    assert [point["trial"] for point in data["pareto_front"]] == [p.trial for p in found.pareto_front]
    model = ResultModel.from_json(found.to_json())
    assert model.pareto_front is not None
    assert model.pareto_front[0].objectives == found.pareto_front[0].objectives
    assert json.loads(model.to_json()) == data


def test_one_objective_has_no_front() -> None:
    single = optimize(Rise, random_bars(), evaluations=20)
    assert single.pareto_front == ()
    assert "pareto_front" not in single.to_dict()


def test_a_long_result_embeds_the_front(found: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "EMBEDDED_TRIALS", EVALUATIONS - 1)
    embedded = [entry["iteration"] for entry in found.to_dict()["optimization_history"]]
    assert embedded == sorted(point.trial for point in found.pareto_front)


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_exports_keep_all_objectives_and_say_what_is_on_the_front(
    found: Result, tmp_path: Path, ending: str
) -> None:
    path = export_trials(found.history, tmp_path / f"trials.{ending}")
    frame = getattr(pl, f"read_{ending}")(path)
    assert "score" not in frame.columns
    assert set(THREE) <= set(frame.columns)
    on_front = frame.filter(pl.col("on_front"))
    assert set(on_front["trial"]) == {point.trial for point in found.pareto_front}
    assert on_front["turnover"].null_count() == 0


def test_the_notes_compare_the_front_with_the_defaults(found: Result) -> None:
    notes = " ".join(found.notes)
    assert f"of {len(found.pareto_front)} points of the front" in notes
    assert "scores" not in notes


def test_a_front_whose_ends_cannot_be_reproduced_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    original = run_backtest
    calls: list[Any] = []

    def lying(strategy: Any, params: Any, *args: Any, **options: Any) -> Any:
        outcome = original(strategy, params, *args, **options)
        if options.get("engine") == "reference":
            calls.append(params)
            if len(calls) == 2:
                outcome.metrics["turnover"] += 1e-3
        return outcome

    monkeypatch.setattr("strategy_optimizer.tasks.reproduction.run_backtest", lying)
    with pytest.raises(ReproductionError, match="turnover was"):
        optimize(Rise, random_bars(), evaluations=60, objective=THREE)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"optimizer": "ga"},
            OptimizerSettingError,
            "ga optimises exactly one objective, found 3 directions",
        ),
        (
            {"optimizer": "hybrid"},
            OptimizerSettingError,
            "hybrid optimises exactly one.*use auto, bo or nsga2",
        ),
        ({"target": 1.0}, TaskError, "target is 1, one score, but the objective has several"),
        ({"objective": ["sharpe_ratio", "max_drawdwn"]}, ObjectiveError, "did you mean 'max_drawdown'"),
        ({"objective": ["sharpe_ratio"]}, ObjectiveError, "two metrics or more, found sharpe_ratio"),
        ({"reference": {"sharpe_ratio": 1.0}}, ObjectiveError, "the reference point has no max_drawdown"),
        ({"objective": "skew", "reference": {"skew": 1.0}}, ObjectiveError, "is for a Pareto search"),
        ({"optimizer": "nsga2", "niching": "crowded"}, OptimizerSettingError, "did you mean 'crowding'"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_task(Rise, random_bars(), **{"objective": THREE, **options})


def test_a_search_that_cannot_win_says_why() -> None:
    with pytest.raises(TaskError, match=r"none of 30 trials satisfies .*trades >= 999 \(30\)"):
        optimize(Rise, random_bars(), evaluations=30, objective=THREE, outcome_constraints=["trades >= 999"])


def test_the_order_of_the_objectives_is_part_of_the_search() -> None:
    tasks = [make_task(Rise, random_bars(), objective=order) for order in (THREE, THREE[::-1])]
    assert tasks[0].task_id != tasks[1].task_id
    referred = make_task(Rise, random_bars(), objective=THREE, reference=dict.fromkeys(THREE, 1.0))
    assert referred.task_id == tasks[0].task_id


def test_a_task_file_with_several_metrics() -> None:
    text = json.dumps(
        {
            "strategy_name": "momentum",
            "optimization_type": "nsga2",
            "objective_function": {
                "type": "pareto",
                "metrics": ["sharpe_ratio", "exposure:minimize"],
                "reference": {"sharpe_ratio": 1.0, "exposure": 0.3},
                "constraints": ["trades >= 30"],
            },
        }
    )
    objective = TaskModel.from_json(text).objective_function.to_objective()
    assert objective == ParetoObjective(
        ["sharpe_ratio", "exposure:minimize"],
        reference={"sharpe_ratio": 1.0, "exposure": 0.3},
        constraints=["trades >= 30"],
    )
