"""The one call from strategy and data to a checked result."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from strategy_optimizer import (
    Bars,
    Categorical,
    Continuous,
    Costs,
    Discrete,
    ParameterSpace,
    Rules,
    Signals,
    Strategy,
    evaluate_population,
    get_strategy,
    optimize,
)
from strategy_optimizer.backtest import run_backtest
from strategy_optimizer.errors import (
    CheckpointError,
    DataError,
    NoWinnerError,
    ObjectiveError,
    OptimizerSettingError,
    ReproductionError,
    SpaceError,
    StrategyError,
    StrategyOptimizerError,
    TaskError,
)
from strategy_optimizer.records import Finished, Progress, Reproducing, Validating
from strategy_optimizer.tasks import Result, make_task, result_aggregator
from strategy_optimizer.tasks import loop as loop_module
from strategy_optimizer.tasks.reproduction import compare

DAY = 86_400_000_000_000


def random_bars(n: int = 400, seed: int = 0, symbols: int = 1) -> Bars:
    rng = np.random.default_rng(seed)
    shape = (n,) if symbols == 1 else (n, symbols)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.01, shape), axis=0))
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    names = tuple(f"S{i}" for i in range(symbols))
    return Bars(open_, high, low, close, np.ones(shape), np.arange(n) * DAY, names, "random walk")


class Rise(Strategy):
    """Long while the close is above its value some days ago; `mode` and `trail` are there for the space."""

    parameters: ClassVar = {
        "days": Discrete(2, 40, default=10),
        "size": Continuous(0.1, 1.0, default=0.5),
        "mode": Categorical(["plain", "trailing"]),
        "trail": Continuous(0.01, 0.2, default=0.05, condition="mode == 'trailing'"),
    }
    days: int
    size: float
    mode: str
    trail: float | None

    def warmup(self, p: Any) -> int:
        return int(p.days)

    def signals(self, bars: Bars) -> Signals:
        rise = np.zeros(bars.close.shape)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(rise > 0, rise < 0, size=self.size, trailing_stop=self.trail)


class Plain(Rise):
    """The same without a condition."""

    parameters: ClassVar = {name: Rise.parameters[name] for name in ("days", "size")}
    mode = "plain"
    trail = None


class Other(Plain):
    """Other code, same parameters."""

    def warmup(self, p: Any) -> int:
        return int(p.days) + 1


@pytest.fixture(scope="module")
def result() -> Result:
    return optimize(Rise, random_bars(), "ga", evaluations=150, seed=3, objective="sharpe_ratio")


def test_the_winner_can_be_run_again_to_the_same_numbers(result: Result) -> None:
    rules = Rules(Costs(commission=0.0005, slippage=0.0002), window=(0, 300))
    again = run_backtest(Rise, result.best_parameters, random_bars(), rules).metrics
    best = dict(result.best_performance)
    assert best.pop("composite_score") == result.best_score == again["sharpe_ratio"]
    assert compare(again, best) == []
    assert result.reproduced
    assert "reference simulator" in result.reproduced_by


def test_the_winner_is_the_best_of_all_trials(result: Result) -> None:
    history = result.history
    assert result.counts.trials == len(history) == 150
    assert result.best_score == np.nanmax(history.scores)
    trial = history[result.best_trial - 1]
    assert trial.parameters == result.best_parameters
    table = evaluate_population(
        Rise, history.points, random_bars(), costs=Costs(commission=0.0005, slippage=0.0002), window=(0, 300)
    )
    np.testing.assert_array_equal(table.values, history.metrics)
    np.testing.assert_array_equal(table.blocks, history.blocks)


class Hindsight(Rise):
    """Long below the mean of all closes that it is given; remembers how many that were."""

    given: ClassVar[list[int]] = []

    def signals(self, bars: Bars) -> Signals:
        self.given.append(bars.n_bars)
        low = bars.close < bars.close.mean()
        return Signals(low, ~low, size=self.size, trailing_stop=self.trail)


def test_a_search_is_not_given_the_held_out_bars() -> None:
    bars = random_bars()
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for values in columns.values():
        values[300:] *= 3.0
    searches = [
        make_task(Hindsight, each, "random", evaluations=20, seed=1)
        for each in (bars, replace(bars, **columns))
    ]
    Hindsight.given.clear()
    results = [search.run() for search in searches]
    assert set(Hindsight.given) == {300, 400}  # 400 for what is shown of the held-out bars
    np.testing.assert_array_equal(searches[0].history.metrics, searches[1].history.metrics)
    assert results[0].best.held_out != results[1].best.held_out


def test_held_out_numbers_are_those_of_the_last_bars(result: Result) -> None:
    rules = Rules(Costs(commission=0.0005, slippage=0.0002), window=(300, 400))
    held_out = run_backtest(Rise, result.best_parameters, random_bars(), rules).metrics
    assert result.best.held_out is not None
    assert compare(held_out, result.best.held_out) == []
    assert (result.data.in_sample, result.data.held_out) == ((0, 300), (300, 400))
    assert result.data.in_sample_dates == ("1970-01-01", "1970-10-27")
    assert result.data.held_out_dates == ("1970-10-28", "1971-02-04")


def test_defaults_and_buy_and_hold_stand_beside(result: Result) -> None:
    assert result.default_parameters == {"days": 10, "size": 0.5, "mode": "plain"}
    rules = Rules(Costs(commission=0.0005, slippage=0.0002), window=(0, 300))
    expected = run_backtest(Rise, result.default_parameters, random_bars(), rules).metrics
    assert compare(expected, result.defaults.in_sample) == []
    bars = random_bars()
    growth = bars.close[299] / (bars.open[1] * 1.0002) / 1.0005
    assert result.buy_and_hold.in_sample["total_return"] == pytest.approx(growth - 1, rel=1e-9)
    assert result.buy_and_hold.in_sample["trades"] == 1


def test_what_identifies_the_run(result: Result) -> None:
    assert result.data.digest == random_bars().digest
    assert result.strategy_digest == Rise.digest()
    assert result.costs == {"commission": 0.0005, "fixed_fee": 0.0, "slippage": 0.0002, "borrow": 0.0}
    assert (result.seed, result.stop_reason, result.strategy_name) == (3, "budget", "Rise")
    assert set(result.versions) == {"strategy_optimizer", "python", "numpy", "numba"}
    assert result.optimizer["name"] == "ga"
    assert result.convergence.final_improvement == pytest.approx(
        result.best_score - result.defaults.in_sample["sharpe_ratio"]
    )
    assert 0 < result.convergence.exploration_ratio <= 1
    assert result.history.scores[result.convergence.convergence_iteration - 1] <= result.best_score


def test_same_seed_same_result_whatever_the_threads(result: Result) -> None:
    again = optimize(Rise, random_bars(), "ga", evaluations=150, seed=3, workers=1)
    np.testing.assert_array_equal(again.history.points, result.history.points)
    np.testing.assert_array_equal(again.history.scores, result.history.scores)
    assert again.task_id == result.task_id
    other = optimize(Rise, random_bars(), "ga", evaluations=150, seed=4)
    assert other.task_id != result.task_id


def test_without_holdout_the_result_says_so() -> None:
    result = optimize(Rise, random_bars(), "random", evaluations=20, holdout=0)
    assert result.best.held_out is None
    assert result.data.held_out is None
    assert result.data.in_sample == (0, 400)
    assert any("no bars were held out" in note for note in result.notes)


def test_costs_are_not_zero_unless_asked() -> None:
    free = optimize(Rise, random_bars(), "random", evaluations=10, costs=Costs())
    assert free.best_performance["costs_paid"] == 0.0
    assert free.costs["commission"] == 0.0


def test_several_symbols_hold_equal_parts() -> None:
    result = optimize("rotation", random_bars(symbols=3), "random", evaluations=10)
    assert result.buy_and_hold.in_sample["trades"] == 3
    assert result.buy_and_hold.in_sample["exposure"] > 0.98


# -- spaces ---------------------------------------------------------------------------------------------


def test_a_space_narrows_and_fixes() -> None:
    space = {"days": {"type": "discrete", "bounds": [5, 8]}}
    result = optimize(Plain, random_bars(), evaluations=50, space=space)
    assert result.optimizer["name"] == "grid"
    assert result.stop_reason == "exhausted"
    assert result.counts.trials == 4
    assert sorted({t.parameters["days"] for t in result.history}) == [5, 6, 7, 8]
    assert {t.parameters["size"] for t in result.history} == {0.5}
    assert any("lies at a bound" in note for note in result.notes) == (
        result.best_parameters["days"] in (5, 8)
    )


def test_a_space_wider_than_the_strategy_declares() -> None:
    space = ParameterSpace("wide").add_parameter("days", "discrete", (100, 120))
    result = optimize(Plain, random_bars(), "random", evaluations=15, space=space)
    assert 100 <= result.best_parameters["days"] <= 120
    assert result.reproduced


def test_fewer_choices_in_another_order() -> None:
    space = {"mode": {"type": "categorical", "choices": ["trailing", "plain"]}}
    both = optimize(Rise, random_bars(), evaluations=30, space=space)
    assert both.reproduced
    trail = {"type": "continuous", "bounds": [0.01, 0.2]}
    only = {"mode": {"type": "categorical", "choices": ["trailing"]}, "trail": trail}
    result = optimize(Rise, random_bars(), "random", evaluations=30, space=only)
    assert {t.parameters["mode"] for t in result.history} == {"trailing"}
    assert len({t.parameters["trail"] for t in result.history}) == 30
    assert result.reproduced


def test_a_space_for_a_compiled_strategy_and_its_constraints() -> None:
    space = {"lookback_period": {"type": "discrete", "bounds": [5, 200]}}
    result = optimize(
        "momentum",
        random_bars(),
        "random",
        evaluations=40,
        space=space,
        constraints=["lookback_period != 20"],
    )
    looked = {t.parameters["lookback_period"] for t in result.history}
    assert max(looked) > 100
    assert 20 not in looked
    assert result.reproduced


def test_a_parameter_file(tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    path.write_text('{"days": {"type": "discrete", "bounds": [5, 6]}}')
    assert optimize(Plain, random_bars(), evaluations=9, space=path).counts.trials == 2
    path.write_text("{")
    with pytest.raises(SpaceError, match="not valid JSON"):
        optimize(Plain, random_bars(), space=path)
    path.write_text("[]")
    with pytest.raises(SpaceError, match="holds list"):
        optimize(Plain, random_bars(), space=str(path))
    with pytest.raises(SpaceError, match="cannot be read"):
        optimize(Plain, random_bars(), space=tmp_path / "missing.json")


def test_a_parameter_of_another_strategy_is_named() -> None:
    with pytest.raises(SpaceError, match="'lookback'"):
        optimize(Rise, random_bars(), space={"lookback": {"type": "discrete", "bounds": [5, 6]}})


# -- what cannot work -----------------------------------------------------------------------------------


class Raises(Rise):
    def signals(self, bars: Bars) -> Signals:
        raise RuntimeError("no such column")


class RaisesAbove(Rise):
    def signals(self, bars: Bars) -> Signals:
        if self.days > 15:
            raise ValueError("days is too large")
        return super().signals(bars)


class NeverTrades(Rise):
    def signals(self, bars: Bars) -> Signals:
        never = np.zeros(bars.n_bars, bool)
        return Signals(never, never)


class Unrepeatable(Rise):
    calls = 0

    def signals(self, bars: Bars) -> Signals:
        type(self).calls += 1
        random = np.random.default_rng(type(self).calls).random(bars.n_bars)
        return Signals(random > 0.8, random < 0.2)


def test_a_strategy_that_raises_on_the_defaults_is_one_error() -> None:
    with pytest.raises(StrategyError, match=r"fails on the parameters tried first, .*no such column"):
        optimize(Raises, random_bars())


class FailsByDefault(Rise):
    def signals(self, bars: Bars) -> Signals:
        if self.mode == "plain":
            raise ValueError("there is no plain mode")
        return super().signals(bars)


def test_defaults_that_are_not_searched_need_not_work() -> None:
    space = {
        "mode": {"type": "categorical", "choices": ["trailing"]},
        "days": {"type": "discrete", "bounds": [2, 9]},
    }
    result = optimize(FailsByDefault, random_bars(), evaluations=20, space=space)
    assert result.reproduced
    assert math.isnan(result.defaults.in_sample["total_return"])
    assert result.to_dict()["defaults"]["held_out"]["composite_score"] is None
    assert any("fails on its default parameters" in note for note in result.notes)
    with pytest.raises(StrategyError, match="there is no plain mode"):
        optimize(FailsByDefault, random_bars(), evaluations=20)
    with pytest.raises(DataError, match=r"'days': 350.*decides nothing before bar 350"):
        optimize(Plain, random_bars(), space={"days": Discrete(350, 350)})


def test_defaults_that_the_constraints_forbid_are_not_tried() -> None:
    class Picky(Rise):
        def signals(self, bars: Bars) -> Signals:
            if self.days < 12:
                raise ValueError("too short")
            return super().signals(bars)

    result = optimize(Picky, random_bars(), "random", evaluations=20, constraints=["days >= 12"])
    assert result.counts.failed == 0


def test_a_space_may_leave_out_the_choice_that_a_parameter_depends_on() -> None:
    result = optimize(Rise, random_bars(), evaluations=50, space={"days": Discrete(5, 8)})
    assert result.best_parameters.keys() == {"days", "size", "mode"} == result.space["parameter_space"].keys()
    assert result.counts.trials == 4
    assert result.reproduced
    with pytest.raises(SpaceError, match="'trail' would never be active"):
        optimize(Rise, random_bars(), space={"trail": Continuous(0.01, 0.1)})
    with pytest.raises(SpaceError, match="empty"):
        optimize(Rise, random_bars(), space={})


def test_trials_that_raise_are_counted_and_do_not_stop_the_search() -> None:
    result = optimize(RaisesAbove, random_bars(), "random", evaluations=60)
    failed = result.counts.failed
    assert 0 < failed < 60
    assert sum(result.counts.failures.values()) == failed
    assert "days is too large" in next(iter(result.counts.failures))
    assert result.best_parameters["days"] <= 15
    assert any(f"{failed} of 60 trials failed" in note for note in result.notes)


def test_when_every_trial_fails_the_error_says_why() -> None:
    task = make_task(NeverTrades, random_bars(), "random", evaluations=25)
    with pytest.raises(NoWinnerError, match=r"all 25 trials failed: no_trades \(25\)"):
        task.run()
    assert len(task.history) == 25
    with pytest.raises(TaskError, match="has run already"):
        task.run()


def test_when_no_trial_is_feasible_the_error_says_so() -> None:
    with pytest.raises(TaskError, match=r"none of 25 trials .* violates trades >= 10000 \(25\)"):
        optimize(Rise, random_bars(), "random", evaluations=25, outcome_constraints=["trades >= 10000"])


def test_a_winner_that_cannot_be_reproduced_is_an_error() -> None:
    with pytest.raises(ReproductionError, match=r"could not be reproduced.*total_return was"):
        optimize(Unrepeatable, random_bars(), "random", evaluations=10)


@pytest.mark.parametrize("n_bars", [3, 8, 12])
def test_too_few_bars(n_bars: int) -> None:
    with pytest.raises(DataError, match="bars"):
        optimize(Rise, random_bars(n_bars), "random", evaluations=5)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"objective": "sharpe"}, ObjectiveError, "there is no metric 'sharpe'"),
        ({"outcome_constraints": ["trades > 3"]}, ObjectiveError, "uses '>'"),
        ({"optimizer": "gaa"}, OptimizerSettingError, "did you mean 'ga'"),
        ({"population": 3, "optimizer": "ga"}, OptimizerSettingError, "did you mean 'population_size'"),
        ({"evaluations": 0}, TaskError, "evaluations is 0"),
        ({"seconds": -1}, TaskError, "seconds is -1"),
        ({"holdout": 1.0}, TaskError, "holdout is 1.0"),
        ({"holdout": "a"}, TaskError, "holdout is 'a'"),
        ({"seed": -1}, OptimizerSettingError, "seed is -1"),
        ({"seed": 0.5}, OptimizerSettingError, "seed is 0.5"),
        ({"resume": True}, TaskError, "resume needs the checkpoint's folder"),
        ({"checkpoint": 3}, TaskError, "checkpoint is 3; expected the path of a folder"),
        ({"progress": 3}, TaskError, "progress is 3; expected a function"),
        ({"constraints": ["days <"]}, SpaceError, "days <"),
        ({"constraints": ["size > 5"]}, SpaceError, "size > 5"),
        ({"fill": "yesterday"}, StrategyOptimizerError, "fill is 'yesterday'"),
        ({"workers": 0}, TaskError, "workers is 0; expected a whole number"),
    ],
)
def test_bad_calls(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        optimize(Rise, random_bars(), **({"evaluations": 10} | options))


def test_unknown_names() -> None:
    with pytest.raises(StrategyError, match="did you mean 'momentum'"):
        optimize("momentun", random_bars())
    with pytest.raises(DataError, match="nasdak"):
        optimize(Rise, "nasdak")
    with pytest.raises(StrategyError, match="is not a strategy"):
        optimize(dict, random_bars())  # type: ignore[arg-type]


# -- budgets, events, checkpoints -----------------------------------------------------------------------


def test_population_size_and_generations_are_a_budget() -> None:
    result = optimize(Rise, random_bars(), "ga", population_size=12, generations=5)
    assert result.counts.trials == 60


def test_the_calls_of_bo_are_a_budget() -> None:
    assert optimize(Rise, random_bars(), "bo", n_calls=12).counts.trials == 12
    assert optimize(Rise, random_bars(), "bo", n_calls=12, evaluations=8).counts.trials == 8


def test_settings_may_be_numbers_of_numpy(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"population_size": np.int64(12), "mutation_rate": np.float64(0.2)}
    result = optimize(Rise, random_bars(), "ga", evaluations=30, checkpoint=tmp_path, **settings)
    plain: dict[str, Any] = {"population_size": 12, "mutation_rate": 0.2}
    assert result.task_id == optimize(Rise, random_bars(), "ga", evaluations=30, **plain).task_id


def test_seconds_alone_are_a_budget() -> None:
    result = optimize(Rise, random_bars(), "random", seconds=0.3)
    assert result.stop_reason == "deadline"
    assert any("cut short" in note for note in result.notes)


def test_a_target_ends_the_search() -> None:
    result = optimize(Rise, random_bars(), "random", evaluations=5000, target=-5.0)
    assert result.stop_reason == "target"
    assert result.counts.trials < 5000


def test_events_reach_the_sink() -> None:
    events: list[Any] = []
    optimize(Rise, random_bars(), "random", evaluations=30, progress=events.append)
    assert isinstance(events[-3], Finished)
    assert events[-2:] == [Reproducing(300), Validating(30)]
    assert any(isinstance(event, Progress) for event in events)


def interrupt_once() -> Callable[[object], None]:
    """Return a sink that presses Ctrl-C at the first progress."""
    pressed: list[int] = []

    def sink(event: object) -> None:
        if isinstance(event, Progress) and not pressed:
            pressed.append(event.trials)
            os.kill(os.getpid(), signal.SIGINT)

    return sink


def test_ctrl_c_yields_a_result() -> None:
    result = optimize(Rise, random_bars(), "random", evaluations=10**6, progress=interrupt_once())
    assert result.stop_reason == "interrupted"
    assert result.reproduced
    assert 0 < result.counts.trials < 10**6
    assert any("cut short" in note for note in result.notes)


def test_cancel_before_a_trial_is_an_error_that_says_so() -> None:
    task = make_task(Rise, random_bars(), "random", evaluations=30)
    task.cancel()
    with pytest.raises(NoWinnerError, match=r"before a trial was finished: cancel\(\) was called"):
        task.run()


def test_an_interrupted_search_resumes_to_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "PROGRESS_INTERVAL", 0.0)  # the whole search may take less than a tenth
    options: dict[str, Any] = {"evaluations": 3000, "seed": 2}
    whole = optimize("momentum", random_bars(), "ga", **options)

    interrupt = interrupt_once()
    first = optimize("momentum", random_bars(), "ga", checkpoint=tmp_path, progress=interrupt, **options)
    assert first.counts.trials < 3000
    again = optimize("momentum", random_bars(), "ga", checkpoint=tmp_path, resume=True, **options)
    assert again.counts.resumed == first.counts.trials
    np.testing.assert_array_equal(again.history.points, whole.history.points)
    np.testing.assert_array_equal(again.history.scores, whole.history.scores)
    assert again.best_parameters == whole.best_parameters
    assert again.task_id == whole.task_id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": random_bars(seed=1)}, "data: was"),
        ({"strategy": Other}, "strategy: was"),
        ({"space": {"days": {"type": "discrete", "bounds": [2, 50]}}}, "space: was"),
        ({"objective": "calmar_ratio"}, "objective.weights.sharpe_ratio: was 1.0, is absent"),
        ({"costs": Costs()}, "costs.commission: was 0.0005, is 0.0"),
        ({"fill": "close"}, "rules.fill: was next_open, is close"),
        ({"cash": 5000.0}, "rules.cash: was 100000.0, is 5000.0"),
        ({"holdout": 0.5}, "in_sample_bars: was"),
        ({"seed": 9}, "seed: was 0, is 9"),
        ({"optimizer": "ga"}, "optimizer.name: was random, is ga"),
        ({"method": "sobol"}, "optimizer.method: was absent, is sobol"),
    ],
)
def test_a_checkpoint_of_another_search_is_not_continued(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    call: dict[str, Any] = {
        "strategy": Plain,
        "data": random_bars(),
        "optimizer": "random",
        "evaluations": 10,
    }
    optimize(**call, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match=message):
        optimize(**(call | change), checkpoint=tmp_path, resume=True)


def test_another_version_does_not_continue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from strategy_optimizer.tasks import optimization_task

    optimize(Rise, random_bars(), "random", evaluations=10, checkpoint=tmp_path)
    monkeypatch.setattr(optimization_task, "__version__", "9.9")
    with pytest.raises(CheckpointError, match=r"version: was .*, is 9\.9"):
        optimize(Rise, random_bars(), "random", evaluations=10, checkpoint=tmp_path, resume=True)


# -- notes ----------------------------------------------------------------------------------------------


def test_notes_say_what_the_numbers_hide() -> None:
    result = optimize(Rise, random_bars(seed=5), "random", evaluations=40)
    text = " | ".join(result.notes)
    assert ("too few to tell skill from luck" in text) == (
        0 < result.best_performance["trades"] < 30 or 0 < result.best.held_out["trades"] < 30
    )
    assert ("held out, the winner returned" in text) == (
        result.best.held_out["total_return"] <= result.buy_and_hold.held_out["total_return"]
    )


def test_the_note_on_defaults(result: Result) -> None:
    from strategy_optimizer.tasks.notes import write_notes

    worse = replace(result.best, held_out={**result.best.held_out, "composite_score": -9.0})
    missing = replace(result.best, held_out={**result.best.held_out, "composite_score": math.nan})
    for best, expected in (
        (worse, "held out, the winner scores -9"),
        (missing, "held out, the winner has no score"),
        (result.defaults, "nothing better than the default parameters"),
    ):
        notes = write_notes(
            get_strategy("momentum").space(),
            {},
            best,
            result.defaults,
            result.buy_and_hold,
            result.counts,
            "budget",
        )
        assert any(expected in note for note in notes), notes


def test_the_reference_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that is wrong by one part in a million is found out."""
    true = result_aggregator.reproduce

    def wrong(trial: Any, *args: Any) -> str:
        return true(
            replace(trial, metrics=trial.metrics | {"skew": trial.metrics["skew"] * (1 + 1e-6)}), *args
        )

    monkeypatch.setattr(result_aggregator, "reproduce", wrong)
    with pytest.raises(ReproductionError, match="skew was"):
        optimize(Rise, random_bars(), "random", evaluations=10)
