"""Trials that run fold by fold: the hopeless ones are stopped, and nothing else changes."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from strategy_optimizer import ObjectiveFunction, ParameterSpace, ParetoObjective, create_optimizer, optimize
from strategy_optimizer.engines import CallableEngine, FoldedEngine
from strategy_optimizer.errors import EngineError, TaskError
from strategy_optimizer.records import TRIAL_STATES
from strategy_optimizer.tasks import Budget, Checkpoint, replay
from strategy_optimizer.tasks.engine_trial import TrialValue
from strategy_optimizer.tasks.folded_loop import FoldedLoop
from strategy_optimizer.tasks.pruning import ERROR, FoldPruner
from strategy_optimizer.tasks.trial_cache import TaskCache, TrialKeys
from virtual_executor import VirtualExecutor

NAMES = ("score", "trades")
OBJECTIVE = ObjectiveFunction("score", names=NAMES)
SPACE = {
    "x": {"type": "continuous", "bounds": [0.0, 1.0]},
    "n": {"type": "discrete", "bounds": [1, 50]},
}
FOLDS, TRIALS = 6, 80


def on_fold(parameters, fold) -> dict[str, float]:
    """A hill whose height differs from fold to fold, and whose top moves a little."""
    top = 0.3 + 0.02 * np.sin(fold)
    return {
        "score": 0.3 * fold - 4 * (parameters["x"] - top) ** 2 - ((parameters["n"] - 20) / 25) ** 2,
        "trades": 10.0,
    }


def trial(argument) -> TrialValue:
    parameters, fold = argument
    if parameters["n"] % 7 == 6 and fold == 2:
        raise ValueError("unlucky")
    return TrialValue(on_fold(parameters, fold))


def uneven(number: int) -> float:
    return float(np.random.default_rng(number).choice([0.02, 0.1, 1.0]))


def loop_of(name="ga", workers=2, lookahead=8, function=trial, **options) -> FoldedLoop:
    space = ParameterSpace.from_json(SPACE)
    return FoldedLoop(
        create_optimizer(name, space, budget=TRIALS, seed=1, directions=options.pop("directions", None)),
        VirtualExecutor(function, workers, options.pop("seconds", uneven)),
        options.pop("objective", OBJECTIVE),
        Budget(evaluations=TRIALS),
        pruner=FoldPruner(FOLDS),
        fold_keys=[TrialKeys(code=str(i), data="", space=space) for i in range(FOLDS)],
        lookahead=lookahead,
        n_blocks=4,
        **options,
    )


def assert_same_history(a: FoldedLoop, b: FoldedLoop) -> None:
    for name in ("points", "metrics", "scores", "states", "feasible", "asked", "known", "seconds"):
        np.testing.assert_array_equal(a.history.column(name), b.history.column(name), err_msg=name)


@pytest.mark.parametrize("name", ["random", "ga", "bo"])
def test_in_order_the_search_is_the_same_for_1_2_and_8_workers(name: str) -> None:
    loops = [loop_of(name, workers) for workers in (1, 2, 8)]
    for loop in loops:
        assert loop.run() == "budget"
        assert_same_history(loops[0], loop)
    pruned = loops[0].history.states == TRIAL_STATES.index("pruned")
    assert pruned.sum() > TRIALS / 10
    assert loops[0].n_folds_run + loops[0].n_folds_saved >= FOLDS * (TRIALS - loops[0].history.n_failed)


def test_what_is_pruned_says_so_never_wins_and_would_not_have_won() -> None:
    loop = loop_of("random")
    loop.run()
    history = loop.history
    pruned = history.states == TRIAL_STATES.index("pruned")
    assert not history.feasible[pruned].any()
    row = int(np.flatnonzero(pruned)[0])
    assert history[row].state == "pruned"
    assert "overtakes with a chance of" in history[row].reason
    assert history[row].score < history.best_score
    whole = [
        np.mean([on_fold({"x": x, "n": n}, fold)["score"] for fold in range(FOLDS)])
        for x, n in history.points
    ]
    good = history.states == TRIAL_STATES.index("completed")
    np.testing.assert_allclose(history.scores[good], np.array(whole)[good])
    assert max(np.array(whole)[pruned]) < history.best_score
    # What a pruned trial is said to be worth is near what it is, and not the mean of the folds that were run.
    assert np.abs(history.scores[pruned] - history.metrics[pruned, 0]).max() > 0.1
    assert np.abs(history.scores[pruned] - np.array(whole)[pruned]).max() < 0.3


def test_trials_race_against_the_best_one_that_may_win() -> None:
    only = ObjectiveFunction("score", constraints=["trades <= 5"], names=NAMES)
    loop = loop_of("random", objective=only)  # every trial has ten a fold
    loop.run()
    assert loop.history.best is None
    assert loop.n_folds_saved == 0


def test_the_time_that_was_saved_is_that_of_the_folds_that_were_spared() -> None:
    loop = loop_of("random", function=lambda argument: TrialValue(on_fold(*argument)), seconds=lambda _: 0.25)
    loop.run()
    assert loop.n_folds_saved > 0
    assert loop.n_folds_run + loop.n_folds_saved == FOLDS * TRIALS
    assert loop.seconds_saved == pytest.approx(0.25 * loop.n_folds_saved)


def test_a_fold_that_fails_ends_its_trial() -> None:
    loop = loop_of("random")
    loop.run()
    failures = dict(loop.history.failures())
    assert loop.history.n_failed >= 3
    assert failures == {"raised: unlucky": loop.history.n_failed}


def test_trades_add_up_over_the_folds() -> None:
    loop = loop_of("random")
    loop.run()
    done = loop.history.states != TRIAL_STATES.index("failed")
    assert set(loop.history.metrics[done, 1].tolist()) == {10.0 * FOLDS}


class Stopping:
    def __init__(self, after: int) -> None:
        self.after = after
        self.loop: FoldedLoop | None = None

    def __call__(self, argument) -> TrialValue:
        self.after -= 1
        if self.after == 0:
            self.loop.cancel()
        return trial(argument)


CONSTRAINED = ObjectiveFunction("score", constraints=["trades >= 5"], names=NAMES)


@pytest.mark.parametrize("objective", [OBJECTIVE, CONSTRAINED], ids=["free", "constrained"])
@pytest.mark.parametrize("name", ["ga", "bo"])
@pytest.mark.parametrize("after", [1, 40, 150, 250])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not(
    tmp_path, after: int, name: str, objective
) -> None:
    whole = loop_of(name, objective=objective)
    whole.run()
    assert whole.history.n_pruned > 0
    with closing(Checkpoint(tmp_path / "c", {"test": 1})) as checkpoint:
        stopping = Stopping(after)
        stopped = loop_of(name, function=stopping, checkpoint=checkpoint, objective=objective)
        stopping.loop = stopped
        assert stopped.run() == "cancelled"
    with closing(Checkpoint(tmp_path / "c", {"test": 1}, resume=True)) as checkpoint:
        resumed = loop_of(name, workers=3, checkpoint=checkpoint, objective=objective)
        assert resumed.run() == "budget"
    assert_same_history(whole, resumed)


@pytest.mark.parametrize("name", ["ga", "bo"])
def test_the_log_of_a_free_search_replays_with_its_estimates(name: str) -> None:
    loop = loop_of(name, workers=3, lookahead=None)
    loop.run()
    history = loop.history
    assert history.n_pruned > 0
    fresh = create_optimizer(name, ParameterSpace.from_json(SPACE), budget=TRIALS, seed=1)
    by_asking = np.argsort(history.column("asked"))
    np.testing.assert_array_equal(replay(fresh, history, OBJECTIVE), history.points[by_asking])


def test_no_fold_is_run_twice() -> None:
    cache, runs = TaskCache(), []

    def counted(argument):
        runs.append(argument)
        return trial(argument)

    first = loop_of(function=counted, cache=cache)
    first.run()
    made = len(runs)
    again = loop_of(function=counted, cache=cache)
    again.run()
    assert first.history.n_failed
    assert made == first.n_folds_run + first.history.n_failed
    assert len(runs) == made
    assert_same_history(first, again)


def test_several_objectives_are_not_pruned() -> None:
    with pytest.raises(TaskError, match="prune=False"):
        loop_of("nsga2", objective=ParetoObjective(NAMES, names=NAMES), directions=["maximize"] * 2)


def test_the_one_call_with_a_function_of_the_fold(tmp_path) -> None:
    arguments = {"space": SPACE, "evaluations": 60, "objective": "score", "cache": False, "seed": 2}
    pruned = optimize(on_fold, folds=FOLDS, workers=2, **arguments)
    whole = optimize(on_fold, folds=FOLDS, executor="serial", prune=False, **arguments)
    assert pruned.counts.pruned > 0
    assert pruned.execution["folds_saved"] > 0
    assert whole.counts.pruned == 0
    assert pruned.best_score == pytest.approx(whole.best_score, abs=0.02)
    assert pruned.reproduced
    pruned.export(tmp_path / "trials.csv")
    assert ",pruned," in (tmp_path / "trials.csv").read_text()


def test_the_error_of_a_verdict_can_be_given() -> None:
    arguments = {
        "space": SPACE,
        "objective": "score",
        "optimizer": "random",
        "evaluations": TRIALS,
        "cache": False,
    }
    errors = {"strict": 0.001, "default": True, "same": ERROR, "loose": 0.1}
    saved = {
        name: optimize(on_fold, folds=FOLDS, executor="serial", prune=error, **arguments).execution[
            "folds_saved"
        ]
        for name, error in errors.items()
    }
    assert 0 < saved["strict"] < saved["default"] == saved["same"] < saved["loose"]


@pytest.mark.parametrize("prune", [0, 0.5, -0.1, float("nan"), "yes", None])
def test_an_error_that_is_no_chance(prune) -> None:
    with pytest.raises(
        TaskError, match=r"prune is .*; expected True .*, False, or the chance of catching up"
    ):
        optimize(on_fold, folds=FOLDS, space=SPACE, objective="score", prune=prune)


def test_the_one_call_with_a_list_of_functions() -> None:
    years = [lambda p, fold=fold: on_fold(p, fold) for fold in range(3)]
    result = optimize(years, space=SPACE, evaluations=30, objective="score", executor="serial", cache=False)
    assert result.best_parameters["n"] in range(12, 29)
    with pytest.raises(EngineError, match="folds is 1; expected a whole number from 2 up"):
        optimize(on_fold, folds=1, space=SPACE, objective="score")
    with pytest.raises(EngineError, match="give a list of engines"):
        optimize(years, folds=3, space=SPACE, objective="score")
    with pytest.raises(
        EngineError, match=r"fold 1 is <function .* \(function\); expected an Engine: CallableEngine"
    ):
        FoldedEngine([CallableEngine(lambda p: 1.0), lambda p: 2.0])
